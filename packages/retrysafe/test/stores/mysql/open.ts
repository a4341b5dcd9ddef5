/* The MySQL store on each client, with a table of its own that is removed again. */
import mariadb, { type ConnectionConfig, type PoolConfig } from 'mariadb'
import mysql2, { type PoolOptions } from 'mysql2/promise'
import { mysqlUrl } from '../../../../../tools/engines/src/index.js'
import { type MysqlClient, type MysqlStore, type MysqlStoreOptions, mysqlStore } from '../../../src/stores/mysql.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'

export interface OpenClient {
  readonly client: MysqlClient
  close(): Promise<void>
}

/** Options of the client, and what each of its sessions is told first. */
export interface ClientOptions {
  readonly initSql?: readonly string[]
  readonly [name: string]: unknown
}

export interface Client {
  readonly name: string
  open(url: string, options?: ClientOptions, connections?: number): Promise<OpenClient>
}

/** What mariadb's own connection strings would have as a user's name and password. */
function parts(url: string): object {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: pathname.slice(1),
  }
}

export const mysql2Pool: Client = {
  name: 'a pool of mysql2',
  async open(url, options = {}, connections = 8) {
    const { initSql = [], ...rest } = options as PoolOptions & ClientOptions
    const pool = mysql2.createPool({ ...parts(url), connectionLimit: connections, ...rest })
    // Statements of one connection keep their order, so these are done before the first of the store.
    pool.pool.on('connection', (connection) => {
      for (const sql of initSql) connection.query(sql)
    })
    return { client: pool, close: () => pool.end() }
  },
}

export const mysql2Connection: Client = {
  name: 'a connection of mysql2',
  async open(url, options = {}) {
    const connection = await mysql2.createConnection({ ...parts(url), ...options } as PoolOptions)
    return { client: connection, close: () => connection.end() }
  },
}

export const mariadbPool: Client = {
  name: 'a pool of mariadb',
  async open(url, options = {}, connections = 8) {
    const pool = mariadb.createPool({ ...parts(url), connectionLimit: connections, ...options } as PoolConfig)
    return { client: pool, close: () => pool.end() }
  },
}

export const mariadbConnection: Client = {
  name: 'a connection of mariadb',
  async open(url, options = {}) {
    const connection = await mariadb.createConnection({ ...parts(url), ...options } as object as ConnectionConfig)
    return { client: connection, close: () => connection.end() }
  },
}

export const clients: readonly Client[] = [mysql2Pool, mysql2Connection, mariadbPool, mariadbConnection]

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

export function freshTable(): string {
  return `t_${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}`
}

/** The statement that shifts every stored instant of a key into the past. Its values are the shift, five times, and the key. */
export function ageStatement(table: string): string {
  const shifts = instants.map((column) => `${column} = ${column} - ?`)
  return `UPDATE \`${table}\` SET ${shifts.join(', ')}, version = version + 1 WHERE \`key\` = ?`
}

export interface OpenedMysql extends OpenedStore {
  readonly store: MysqlStore
  readonly table: string
  /** Of the store, and of those that `again` opened. */
  readonly clients: readonly OpenClient[]
  /** Asks on a connection that is none of the store's. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

export async function dropTable(table: string): Promise<void> {
  const url = await mysqlUrl()
  if (url === undefined) return
  const connection = await mysql2.createConnection(parts(url) as PoolOptions)
  await connection.query(`DROP TABLE IF EXISTS \`${table}\``)
  await connection.end()
}

let scratches = 0

/**
 * Opens the store as the store cases want it, in a table of its own; where one is named, in that, which stays. `again` and
 * `reopen` have clients of their own.
 */
export async function openMysql(
  client: Client,
  storeOptions: Partial<MysqlStoreOptions> = {},
  clientOptions: ClientOptions = {},
): Promise<OpenedMysql> {
  const url = await mysqlUrl()
  if (url === undefined) throw new Error('There is no MySQL or MariaDB server.')
  const { table = freshTable() } = storeOptions
  scratches++
  const scratch = storeOptions.table === undefined ? 'case/' : `case-${scratches}/`
  const side = mysql2.createPool({ ...parts(url), connectionLimit: 1 })
  const opened: { store: MysqlStore; client: OpenClient }[] = []
  const another = async (): Promise<MysqlStore> => {
    const own = await client.open(url, clientOptions)
    const store = mysqlStore({ ...storeOptions, client: own.client, table })
    opened.push({ store, client: own })
    return store
  }
  const store = await another()
  await store.migrate()
  const age = ageStatement(table)
  return {
    store,
    table,
    get clients() {
      return opened.map((one) => one.client)
    },
    query: async (sql, values) => (await side.query(sql, values))[0] as Record<string, unknown>[],
    scratch,
    age: async (key, ms) => {
      await side.query(age, [...instants.map(() => ms), Buffer.from(key)])
    },
    again: another,
    stored: async () => {
      const [rows] = await side.query(`SELECT COUNT(*) AS n FROM \`${table}\` WHERE \`key\` LIKE ?`, [
        storeOptions.table === undefined ? '%' : `${scratch}%`,
      ])
      return Number((rows as { n: number }[])[0]?.n)
    },
    reopen: async () => {
      await store.close()
      return another()
    },
    close: async () => {
      for (const one of opened.splice(0)) {
        await one.store.close()
        await one.client.close()
      }
      if (storeOptions.table === undefined) await side.query(`DROP TABLE IF EXISTS \`${table}\``)
      await side.end()
    },
  }
}
