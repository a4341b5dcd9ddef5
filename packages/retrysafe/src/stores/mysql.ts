import {
  badOption,
  type Clock,
  type IdempotencyStore,
  type Inspectable,
  isBytes,
  type Migratable,
  type Random,
  systemClock,
} from '../contract/index.js'
import { askingOf, type MysqlClient } from './mysql/client.js'
import { mysqlDriver } from './mysql/driver.js'
import { checkTable, defaultTable, migrateTable, quoteTable } from './mysql/schema.js'
import { statementsOf } from './mysql/statements.js'
import { type Mysql, passes } from './mysql/table.js'
import { storeOf } from './shared/driver.js'
import { insist } from './shared/insist.js'
import { onceReady } from './shared/once-ready.js'

export type { MysqlClient, MysqlStatement, MysqlValue } from './mysql/client.js'
export { mysqlSchema } from './mysql/schema.js'

export interface MysqlStoreOptions {
  /**
   * A pool or a connection of `mysql2/promise` or of `mariadb`. The store neither opens nor closes it. A connection must
   * be the store's alone: it takes part in no transaction of yours.
   */
  client: MysqlClient
  /** `'table'` or `'database.table'`. Default `'retrysafe_records'`, in the database of the client. */
  table?: string | undefined
  /** Joins calls that are made at the same time into one statement. Default true. */
  coalesce?: boolean | undefined
  /**
   * Told of every deadlock and every lock timeout that the store met and went on from, to be counted. It must not throw.
   */
  onRetry?: ((error: unknown) => void) | undefined
  /** For the waits between tries; instants come from the server. Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

export type MysqlStore = IdempotencyStore & Migratable & Inspectable

/**
 * Keeps keys in a table of MySQL 8 or MariaDB 10.6 and later.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_full`, `store_corrupt`, `value_too_large` and `unsupported`.
 * @example
 * ```ts
 * import { createPool } from 'mysql2/promise'
 * import { mysqlStore } from 'retrysafe/mysql'
 *
 * const store = mysqlStore({ client: createPool('mysql://app@db.internal/shop') })
 * await store.migrate()
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true })
 * ```
 */
export function mysqlStore(options: MysqlStoreOptions): MysqlStore {
  const { client, onRetry, coalesce = true, clock = systemClock, random = Math.random } = options
  if (typeof client?.execute !== 'function')
    throw badOption('client', client, 'a pool or a connection of mysql2/promise or of mariadb')
  if (typeof coalesce !== 'boolean') throw badOption('coalesce', coalesce, 'true or false')
  const table = quoteTable(options.table ?? defaultTable)
  const asking = askingOf(client)
  const mysql = { asking, sql: statementsOf(table), table, clock, random, where: 'MySQL', coalesce, onRetry }
  const patiently = (work: () => Promise<void>): Promise<void> => insist(mysql, work, (error) => passes(mysql, error))
  const check = (): Promise<void> =>
    patiently(async () => {
      await checkTable(asking, table)
      await probe(mysql)
    })
  return storeOf({
    ...onceReady(mysqlDriver(mysql), check),
    migrate: () => patiently(() => migrateTable(asking, table)),
  })
}

/** A client may be set to turn the bytes of columns into something else; then that is passed by. */
async function probe({ asking, sql }: Mysql): Promise<void> {
  for (const isLast of [false, true]) {
    const [row] = await asking.rows(sql.probe)
    if (isProbe(row?.short) && isProbe(row?.long) && Number(row?.number) === 7) return
    if (isLast) throw badOption('client', row?.short, 'a client that gives the bytes of a column as they are')
    asking.passByTypeCast()
  }
}

function isProbe(value: unknown): boolean {
  return isBytes(value) && value.byteLength === 2 && value[0] === 0 && value[1] === 255
}
