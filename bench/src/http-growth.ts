import type { HttpRunOptions } from './http.js'
import { startServer } from './http-process.js'
import type { Row } from './measure.js'

const connections = 16
const steps = 10
const perStep = 100_000
const maxEntries = 10_000
/** By then the store has been full for long, and every connection, cache and compiled function exists. */
const settledAfter = 2
/** Compiled code and the shape of the heap still move a little. */
const allowedRatio = 1.1

/**
 * A million fresh keys against a bounded store that evicts: what the server holds must not grow with what it has seen.
 * `--only` names the framework; `node` without.
 */
export async function httpGrowth(print: (row: Row) => void, { only = ['node'] }: HttpRunOptions = {}): Promise<Row[]> {
  const rows: Row[] = []
  for (const framework of only) rows.push(...(await grow(framework, print)))
  return rows
}

async function grow(framework: string, print: (row: Row) => void): Promise<Row[]> {
  const server = await startServer([framework, 'retrysafe', String(maxEntries)], {
    connections,
    execArgv: ['--expose-gc'],
  })
  const rows: Row[] = []
  const held: { heapUsed: number; rss: number }[] = []
  for (let step = 1; step <= steps; step++) {
    await server.client.closedLoop(perStep, (index) => `key-${step}-${index}`)
    held.push(await server.usage())
    for (const [what, of] of [['heap after collection', 'heapUsed'] as const, ['RSS', 'rss'] as const]) {
      const settled = held[Math.min(step, settledAfter) - 1]?.[of] ?? Number.NaN
      const bytes = held[step - 1]?.[of] ?? Number.NaN
      const row: Row = {
        suite: `http-growth: retrysafe/${framework}, ${maxEntries.toLocaleString('en')} entries at most`,
        subject: `${what}, ${(step * perStep).toLocaleString('en')} requests`,
        baseline: `after ${(Math.min(step, settledAfter) * perStep).toLocaleString('en')} requests`,
        concurrency: connections,
        median: bytes / 1e6,
        unit: 'MB',
        ratio: bytes / settled,
      }
      rows.push(row)
      print(row)
    }
  }
  await server.close()
  const settled = held[settledAfter - 1]?.heapUsed ?? 0
  const last = held[steps - 1]?.heapUsed ?? 0
  if (last > settled * allowedRatio)
    throw new Error(`The heap of ${framework} grew from ${settled} to ${last} bytes after ${settledAfter} steps.`)
  return rows
}
