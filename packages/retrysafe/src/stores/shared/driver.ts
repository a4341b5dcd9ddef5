/* The door that the stores on a network share: what callers give is checked, what an engine says becomes an answer. */
import {
  type BeginAsk,
  type Begun,
  type CompleteAsk,
  checkStoreKey,
  closedError,
  type Encoded,
  encodedBytes,
  type IdempotencyStore,
  type Inspectable,
  isOver,
  type ListQuery,
  type Migratable,
  maxStoreKeyBytes,
  type Rec,
  type Refusal,
  type RenewAsk,
  RetrysafeError,
  readAttempt,
  readBegin,
  readComplete,
  readList,
  readPurge,
  readRenew,
  readToken,
  refusal,
  toListed,
  toOutcome,
  toRecord,
} from '../../contract/index.js'

/** What an engine must do. Each call is one decision of the rules, made atomically; what it refuses is its answer. */
export interface Driver {
  /** The engine, in words for messages. */
  readonly where: string
  /** The most bytes of a response or a checkpoint. */
  readonly maxValueBytes: number
  /** How far the clocks that judge records may be apart; 0 where the engine has a clock of its own. */
  readonly skewMs: number
  begin(key: string, ask: BeginAsk): Promise<Begun>
  complete(key: string, ask: CompleteAsk): Promise<Refusal | undefined>
  renew(key: string, ask: RenewAsk): Promise<Refusal | undefined>
  release(key: string, token: string): Promise<Refusal | undefined>
  free(key: string, attempt: number): Promise<Refusal | undefined>
  read(key: string): Promise<Reading>
  /** Removes whatever the key holds; false where it held nothing or something that is over. */
  discard(key: string): Promise<boolean>
  /** Removes at most that many records that are over. */
  purge(limit: number): Promise<number>
  /** Live records in the byte order of keys, without values. */
  list(filter: ListFilter): Promise<readonly (readonly [key: string, record: Rec])[]>
  /** Says in the store's words what the engine said. */
  toError(error: unknown): RetrysafeError
  /** Creates or upgrades what the store needs; absent where there is nothing to create. */
  migrate?(): Promise<void>
}

/** What a key holds, and what time it is for who judges it. */
export interface Reading {
  readonly now: number
  readonly record: Rec | undefined
}

export interface ListFilter {
  readonly prefix: string | undefined
  readonly after: string | undefined
  readonly status: ListQuery['status']
  readonly limit: number
}

/** A door with the calls behind it counted, so that `close` can wait for them. */
interface Door {
  readonly driver: Driver
  pending: number
  closed: boolean
  onIdle: (() => void) | undefined
}

/** The store on that driver. `onClose` runs once, after the last call has its answer. */
export function storeOf(
  driver: Driver & Required<Pick<Driver, 'migrate'>>,
  onClose?: () => Promise<void>,
): IdempotencyStore & Inspectable & Migratable
export function storeOf(driver: Driver, onClose?: () => Promise<void>): IdempotencyStore & Inspectable
export function storeOf(
  driver: Driver,
  onClose?: () => Promise<void>,
): IdempotencyStore & Inspectable & Partial<Migratable> {
  const door: Door = { driver, pending: 0, closed: false, onIdle: undefined }
  let closing: Promise<void> | undefined
  return {
    begin: (key, options) => enter(door, key, async () => toOutcome(await driver.begin(key, readBegin(options)))),
    complete: (key, response, options) =>
      enter(door, key, async () => {
        const ask = readComplete(response, options)
        measure(driver, key, ask.response)
        accept(await driver.complete(key, ask), key)
      }),
    get: (key) =>
      enter(door, key, async () => {
        const { record, now } = await driver.read(key)
        return record === undefined || isOver(record, now, driver.skewMs) ? undefined : toRecord(key, record)
      }),
    renew: (key, token, options) =>
      enter(door, key, async () => {
        const ask = readRenew(token, options)
        if (ask.checkpoint !== undefined) measure(driver, key, ask.checkpoint)
        accept(await driver.renew(key, ask), key)
      }),
    release: (key, token) => enter(door, key, async () => accept(await driver.release(key, readToken(token)), key)),
    purge: (options) => enter(door, noKey, async () => driver.purge(readPurge(options))),
    list: (query) => enter(door, noKey, () => listPage(driver, query)),
    delete: (key) => enter(door, key, () => driver.discard(key)),
    free: (key, options) =>
      enter(door, key, async () => {
        const refused = await driver.free(key, readAttempt('attempt', options.attempt))
        return refused === undefined
      }),
    ...(driver.migrate && { migrate: () => enter(door, noKey, async () => driver.migrate?.()) }),
    close: () => {
      closing ??= idle(door).then(onClose)
      return closing
    },
  }
}

/** For calls that are about no key; a caller's key may be undefined, and is refused then. */
const noKey: unique symbol = Symbol('no key')

async function enter<T>(door: Door, key: string | typeof noKey, work: () => Promise<T>): Promise<T> {
  if (door.closed) throw closedError()
  if (key !== noKey) checkStoreKey(key)
  door.pending++
  try {
    return await work()
  } catch (error) {
    throw error instanceof RetrysafeError ? error : door.driver.toError(error)
  } finally {
    door.pending--
    if (door.pending === 0) door.onIdle?.()
  }
}

function idle(door: Door): Promise<void> {
  door.closed = true
  if (door.pending === 0) return Promise.resolve()
  return new Promise((resolve) => {
    door.onIdle = resolve
  })
}

async function listPage(driver: Driver, query: ListQuery | undefined): ReturnType<Inspectable['list']> {
  const { prefix, cursor, status, limit } = readList(query)
  // What is no key begins no key, and an engine may read a lone surrogate as another character.
  if (prefix !== undefined && (prefix.length > maxStoreKeyBytes || !prefix.isWellFormed())) return { records: [] }
  const found = await driver.list({ prefix, after: cursor, status, limit: limit + 1 })
  const records = found.slice(0, limit).map(([key, record]) => toListed(key, record))
  const last = records.at(-1)
  return found.length > limit && last !== undefined ? { records, cursor: last.key } : { records }
}

function accept(refused: Refusal | undefined, key: string): void {
  if (refused !== undefined) throw refusal(refused, key)
}

function measure(driver: Driver, key: string, value: Encoded): void {
  const bytes = encodedBytes(value)
  if (bytes <= driver.maxValueBytes) return
  throw new RetrysafeError(
    'value_too_large',
    `The value has ${bytes} bytes; ${driver.where} holds up to ${driver.maxValueBytes}. Nothing was changed.`,
    { key },
  )
}
