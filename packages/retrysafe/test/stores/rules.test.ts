import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { isOver, type Rec, toRecord } from '../../src/contract/index.js'
import { memoryStore } from '../../src/stores/memory.js'
import { sqliteStore } from '../../src/stores/sqlite.js'
import { type SimulatedClock, simulatedClock } from '../../src/testkit/simulated-clock.js'
import { type Call, callOf, type Store } from './calls.js'
import { clients } from './sqlite/clients.js'

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'retrysafe-rules-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const call = callOf({
  leaseMs: [undefined, 100, 1000],
  renewMs: [undefined, undefined, 0, 1000],
  retentionMs: [undefined, 1000, 2000],
  waitMs: [1, 99, 100, 999, 1000, 1100, 2000],
})

/** What the pure rules say of the calls must be what the store answers and holds, call by call. */
async function follow(store: Store, clock: SimulatedClock, key: string, calls: readonly Call[]): Promise<void> {
  let record: Rec | undefined
  for (const { what, ms, step, rule } of calls) {
    if (ms !== undefined) clock.jump(ms)
    if (step === undefined || rule === undefined) continue
    const { decision, answer } = rule(record, clock.now())
    const seen = await step(store, key).catch((error: { code?: string }) => error.code)
    expect(seen, what).toEqual(answer)
    if (decision.write !== undefined) record = decision.write
    if (decision.remove) record = undefined
    const shown = record === undefined || isOver(record, clock.now()) ? undefined : toRecord(key, record)
    expect(await store.get(key), what).toEqual(shown)
  }
}

async function followMany(store: Store, clock: SimulatedClock): Promise<void> {
  let keys = 0
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 25 }), async (calls) => {
      keys++
      await follow(store, clock, `key-${keys}`, calls)
    }),
    { numRuns: 300 },
  )
  await store.close()
}

describe('whatever is asked in whatever order, a store answers and holds what the pure rules say', () => {
  test('memory', async () => {
    const clock = simulatedClock()
    await followMany(memoryStore({ clock }), clock)
  })

  for (const client of clients)
    test(`SQLite on ${client.name}`, async () => {
      const clock = simulatedClock()
      const database = client.open(join(folder, `${client.name.replace(':', '-')}.db`))
      await followMany(sqliteStore({ database, clock }), clock)
      database.close()
    })
})
