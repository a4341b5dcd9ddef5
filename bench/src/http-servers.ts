/* The servers of the HTTP suite, one a process: `node http-servers.js FRAMEWORK LAYER [NUMBER]`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { frameworks, runCount } from './http-frameworks.js'
import { startBenchProxy } from './http-proxies.js'

export interface Usage {
  readonly cpuMicros: number
  readonly runs: number
  /** After a collection, where the process may ask for one. */
  readonly heapUsed: number
  readonly rss: number
}

const scratch = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))

/** The number is the port of the proxy's upstream, or how many entries the store may have. */
async function open([framework = '', layer = '', number = '0']: readonly string[]): Promise<number> {
  if (framework === 'proxy') return startBenchProxy(layer, Number(number), scratch)
  const openFramework = frameworks[framework]
  if (openFramework === undefined) throw new Error(`There is no server ${framework}.`)
  return openFramework(layer, Number(number))
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  process.send?.({ cpuMicros: user + system, runs: runCount(), heapUsed, rss } satisfies Usage)
})
process.on('disconnect', () => {
  rmSync(scratch, { recursive: true, force: true })
  process.exit()
})
process.send?.({ port: await open(process.argv.slice(2)) })
