import {
  type Clock,
  type IdempotencyStore,
  type Inspectable,
  isOver,
  isRetrysafeError,
  type Random,
  RetrysafeError,
  readInteger,
  systemClock,
} from '../contract/index.js'
import { type Driver, storeOf } from './shared/driver.js'
import { lowestKeys } from './shared/lowest-keys.js'
import { packRecord, unpackRecord } from './shared/packed-record.js'
import { type SwapTable, swapCalls } from './shared/swap.js'

/** A value with what tells whether it still is there. */
export interface VersionedValue<Version> {
  readonly value: Uint8Array
  readonly version: Version
}

/**
 * What an engine with conditional writes must do. It knows keys and values and nothing of what is in them.
 *
 * The engine must promise three things, or two callers do the same work:
 * - `put` and `remove` compare and write in one step that nobody comes between, also on other machines, and what they
 *   acknowledged is not lost;
 * - the version changes with every `put`, also where the key was removed and made anew since: a counter of the whole
 *   engine, or a random one, but no counter that begins at 1 with each key, and no digest of the value;
 * - `read` sees every write that was acknowledged before it began, and what made a `put` resolve `false`. An engine
 *   with replicas is asked for its consistent read.
 *
 * Whatever a method rejects with is given to the caller as the `cause` of `store_unavailable`; a `RetrysafeError` is
 * given as it is. A method may repeat a request whose answer was lost: where its own write was what made the repetition
 * fail, the record is read and found to be the caller's own.
 */
export interface CompareAndSwapTable<Version extends NonNullable<unknown>> {
  /** The engine, in words for messages: no password in it. */
  readonly name: string
  /** The most bytes of a response or checkpoint. What is `put` has up to 4 KiB more; the engine must take that. */
  readonly maxValueBytes: number
  /** What the key holds; `undefined` where it holds nothing. Keys are 1 to 2,042 bytes of UTF-8, all distinct. */
  read(key: string): Promise<VersionedValue<Version> | undefined>
  /**
   * Writes where the key still holds the seen version (`undefined`: still holds nothing), and resolves `false` where
   * it does not. From `expiresAt` on (milliseconds since the epoch, skew included) the engine may forget the key by
   * itself; not before, and not at all where that is `undefined`.
   */
  put(key: string, value: Uint8Array, seen: Version | undefined, expiresAt: number | undefined): Promise<boolean>
  /** Removes where the key still holds the seen version, and resolves `false` where it does not. */
  remove(key: string, seen: Version): Promise<boolean>
  /** The engine's own time, in milliseconds since the epoch. Default: the clock of each machine. */
  now?(): Promise<number>
  /**
   * Removes up to `limit` keys whose `expiresAt` is not after `now` and that were not put anew since; resolves how
   * many. Default: by `scan`, else nothing, where the engine forgets by itself.
   */
  purge?(limit: number, now: number): Promise<number>
  /** Whether a failure changed nothing and may be gone at once, so that it is tried again for up to 5 s. */
  passes?(error: unknown): boolean
  /** Called once, by `close`, when no call is under way. */
  close?(): Promise<void>
}

/** A table whose keys can be walked, so that operators can look into the store. */
export interface ScannableTable<Version extends NonNullable<unknown>> extends CompareAndSwapTable<Version> {
  /** Every key that begins with the prefix, in any order. Keys that are written meanwhile may be missing. */
  scan(prefix: string): AsyncIterable<VersionedValue<Version> & { readonly key: string }>
}

export interface CompareAndSwapStoreOptions {
  /** Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
  /**
   * How far the clocks of the machines that share the engine may be apart: a lease counts as lapsed, and a record as
   * over, only that much later. Default 5,000 ms, and 0 where the engine has a clock; 0 to 60,000.
   */
  maxClockSkewMs?: number | undefined
}

/** A response that nobody would keep in one value; the engine's own limit is what counts. */
const valueLimit = { default: 1, min: 1, max: 1024 * 1024 * 1024 }

/** Without a scan there is no list. */
export type CompareAndSwapStore = IdempotencyStore & Pick<Inspectable, 'delete' | 'free'>

/**
 * A store on an engine that has no store of its own here but can write on a condition: a key-value service, an object
 * store with `If-Match`, a table. Each call reads, decides by the rules and writes what it decided where nobody was
 * faster, else decides anew.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_corrupt` (a key holds what is no record), `unsupported` (a record of a later version) and `value_too_large`.
 * @example
 * ```ts
 * import { compareAndSwapStore } from 'retrysafe/cas'
 *
 * const entries = new Map<string, { value: Uint8Array; version: number }>()
 * let writes = 0
 * const store = compareAndSwapStore({
 *   name: 'A map',
 *   maxValueBytes: 1024 * 1024,
 *   read: async (key) => entries.get(key),
 *   async put(key, value, seen) {
 *     if (entries.get(key)?.version !== seen) return false
 *     entries.set(key, { value, version: ++writes })
 *     return true
 *   },
 *   remove: async (key, seen) => entries.get(key)?.version === seen && entries.delete(key),
 * })
 * ```
 */
