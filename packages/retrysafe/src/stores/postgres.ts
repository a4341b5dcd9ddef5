import {
  badOption,
  type Clock,
  checkStoreKey,
  closedError,
  type IdempotencyStore,
  type Inspectable,
  type Migratable,
  type Random,
  systemClock,
  type Wakeable,
} from '../contract/index.js'
import { driverOf } from './postgres/calls.js'
import { type PostgresClient, type Send, senderOf } from './postgres/client.js'
import { isPassing } from './postgres/errors.js'
import {
  checkVersion,
  migrationOf,
  namesOf,
  type PostgresNames,
  type PostgresSchemaOptions,
  readVersion,
} from './postgres/schema.js'
import { statementsOf } from './postgres/statements.js'
import { listenTo, type PostgresListener, toPush } from './postgres/wakes.js'
import { storeOf } from './shared/driver.js'
import { insist } from './shared/insist.js'
import { onceReady } from './shared/once-ready.js'

export type { PostgresClient, PostgresQueryClient, PostgresUnsafeClient, PostgresValue } from './postgres/client.js'
export { type PostgresSchemaOptions, postgresSchema } from './postgres/schema.js'
export type { PostgresListenClient, PostgresListener, PostgresListenFunction } from './postgres/wakes.js'

export interface PostgresStoreOptions extends PostgresSchemaOptions {
  /**
   * A ready client, which stays yours: of pg, postgres.js, PGlite or Neon. `close` leaves it open. Not a connection that
   * is in a transaction of yours: what the store acknowledged would be gone after a rollback, and work would run twice.
   */
  client: PostgresClient
  /**
   * A lasting connection for wake-ups: those who wait for a response are told at once, instead of asking again. Give it
   * to every process, since each tells the others. Default: none.
   */
  listen?: PostgresListener | undefined
  /** Joins calls that are made at the same time into one statement. Default true. */
  coalesce?: boolean | undefined
  /**
   * Prepares statements on each connection, where the client is a Pool of pg: a replay then costs the server a fraction.
   * Default true; statements go unprepared after the first refusal of a pooler that does not know them.
   */
  prepare?: boolean | undefined
  /** For waiting; records are judged by the server's clock. Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

export type PostgresStore = IdempotencyStore & Migratable & Inspectable

/**
 * Keeps keys in a table of PostgreSQL: for any number of machines. Its clock is the server's.
 *
 * Make the table once with `migrate()`, or with the SQL of `postgresSchema()`: no call makes it by itself. A claim or a
 * replay is one round trip, and a duplicate writes nothing. Calls that are made at the same time share a statement.
 * Values may have 128 MiB.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_full`, `store_corrupt`, `value_too_large` and `unsupported` (the table is of a later version).
 * @example
 * ```ts
 * import { Pool } from 'pg'
 * import { postgresStore } from 'retrysafe/postgres'
 *
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
 * const store = postgresStore({ client: pool })
 * await store.migrate()
 *
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true }, { token: outcome.token })
 * await store.close()
 * await pool.end()
 * ```
 */
export function postgresStore(options: PostgresStoreOptions & { listen: PostgresListener }): PostgresStore & Wakeable
export function postgresStore(options: PostgresStoreOptions): PostgresStore
export function postgresStore(options: PostgresStoreOptions): PostgresStore | (PostgresStore & Wakeable) {
  const { clock = systemClock, random = Math.random, coalesce = true, prepare = true } = options
  if (typeof coalesce !== 'boolean') throw badOption('coalesce', coalesce, 'true or false')
  if (typeof prepare !== 'boolean') throw badOption('prepare', prepare, 'true or false')
  const names = namesOf(options)
  const send = senderOf(options.client, prepare)
  /** What is sent once needs no preparing. */
  const sendOnce = senderOf(options.client, false)
  const wakes = options.listen === undefined ? undefined : listenTo(options.listen, names.channel)
  const patience = { clock, random, where: names.where }
  const calls = driverOf({
    ...patience,
    send,
    statements: statementsOf(names),
    coalesce,
    pushOf: wakes === undefined ? () => null : toPush,
  })
  const driver = {
    ...onceReady(calls, () => insist(patience, () => checkTables(sendOnce, names), isPassing)),
    migrate: () => insist(patience, () => migrate(sendOnce, names), isPassing),
  }
  if (wakes === undefined) return storeOf(driver)
  let closed = false
  const store = storeOf(driver, wakes.close)
  return {
    ...store,
    wake: async (key, signal) => {
      if (closed) throw closedError()
      checkStoreKey(key)
      await wakes.wait(key, signal)
    },
    close: () => {
      closed = true
      return store.close()
    },
  }
}

async function checkTables(send: Send, names: PostgresNames): Promise<void> {
  checkVersion(await readVersion(send, names), names)
}

/** Where the tables are as they should be, a role that may not make any may call it too. */
async function migrate(send: Send, names: PostgresNames): Promise<void> {
  const version = await readVersion(send, names)
  if (version !== undefined) return checkVersion(version, names)
  await send(migrationOf(names), [])
  checkVersion(await readVersion(send, names), names)
}
