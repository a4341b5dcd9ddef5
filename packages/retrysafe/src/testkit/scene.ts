/* What the body of a store case is given: the opened store, keys of its own, and time in terms of the rules. */
import {
  type BeginOptions,
  type IdempotencyStore,
  type Inspectable,
  type Outcome,
  storeKey,
} from '../contract/index.js'
import { expectStatus } from './expect.js'
import { isInspectable, lacks, type Need, type OpenedStore, type StoreCase } from './store-case.js'

/** Long enough that no slow machine lets a lease lapse while a case runs. */
export const leaseMs = 600_000
export const retentionMs = 3_600_000

export interface Scene {
  readonly store: IdempotencyStore
  readonly opened: OpenedStore
  /** The key that the case is about. */
  readonly key: string
  /** Another key of the case. */
  keyOf(name: string): string
  /** A second handle on the same backend; closed with the case. */
  again(): Promise<IdempotencyStore>
  /** Claims with the lease and retention of the cases; it must be `new`. */
  claim(options?: BeginOptions, key?: string): Promise<Extract<Outcome, { status: 'new' }>>
  /** Asks with the lease and retention of the cases. */
  begin(options?: BeginOptions, key?: string): Promise<Outcome>
  /** Lets `ms` pass, plus what the store allows for skewed clocks, but stops short by the precision of its clock. */
  passAlmost(ms: number, key?: string): Promise<void>
  /** Lets the rest pass after `passAlmost`: the instant itself is reached, to the millisecond where the clock is frozen. */
  passRest(key?: string): Promise<void>
  /** Lets the lease of the cases pass. */
  lapse(key?: string): Promise<void>
  /** Lets exactly `ms` pass, plus what the store allows for skewed clocks. */
  pass(ms: number, key?: string): Promise<void>
}

/** A case whose body gets a scene, which is closed whatever happens. */
export function storeCase(name: string, why: string, body: (scene: Scene) => Promise<void>, needs?: Need): StoreCase {
  return {
    name,
    why,
    ...(needs === undefined ? {} : { needs }),
    async run(open) {
      const opened = await open()
      try {
        const reason = needs === undefined ? undefined : lacks(opened, needs)
        if (reason !== undefined) throw new Error(`${name}: this case is to be skipped, since ${reason}.`)
        await body(setScene(opened))
      } finally {
        await opened.close()
      }
    },
  }
}

function setScene(opened: OpenedStore): Scene {
  const { store, scratch, skewMs = 0 } = opened
  const key = `${scratch}key`
  const slackMs = opened.frozen ? 1 : 60_000
  const begin: Scene['begin'] = (options = {}, of = key) => store.begin(of, { leaseMs, retentionMs, ...options })
  const age = (ms: number, of = key): Promise<void> => opened.age(of, ms)
  return {
    store,
    opened,
    key,
    keyOf: (name) => `${scratch}${storeKey(name)}`,
    again: () => opened.again(),
    claim: async (options, of) => expectStatus(await begin(options, of), 'new', 'begin'),
    begin,
    passAlmost: (ms, of) => age(ms + skewMs - slackMs, of),
    passRest: (of) => age(slackMs, of),
    lapse: (of) => age(leaseMs + skewMs, of),
    pass: (ms, of) => age(ms + skewMs, of),
  }
}

/** The store as operators see it, for cases that need it. */
export function inspect(scene: Scene): IdempotencyStore & Inspectable {
  if (isInspectable(scene.store)) return scene.store
  throw new Error('The store is not inspectable.')
}
