import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/contract/index.js'
import { memoryStore } from '../../../src/stores/memory.js'
import { callOf, type Store } from '../calls.js'
import type { Bench, Handle } from './bench.js'
import { patience } from './patience.js'
import { placesOf } from './places.js'

const minute = 60_000
/**
 * The engine's clock is its own, so real time passes too. Leases and retentions are 1 more than a multiple of 3 minutes
 * and what passes is a multiple of 3: nothing ever ends nearer than half a minute to an instant at which it is looked at.
 */
const call = callOf({
  leaseMs: [undefined, 4 * minute, 10 * minute],
  renewMs: [undefined, undefined, 0, 10 * minute],
  retentionMs: [undefined, 7 * minute, 13 * minute],
  waitMs: [3, 6, 9, 12, 18].map((minutes) => minutes * minute),
})
/** How far an instant of the engine may be from the same instant of the model. Every time above is longer. */
const toleranceMs = 10_000

interface Deed {
  readonly what: string
  readonly ms?: number
  /** What is answered is compared, where it says anything about this key. */
  readonly step?: (store: Store, key: string) => Promise<unknown>
}

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { arbitrary: call, weight: 16 },
  { arbitrary: fc.constant<Deed>({ what: 'delete', step: (store, key) => store.delete(key) }), weight: 1 },
  // How many records are over is a matter of all histories; that none of this one is missed shows afterwards.
  {
    arbitrary: fc.constant<Deed>({
      what: 'purge',
      step: (store) => store.purge({ limit: 1000 }).then(() => undefined),
    }),
    weight: 1,
  },
)
/** One caller after the other, on two keys. */
const history = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'a'), deed.map(named)), {
  minLength: 1,
  maxLength: 25,
  size: 'max',
})
/** Several histories at once, so that what a store does for many calls together is in play. */
const histories = fc.array(history, { minLength: 1, maxLength: 8, size: 'max' })

/** A counterexample names what was done instead of printing functions. */
function named(one: Deed): Deed {
  return { ...one, [fc.toStringMethod]: () => one.what } as Deed
}

/** Random histories, step by step beside `memoryStore`. */
export function historySuite(bench: Bench, options: { readonly runs?: number } = {}): void {
  const places = placesOf(bench)
  describe(`random histories on ${bench.name}`, patience, () => {
    test('whatever is asked in whatever order, the answers are those of the store in memory', async (context) => {
      const handle = await places.open(await places.make(context))
      let runs = 0
      await fc.assert(
        fc.asyncProperty(histories, async (several) => {
          runs++
          const ends = await Promise.allSettled(
            several.map((deeds, index) => follow(handle, `run-${runs}-${index}/`, deeds)),
          )
          for (const end of ends) if (end.status === 'rejected') throw end.reason
        }),
        { numRuns: options.runs ?? 25 },
      )
    })
  })
}

async function follow(
  { store, age }: Handle,
  prefix: string,
  deeds: readonly (readonly [string, Deed])[],
): Promise<void> {
  let agedMs = 0
  const clock: Clock = { ...systemClock, now: () => Date.now() + agedMs }
  const model = memoryStore({ clock })
  const check = async (what: string, key: string, ask: (store: Store, key: string) => Promise<unknown>) => {
    const [seen, wanted] = [await outcomeOf(ask(store, key)), await outcomeOf(ask(model, key))]
    expect(settled(seen, Date.now(), wanted, clock.now()), `${what} of ${key}`).toEqual(wanted)
  }
  for (const [name, { what, ms, step }] of deeds) {
    const key = prefix + name
    if (ms !== undefined) {
      agedMs += ms
      for (const every of ['a', 'b']) await age(prefix + every, ms)
    }
    if (step !== undefined) await check(what, key, step)
    await check(`get after ${what}`, key, (one) => one.get(key))
  }
  for (const status of [undefined, 'in_progress', 'completed', 'uncertain'] as const)
    await check(`list of ${status}`, prefix, (one) => one.list({ prefix, status }))
  await model.close()
}

async function outcomeOf(answer: Promise<unknown>): Promise<unknown> {
  return answer.then(
    (value) => ({ value }),
    (error: { code?: string }) => ({ code: error.code ?? error }),
  )
}

/** What was seen, with how long ago things were as it was wanted where they are within the tolerance of it. */
function settled(seen: unknown, seenNow: number, wanted: unknown, wantedNow: number): unknown {
  if (seen instanceof Date && wanted instanceof Date) {
    const apartMs = seenNow - seen.getTime() - (wantedNow - wanted.getTime())
    return Math.abs(apartMs) <= toleranceMs ? wanted : new Date(seen.getTime() + wantedNow - seenNow)
  }
  if (Array.isArray(seen) && Array.isArray(wanted))
    return seen.map((member, index) => settled(member, seenNow, wanted[index], wantedNow))
  if (!isPlain(seen) || !isPlain(wanted)) return seen
  return Object.fromEntries(
    Object.entries(seen).map(([name, member]) => [name, settled(member, seenNow, wanted[name], wantedNow)]),
  )
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
