/* The clients that the MySQL store takes: pools and connections of mysql2 and of mariadb. */
import mariadb from 'mariadb'
import * as callbacks from 'mysql2'
import mysql2 from 'mysql2/promise'
import type { IdempotencyStore, Inspectable, Migratable } from 'retrysafe'
import { type MysqlClient, mysqlSchema, mysqlStore } from 'retrysafe/mysql'

const url = 'mysql://app@localhost/shop'

export const clients: MysqlClient[] = [
  mysql2.createPool(url),
  mysql2.createPool({ uri: url, rowsAsArray: true }),
  mysql2.createPoolCluster().of('*'),
  await mysql2.createConnection(url),
  await mysql2.createPool(url).getConnection(),
  callbacks.createPool(url).promise(),
  mariadb.createPool(url),
  mariadb.createPoolCluster().of('*'),
  await mariadb.createConnection(url),
  await mariadb.createPool(url).getConnection(),
]

export const store: IdempotencyStore & Migratable & Inspectable = mysqlStore({
  client: mysql2.createPool(url),
  table: 'keys.retrysafe',
  coalesce: false,
  onRetry: (error) => console.warn(error),
  random: () => 0.5,
})
export const sql: string = mysqlSchema()
export const other: string = mysqlSchema({ table: 'payments_keys' })

// @ts-expect-error A client with callbacks resolves nothing: its promise() does.
mysqlStore({ client: callbacks.createPool(url) })
// @ts-expect-error The store is given a client and opens none.
mysqlStore({ client: url })
// @ts-expect-error Without a client there is nothing to ask.
mysqlStore({})
// @ts-expect-error MySQL has no schemas within a database.
mysqlSchema({ schema: 'public' })
