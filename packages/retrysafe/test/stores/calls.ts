/* Random calls to a store, each with what the pure rules say of it. */
import fc from 'fast-check'
import {
  type IdempotencyStore,
  type Inspectable,
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
  type WriteDecision,
} from '../../src/contract/index.js'

export type Store = IdempotencyStore & Inspectable
type Step = (store: Store, key: string) => Promise<unknown>
type Rule = (record: Rec | undefined, now: number) => { decision: WriteDecision; answer: unknown }

/** A call, with the pure rule of it; or time that passes. */
export interface Call {
  readonly what: string
  readonly ms?: number
  readonly step?: Step
  readonly rule?: Rule
}

/** The times that calls name; undefined is the store's own default. */
export interface Times {
  readonly leaseMs: readonly (number | undefined)[]
  readonly renewMs: readonly (number | undefined)[]
  readonly retentionMs: readonly (number | undefined)[]
  readonly waitMs: readonly number[]
}

const token = fc.constantFrom('one', 'two', 'three')
const fingerprint = fc.constantFrom(undefined, 'v1:a', 'v1:b', 'v2:a')
const afterCrash = fc.constantFrom(undefined, 'rerun' as const, 'rerun' as const, 'uncertain' as const)
const attempt = fc.integer({ min: 1, max: 4 })
const value = fc.constantFrom<unknown>(null, 0, 'text', { a: [1] }, Uint8Array.of(1, 2))

/** Any call of the contract but `get`, `purge` and `delete`, or time that passes. */
export function callOf(times: Times): fc.Arbitrary<Call> {
  return fc.oneof(
    { arbitrary: beginOf(times), weight: 5 },
    { arbitrary: completeOf(times), weight: 3 },
    { arbitrary: renewOf(times), weight: 3 },
    { arbitrary: release, weight: 1 },
    { arbitrary: free, weight: 1 },
    { arbitrary: fc.constantFrom(...times.waitMs).map((ms): Call => ({ what: `wait ${ms}`, ms })), weight: 3 },
  )
}

function beginOf(times: Times): fc.Arbitrary<Call> {
  return fc
    .record({
      token,
      fingerprint,
      leaseMs: fc.constantFrom(...times.leaseMs),
      retentionMs: fc.constantFrom(...times.retentionMs),
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
}

function completeOf(times: Times): fc.Arbitrary<Call> {
  return fc
    .record({
      token: fc.option(token, { nil: undefined }),
      retentionMs: fc.constantFrom(...times.retentionMs),
      kind: fc.constantFrom(undefined, 'void'),
    })
    .chain((options) => value.map((response) => ({ options, response: response as object })))
    .map(({ options, response }) =>
      written(
        `complete ${JSON.stringify(options)}`,
        (store, key) => store.complete(key, response, options),
        (record, now) => onComplete(record, readComplete(response, options), now),
      ),
    )
}

function renewOf(times: Times): fc.Arbitrary<Call> {
  return fc
    .record({
      token,
      leaseMs: fc.constantFrom(...times.renewMs),
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
}

const release: fc.Arbitrary<Call> = token.map((mine) =>
  written(
    `release ${mine}`,
    (store, key) => store.release(key, mine),
    (record, now) => onRelease(record, mine, now),
  ),
)

const free: fc.Arbitrary<Call> = attempt.map((number): Call => {
  const rule: Rule = (record, now) => {
    const decision = onFree(record, number, now)
    return { decision, answer: decision.refuse === undefined }
  }
  return { what: `free ${number}`, step: (store, key) => store.free(key, { attempt: number }), rule }
})

function written(what: string, step: Step, decide: (record: Rec | undefined, now: number) => WriteDecision): Call {
  const rule: Rule = (record, now) => {
    const decision = decide(record, now)
    return { decision, answer: decision.refuse }
  }
  return { what, step, rule }
}
