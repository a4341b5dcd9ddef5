import type { Pool } from 'mysql2/promise'
import { type MysqlClient, type MysqlStore, mysqlStore } from 'retrysafe/mysql'
import { type ConnectOptions, connectMs, owning, statementMs } from './connection.js'
import type { MysqlUrl } from './store-url.js'

export async function mysqlPool(url: MysqlUrl): Promise<Pool> {
  const { createPool } = await import('mysql2/promise')
  return createPool({
    host: url.at.host,
    ...(url.at.port === undefined ? {} : { port: url.at.port }),
    user: url.user,
    password: url.password,
    database: url.database,
    connectionLimit: url.pool,
    connectTimeout: connectMs,
    enableKeepAlive: true,
    // The certificate must be of the host; NODE_EXTRA_CA_CERTS adds an authority.
    ...(url.tls ? { ssl: { rejectUnauthorized: true, verifyIdentity: true } } : {}),
  })
}

export async function openMysql(url: MysqlUrl, options: ConnectOptions = {}): Promise<MysqlStore> {
  const pool = await mysqlPool(url)
  const client = patient(pool, options.statementMs ?? statementMs)
  return owning(mysqlStore({ client, table: url.table, clock: options.clock }), () => pool.end())
}

/** Each statement may take so long; the connection of one that takes longer is given up. */
export function patient(pool: Pool, timeout: number): MysqlClient {
  return { execute: (statement, values) => pool.execute({ timeout, ...statement }, values ?? []) }
}
