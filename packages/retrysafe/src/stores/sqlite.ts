import {
  type BeginOptions,
  badOption,
  type Clock,
  type CompleteOptions,
  checkStoreKey,
  type Encoded,
  encodedBytes,
  type IdempotencyRecord,
  type IdempotencyStore,
  type Inspectable,
  isOver,
  type ListPage,
  type ListQuery,
  type Migratable,
  maxStoreKeyBytes,
  type Outcome,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type Random,
  type Refusal,
  type RenewOptions,
  RetrysafeError,
  readAttempt,
  readBegin,
  readComplete,
  readList,
  readPurge,
  readRenew,
  readToken,
  refusal,
  type Storable,
  systemClock,
  toListed,
  toOutcome,
  toRecord,
  type WriteDecision,
} from '../contract/index.js'
import { wholeMs } from './shared/whole-ms.js'
import type { SqliteDatabase } from './sqlite/client.js'
import { closeFile, openFile, toFile, warnOfReset } from './sqlite/file.js'
import { createQueue, drain, type Queue, queueBegin, queueWrite, readNow } from './sqlite/queue.js'
import { bind, type Connection, listRecords, readRecord, writeRecord } from './sqlite/records.js'

export type { SqliteDatabase, SqliteStatement, SqliteValue } from './sqlite/client.js'

/**
 * Writing more keeps the event loop for seconds. SQLite itself holds up to 1 GB in a row, but libsql stores NULL and
 * says nothing where a value is longer.
 */
const maxValueBytes = 256 * 1024 * 1024
/** Records that one commit of a purge deletes, so that no purge keeps other calls for long. */
const purgedPerCommit = 1000

