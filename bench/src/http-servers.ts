/* The servers of the HTTP suite, one a process: `node http-servers.js NAME [upstream port]`. Prints its port. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from 'retrysafe/memory'
import { idempotent } from 'retrysafe/node'
import { startBenchProxy } from './http-proxies.js'

const [, , name = '', upstreamPort = '0'] = process.argv

/** A handler as services have them: reads a JSON body, answers JSON. */
function handle(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { amount } = JSON.parse(Buffer.concat(chunks).toString()) as { amount: number }
    const body = JSON.stringify({ id: 'ch_1', amount, currency: 'EUR', status: 'succeeded' })
    response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
    response.end(body)
  })
}

async function open(): Promise<number> {
  if (name.startsWith('proxy')) return startBenchProxy(name, Number(upstreamPort), scratch)
  const once = idempotent({
    store: memoryStore({ whenFull: 'evict', maxEntries: 200_000 }),
    scope: () => 'tenant',
  })
  const listener: RequestListener = name === 'bare' ? handle : once(handle)
  const server = createServer({ keepAliveTimeout: 60_000 }, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

const scratch = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
process.on('message', () => process.send?.(process.cpuUsage()))
process.on('disconnect', () => {
  rmSync(scratch, { recursive: true, force: true })
  process.exit()
})
process.send?.({ port: await open() })
