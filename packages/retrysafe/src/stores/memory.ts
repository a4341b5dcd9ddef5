import {
  type BeginOptions,
  badOption,
  type Clock,
  type CompleteOptions,
  checkStoreKey,
  closedError,
  type IdempotencyRecord,
  type IdempotencyStore,
  type Inspectable,
  isOver,
  type Limit,
  type Outcome,
  onBegin,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type RenewOptions,
  readAttempt,
  readBegin,
  readComplete,
  readInteger,
  readList,
  readPurge,
  readRenew,
  readToken,
  refusal,
  type Storable,
  systemClock,
  toOutcome,
  toRecord,
  type Wakeable,
  type WriteDecision,
} from '../contract/index.js'
import { createShelf, drop, type Entry, listPage, putClaim, putValue, type Shelf, sweep } from './memory/records.js'
import { createWakes, type Wakes } from './shared/wakes.js'

/** A Map of V8 ends a little above 16 million members. */
const entriesLimit: Limit = { default: 100_000, min: 1, max: 16_000_000 }
/** Below 64 KiB hardly a claim fits. */
const bytesLimit: Limit = { default: 256 * 1024 * 1024, min: 64 * 1024, max: Number.MAX_SAFE_INTEGER }
/** Records past retention that one `begin` removes: more than it adds, so that they never pile up. */
const sweptPerBegin = 2

export interface MemoryStoreOptions {
  /** The most keys that are held. Default 100,000; 1 to 16,000,000. */
  maxEntries?: number | undefined
  /** The most bytes that all keys take together, as the store reckons them. Default 256 MiB; at least 64 KiB. */
  maxBytes?: number | undefined
  /**
   * What happens at either bound. Default `'refuse'`: `begin` rejects with `store_full`, and nothing is lost. `'evict'`
   * drops completed keys, oldest first, so that a late retry of one runs again; a live claim, or a key that is
   * uncertain, is never dropped.
   */
  whenFull?: 'refuse' | 'evict' | undefined
  /** Default: the machine's own. */
  clock?: Clock | undefined
}

export type MemoryStore = IdempotencyStore & Inspectable & Wakeable

/**
 * Keeps keys in this process: for tests, development, and single processes that may forget everything on restart.
 *
 * Bounded by `maxEntries` and `maxBytes`. A claim reserves room for its completion, so that a small response, or the
 * note that a large one was not stored, always fits; a larger one that does not fit is `value_too_large`.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, `store_full` and `value_too_large`.
 * @example
 * ```ts
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const store = memoryStore({ maxEntries: 10_000 })
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { whenFull = 'refuse', clock = systemClock } = options
  if (whenFull !== 'refuse' && whenFull !== 'evict') throw badOption('whenFull', whenFull, "'refuse' or 'evict'")
  const maxEntries = readInteger('maxEntries', options.maxEntries, entriesLimit)
  const maxBytes = readInteger('maxBytes', options.maxBytes, bytesLimit)
  const wakes = createWakes()
  const shelf = createShelf({ maxEntries, maxBytes, evicts: whenFull === 'evict' }, wakes.wake)
  const memory: Memory = { clock, shelf, wakes }
  return {
    begin: async (key, beginOptions) => begin(memory, key, beginOptions),
    complete: async (key, response, completeOptions) => complete(memory, key, response, completeOptions),
    get: async (key) => get(memory, key),
    renew: async (key, token, renewOptions) => renew(memory, key, token, renewOptions),
    release: async (key, token) => release(memory, key, token),
    purge: async (purgeOptions) => sweep(shelfOf(memory), clock.now(), readPurge(purgeOptions)),
    list: async (query) => listPage(shelfOf(memory), readList(query), clock.now()),
    delete: async (key) => discard(memory, key),
    free: async (key, { attempt }) => free(memory, key, attempt),
    wake: async (key, signal) => {
      enter(memory, key)
      return wakes.wait(key, signal)
    },
    close: async () => close(memory),
  }
}

interface Memory {
  readonly clock: Clock
  /** Undefined once closed. */
  shelf: Shelf | undefined
  readonly wakes: Wakes
}

function begin(memory: Memory, key: string, options: BeginOptions | undefined): Outcome {
  const shelf = enter(memory, key)
  const ask = readBegin(options)
  const now = memory.clock.now()
  sweep(shelf, now, sweptPerBegin)
  const entry = shelf.entries.get(key)
  const { write, outcome } = onBegin(entry?.record, ask, now)
  if (write !== undefined) putClaim(shelf, key, entry, write, now)
  return toOutcome(outcome)
}

function complete(memory: Memory, key: string, response: Storable, options: CompleteOptions | undefined): void {
  const shelf = enter(memory, key)
  const ask = readComplete(response, options)
  const now = memory.clock.now()
  const entry = shelf.entries.get(key)
  apply(shelf, key, entry, onComplete(entry?.record, ask, now), now)
  memory.wakes.wake(key)
}

function get(memory: Memory, key: string): IdempotencyRecord | undefined {
  const record = enter(memory, key).entries.get(key)?.record
  return record === undefined || isOver(record, memory.clock.now()) ? undefined : toRecord(key, record)
}

function renew(memory: Memory, key: string, token: string, options: RenewOptions | undefined): void {
  const shelf = enter(memory, key)
  const ask = readRenew(token, options)
  const now = memory.clock.now()
  const entry = shelf.entries.get(key)
  apply(shelf, key, entry, onRenew(entry?.record, ask, now), now)
  if (ask.leaseMs === 0) memory.wakes.wake(key)
}

function release(memory: Memory, key: string, token: string): void {
  const shelf = enter(memory, key)
  const now = memory.clock.now()
  const entry = shelf.entries.get(key)
  apply(shelf, key, entry, onRelease(entry?.record, readToken(token), now), now)
  memory.wakes.wake(key)
}

function discard(memory: Memory, key: string): boolean {
  const shelf = enter(memory, key)
  const entry = shelf.entries.get(key)
  if (entry === undefined) return false
  drop(shelf, entry)
  memory.wakes.wake(key)
  return !isOver(entry.record, memory.clock.now())
}

function free(memory: Memory, key: string, attempt: number): boolean {
  const shelf = enter(memory, key)
  const now = memory.clock.now()
  const entry = shelf.entries.get(key)
  const decision = onFree(entry?.record, readAttempt('attempt', attempt), now)
  if (decision.refuse !== undefined) return false
  apply(shelf, key, entry, decision, now)
  memory.wakes.wake(key)
  return true
}

function close(memory: Memory): void {
  memory.shelf = undefined
  memory.wakes.wakeAll()
}

function enter(memory: Memory, key: string): Shelf {
  const shelf = shelfOf(memory)
  checkStoreKey(key)
  return shelf
}

function shelfOf(memory: Memory): Shelf {
  if (memory.shelf === undefined) throw closedError()
  return memory.shelf
}

/** Does what a rule said, or throws what it refused. */
function apply(shelf: Shelf, key: string, entry: Entry | undefined, decision: WriteDecision, now: number): void {
  if (decision.refuse !== undefined) throw refusal(decision.refuse, key)
  if (decision.write !== undefined) putValue(shelf, key, entry, decision.write, now)
  if (decision.remove && entry !== undefined) drop(shelf, entry)
}