/** Exactly one of `path` and `database`. */
export type SqliteStoreOptions = (
  | {
      /** The file, made where there is none; its folder must exist. Opened on first use, closed by `close`. */
      path: string
      database?: undefined
    }
  | {
      /** An open handle of `node:sqlite`, `libsql` or `better-sqlite3`, for this store alone. `close` leaves it open. */
      database: SqliteDatabase
      path?: undefined
    }
) & {
  /** Lets calls that are made at the same time share a commit, and so one wait for the disk. Default true. */
  coalesce?: boolean | undefined
  /** Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

export type SqliteStore = IdempotencyStore & Migratable & Inspectable

/**
 * Keeps keys in an SQLite file: for one machine, with any number of processes, without a server.
 *
 * A response is on the disk before `complete` resolves (WAL, `synchronous=FULL`). Calls that are made at the same time
 * share one commit. A file that another process has locked is waited for, up to 5 s, without blocking the event loop.
 * Values may have 256 MiB.
 *
 * `{ path }` opens `node:sqlite` where Node has it (22.13 and later), else an installed `libsql` or `better-sqlite3`.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_full`, `store_corrupt`, `value_too_large` and `unsupported` (the file was written by a later version).
 * @example
 * ```ts
 * import { sqliteStore } from 'retrysafe/sqlite'
 *
 * const store = sqliteStore({ path: 'retrysafe.db' })
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true })
 * await store.close()
 * ```
 */
export function sqliteStore(options: SqliteStoreOptions): SqliteStore {
  const clock = options.clock === undefined ? systemClock : wholeMs(options.clock)
  const file = toFile(options)
  const { random = Math.random, coalesce = true } = options
  if (typeof coalesce !== 'boolean') throw badOption('coalesce', coalesce, 'true or false')
  const surroundings = {
    clock,
    random,
    where: file.path ?? 'The given SQLite database',
    onBusy: () => warnOfReset(file),
  }
  const queue = createQueue(surroundings, coalesce, () => openFile(file, surroundings))
  let closing: Promise<void> | undefined
  return {
    begin: (key, beginOptions) => begin(queue, key, beginOptions),
    complete: (key, response, completeOptions) => complete(queue, key, response, completeOptions),
    get: (key) => get(queue, key),
    renew: (key, token, renewOptions) => renew(queue, key, token, renewOptions),
    release: (key, token) => release(queue, key, token),
    purge: async (purgeOptions) => purge(queue, readPurge(purgeOptions)),
    migrate: () => readNow(queue, () => undefined),
    list: (query) => list(queue, query),
    delete: (key) => discard(queue, key),
    free: async (key, { attempt }) => free(queue, key, attempt),
    close: () => {
      closing ??= drain(queue).then(() => {
        queue.connection = undefined // libsql keeps a file open while statements are held
        closeFile(file)
      })
      return closing
    },
  }
}

async function begin(queue: Queue, key: string, options: BeginOptions | undefined): Promise<Outcome> {
  checkStoreKey(key)
  return toOutcome(await queueBegin(queue, key, readBegin(options)))
}

async function complete(
  queue: Queue,
  key: string,
  response: Storable,
  options: CompleteOptions | undefined,
): Promise<void> {
  checkStoreKey(key)
  const ask = readComplete(response, options)
  const { token, kind } = ask
  const bytes = measure(key, ask.response)
  const refused = await queueWrite(queue, bytes, (connection) => {
    const now = queue.clock.now()
    const retention = bind(ask.retentionMs)
    const { statements } = connection
    // Nearly always the claim still holds, and one statement does what the rule says.
    const changed =
      token !== undefined &&
      statements.complete.run(retention, now, retention, now, now, kind, bind(ask.response), key, token, now).changes
    return changed ? undefined : apply(connection, key, onComplete(readRecord(connection, key), ask, now))
  })
  if (refused !== undefined) throw refusal(refused, key)
}

async function get(queue: Queue, key: string): Promise<IdempotencyRecord | undefined> {
  checkStoreKey(key)
  const record = await readNow(queue, (connection) => readRecord(connection, key))
  return record === undefined || isOver(record, queue.clock.now()) ? undefined : toRecord(key, record)
}

async function renew(queue: Queue, key: string, token: string, options: RenewOptions | undefined): Promise<void> {
  checkStoreKey(key)
  const ask = readRenew(token, options)
  const bytes = ask.checkpoint === undefined ? 0 : measure(key, ask.checkpoint)
  const refused = await queueWrite(queue, bytes, (connection) => {
    const now = queue.clock.now()
    const lease = bind(ask.leaseMs)
    // A heartbeat does not read and write the checkpoint that stands there.
    const changed =
      ask.checkpoint === undefined &&
      ask.leaseMs !== 0 &&
      connection.statements.renew.run(now, lease, now, now, lease, key, ask.token, now).changes
    return changed ? undefined : apply(connection, key, onRenew(readRecord(connection, key), ask, now))
  })
  if (refused !== undefined) throw refusal(refused, key)
}

async function release(queue: Queue, key: string, token: string): Promise<void> {
  checkStoreKey(key)
  readToken(token)
  const refused = await queueWrite(queue, 0, (connection) => {
    const now = queue.clock.now()
    if (connection.statements.release.run(key, token, now).changes) return undefined
    return apply(connection, key, onRelease(readRecord(connection, key), token, now))
  })
  if (refused !== undefined) throw refusal(refused, key)
}

async function purge(queue: Queue, limit: number): Promise<number> {
  let purged = 0
  do {
    const most = Math.min(limit - purged, purgedPerCommit)
    const deleted = await queueWrite(queue, 0, ({ statements }) =>
      Number(statements.purge.run(queue.clock.now(), most).changes),
    )
    purged += deleted
    if (deleted < most) break
  } while (purged < limit && !queue.closed)
  return purged
}

async function list(queue: Queue, query: ListQuery | undefined): Promise<ListPage> {
  const { prefix, cursor, status, limit } = readList(query)
  // What is no key begins no key, and SQLite would read a lone surrogate as another character.
  const impossible = prefix !== undefined && (prefix.length > maxStoreKeyBytes || !prefix.isWellFormed())
  const now = queue.clock.now()
  const filter = { prefix, after: cursor, status, now, limit: limit + 1 }
  const found = await readNow(queue, (connection) => (impossible ? [] : listRecords(connection, filter)))
  const records = found.slice(0, limit).map(([key, record]) => toListed(key, record))
  const last = records.at(-1)
  return found.length > limit && last !== undefined ? { records, cursor: last.key } : { records }
}

async function discard(queue: Queue, key: string): Promise<boolean> {
  checkStoreKey(key)
  return queueWrite(queue, 0, ({ statements }) => Number(statements.discard.run(key, queue.clock.now()).changes) > 0)
}

async function free(queue: Queue, key: string, attempt: number): Promise<boolean> {
  checkStoreKey(key)
  readAttempt('attempt', attempt)
  return queueWrite(queue, 0, (connection) => {
    const decision = onFree(readRecord(connection, key), attempt, queue.clock.now())
    return apply(connection, key, decision) === undefined
  })
}

/** Writes what a rule said, and gives what it refused. */
function apply(connection: Connection, key: string, decision: WriteDecision): Refusal | undefined {
  if (decision.write !== undefined) writeRecord(connection, key, decision.write)
  if (decision.remove) connection.statements.remove.run(key)
  return decision.refuse
}

function measure(key: string, value: Encoded): number {
  const bytes = encodedBytes(value)
  if (bytes <= maxValueBytes) return bytes
  throw new RetrysafeError(
    'value_too_large',
    `The value has ${bytes} bytes; the SQLite store holds up to ${maxValueBytes}. Nothing was changed.`,
    { key },
  )
}
