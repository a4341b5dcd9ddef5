import type { IdempotencyStore, Inspectable, Migratable, Wakeable } from '../contract/index.js'

/** One promise of the store contract, and how to see that a store holds it. */
export interface StoreCase {
  /** A sentence that is true of a sound store. Unique. */
  readonly name: string
  /** What goes wrong in production where it does not hold. */
  readonly why: string
  /** What the store must offer besides the contract; a store without it skips the case. */
  readonly needs?: Need
  /** Resolves where the promise holds, rejects with what was expected and what was seen where it does not. */
  run(open: OpenStore): Promise<void>
}

/**
 * `inspectable`, `wakeable`, `migratable`: the interfaces of those names. `reopening`: it outlives its process, shown by
 * `OpenedStore.reopen`. `countable`: `OpenedStore.stored`. `limited`: `OpenedStore.limits.maxValueBytes`.
 */
export type Need = 'inspectable' | 'wakeable' | 'migratable' | 'reopening' | 'countable' | 'limited'

/** Opens the store under test. Each case calls it once or more, and closes what it got. */
export type OpenStore = () => Promise<OpenedStore>

export interface OpenedStore {
  /** The store under test. What else it offers is seen by its methods (`list`, `wake`, `migrate`). */
  readonly store: IdempotencyStore
  /** Keys of a case begin with this, so that cases never meet on a shared database. 1 to 200 plain characters. */
  readonly scratch: string
  /**
   * Shifts every stored instant of the key that many milliseconds into the past (or the store's own clock as far into
   * the future, where it has one). Never sleeps. Nothing happens where the key holds nothing.
   */
  age(key: string, ms: number): Promise<void>
  /** A second handle on the same backend, as another process would have. A store within one process gives itself. */
  again(): Promise<IdempotencyStore>
  /** The store's clock stands still between calls: edges are tested to the millisecond, else within a minute. */
  readonly frozen?: boolean
  /** The store's `maxClockSkewMs`, where it judges by the clocks of its machines. Default 0. */
  readonly skewMs?: number
  readonly limits?: { readonly maxValueBytes?: number }
  /** How many records the backend holds under `scratch`, those past their retention included. */
  stored?(): Promise<number>
  /** Closes the store and opens it anew on the same data, for stores that outlive their process. */
  reopen?(): Promise<IdempotencyStore>
  /** Closes the store and every handle that `again` and `reopen` gave; also where some are closed already. */
  close(): Promise<void>
}

/** Why the store cannot show the case, or undefined where it can. */
export function lacks(opened: OpenedStore, need: Need): string | undefined {
  const has: Readonly<Record<Need, boolean>> = {
    inspectable: isInspectable(opened.store),
    wakeable: isWakeable(opened.store),
    migratable: isMigratable(opened.store),
    reopening: opened.reopen !== undefined,
    countable: opened.stored !== undefined,
    limited: opened.limits?.maxValueBytes !== undefined,
  }
  return has[need] ? undefined : `the store is not ${need}`
}

export function isInspectable(store: IdempotencyStore): store is IdempotencyStore & Inspectable {
  return 'list' in store && typeof store.list === 'function'
}

export function isWakeable(store: IdempotencyStore): store is IdempotencyStore & Wakeable {
  return 'wake' in store && typeof store.wake === 'function'
}

export function isMigratable(store: IdempotencyStore): store is IdempotencyStore & Migratable {
  return 'migrate' in store && typeof store.migrate === 'function'
}