export function compareAndSwapStore<Version extends NonNullable<unknown>>(
  table: ScannableTable<Version>,
  options?: CompareAndSwapStoreOptions,
): IdempotencyStore & Inspectable
export function compareAndSwapStore<Version extends NonNullable<unknown>>(
  table: CompareAndSwapTable<Version>,
  options?: CompareAndSwapStoreOptions,
): CompareAndSwapStore
export function compareAndSwapStore<Version extends NonNullable<unknown>>(
  table: CompareAndSwapTable<Version> & Partial<ScannableTable<Version>>,
  options: CompareAndSwapStoreOptions = {},
): CompareAndSwapStore & Partial<Inspectable> {
  const { clock = systemClock, random = Math.random } = options
  const skewLimit = { default: table.now === undefined ? 5000 : 0, min: 0, max: 60_000 }
  const skewMs = readInteger('maxClockSkewMs', options.maxClockSkewMs, skewLimit)
  // It has no default, since no number is safe with every engine.
  const maxValueBytes = readInteger('maxValueBytes', table.maxValueBytes ?? null, valueLimit)
  const surroundings = { clock, random, skewMs, where: table.name }
  const swap = toSwapTable(table, surroundings)
  const { list, ...store } = storeOf(
    {
      ...surroundings,
      maxValueBytes,
      ...swapCalls(swap),
      ...toScans(table, swap),
      toError: (error) => toError(table.name, error),
    },
    table.close && (async () => table.close?.()),
  )
  return table.scan === undefined ? store : { ...store, list }
}

type Surroundings = Pick<SwapTable<never>, 'clock' | 'random' | 'skewMs' | 'where'>
type Timed = { time(): Promise<number> }

function toSwapTable<Version extends NonNullable<unknown>>(
  table: CompareAndSwapTable<Version>,
  surroundings: Surroundings,
): SwapTable<Version> & Timed {
  const { clock, skewMs } = surroundings
  const time = async (): Promise<number> => {
    const now = Math.floor(table.now === undefined ? clock.now() : await table.now())
    if (!Number.isSafeInteger(now)) throw new TypeError('now() is to resolve milliseconds since the epoch')
    return now
  }
  return {
    ...surroundings,
    time,
    async read(key) {
      // The engine's time is asked for at once, to save a round trip: if it is older than what was read, then a claim
      // is only held for longer.
      const early = table.now === undefined ? undefined : time()
      const [held, now] = await Promise.all([table.read(key), early])
      return {
        now: now ?? (await time()),
        record: held && unpackRecord(key, held.value),
        version: held?.version,
      }
    },
    write: (key, record, seen) =>
      table.put(key, packRecord(record), seen, record.expiresAt === undefined ? undefined : record.expiresAt + skewMs),
    remove: (key, seen) => table.remove(key, seen),
    ...(table.passes && { passes: (error) => table.passes?.(error) ?? false }),
  }
}

function toScans<Version extends NonNullable<unknown>>(
  table: CompareAndSwapTable<Version> & Partial<ScannableTable<Version>>,
  { time, skewMs }: SwapTable<Version> & Timed,
): Pick<Driver, 'list' | 'purge'> {
  return {
    async list(filter) {
      const lowest = lowestKeys(filter, await time(), skewMs)
      for await (const { key, value } of table.scan?.(filter.prefix ?? '') ?? [])
        if (lowest.wants(key)) lowest.add(key, unpackRecord(key, value))
      return lowest.page
    },
    async purge(limit) {
      const now = await time()
      if (table.purge !== undefined) return table.purge(limit, now)
      let purged = 0
      for await (const { key, value, version } of table.scan?.('') ?? []) {
        if (isPast(key, value, now, skewMs) && (await table.remove(key, version))) purged++
        if (purged === limit) break
      }
      return purged
    },
  }
}

/** What cannot be read is nobody's to purge. */
function isPast(key: string, value: Uint8Array, now: number, skewMs: number): boolean {
  try {
    return isOver(unpackRecord(key, value), now, skewMs)
  } catch (error) {
    if (isRetrysafeError(error, 'store_corrupt', 'unsupported')) return false
    throw error
  }
}

function toError(name: string, error: unknown): RetrysafeError {
  const reason = error instanceof Error ? error.message : String(error)
  return new RetrysafeError(
    'store_unavailable',
    `${name}: ${reason}. Nothing was acknowledged; ask again with the same key and token.`,
    { cause: error },
  )
}
