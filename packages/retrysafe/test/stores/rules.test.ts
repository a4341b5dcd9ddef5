import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import {
  type IdempotencyStore,
  type Inspectable,
  isOver,
  onBegin,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type Rec,
  readBegin,
  readComplete,
  readRenew,
  toOutcome,
  toRecord,
  type WriteDecision,
} from '../../src/contract/index.js'
import { memoryStore } from '../../src/stores/memory.js'
import { sqliteStore } from '../../src/stores/sqlite.js'
import { type SimulatedClock, simulatedClock } from '../../src/testkit/simulated-clock.js'
import { clients } from './sqlite-clients.js'

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'retrysafe-rules-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Store = IdempotencyStore & Inspectable
type Step = (store: Store, key: string) => Promise<unknown>
type Rule = (record: Rec | undefined, now: number) => { decision: WriteDecision; answer: unknown }
interface Call {
  readonly what: string
  readonly ms?: number
  readonly step?: Step
  readonly rule?: Rule
}

const token = fc.constantFrom('one', 'two', 'three')
const fingerprint = fc.constantFrom(undefined, 'v1:a', 'v1:b', 'v2:a')
const leaseMs = fc.constantFrom(undefined, 100, 1000)
const retentionMs = fc.constantFrom(undefined, 1000, 2000)
const afterCrash = fc.constantFrom(undefined, 'rerun' as const, 'rerun' as const, 'uncertain' as const)
const attempt = fc.integer({ min: 1, max: 4 })
const value = fc.constantFrom<unknown>(null, 0, 'text', { a: [1] }, Uint8Array.of(1, 2))

const begin = fc
  .record({
    token,
    fingerprint,
    leaseMs,
    retentionMs,
    afterCrash,
    rerunAttempt: fc.option(attempt, { nil: undefined }),
  })
  .map((options): Call => {
    const rule: Rule = (record, now) => {
      const { write, outcome } = onBegin(record, readBegin(options), now)
      return { decision: write === undefined ? {} : { write }, answer: toOutcome(outcome) }
    }
    return { what: `begin ${JSON.stringify(options)}`, step: (store, key) => store.begin(key, options), rule }
  })
const complete = fc
  .record({ token: fc.option(token, { nil: undefined }), retentionMs, kind: fc.constantFrom(undefined, 'void') })
  .chain((options) => value.map((response) => ({ options, response: response as object })))
  .map(({ options, response }) =>
    written(
      `complete ${JSON.stringify(options)}`,
      (store, key) => store.complete(key, response, options),
      (record, now) => onComplete(record, readComplete(response, options), now),
    ),
  )
const renew = fc
  .record({
    token,
    leaseMs: fc.constantFrom(undefined, undefined, 0, 1000),
    checkpoint: fc.option(value, { nil: undefined }),
    checkpointNumber: fc.option(attempt, { nil: undefined }),
  })
  .map(({ token: mine, ...rest }) => {
    const options = rest as { checkpoint?: object | undefined }
    return written(
      `renew ${mine} ${JSON.stringify(options)}`,
      (store, key) => store.renew(key, mine, options),
      (record, now) => onRenew(record, readRenew(mine, options), now),
    )
  })
const release = token.map((mine) =>
  written(
    `release ${mine}`,
    (store, key) => store.release(key, mine),
    (record, now) => onRelease(record, mine, now),
  ),
)
const free = attempt.map((number): Call => {
  const rule: Rule = (record, now) => {
    const decision = onFree(record, number, now)
    return { decision, answer: decision.refuse === undefined }
  }
  return { what: `free ${number}`, step: (store, key) => store.free(key, { attempt: number }), rule }
})
const wait = fc.constantFrom(1, 99, 100, 999, 1000, 1100, 2000).map((ms): Call => ({ what: `wait ${ms}`, ms }))
const call = fc.oneof(
  { arbitrary: begin, weight: 5 },
  { arbitrary: complete, weight: 3 },
  { arbitrary: renew, weight: 3 },
  { arbitrary: release, weight: 1 },
  { arbitrary: free, weight: 1 },
  { arbitrary: wait, weight: 3 },
)

function written(what: string, step: Step, decide: (record: Rec | undefined, now: number) => WriteDecision): Call {
  const rule: Rule = (record, now) => {
    const decision = decide(record, now)
    return { decision, answer: decision.refuse }
  }
  return { what, step, rule }
}

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
