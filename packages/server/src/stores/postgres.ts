import type { Pool } from 'pg'
import { type PostgresStore, postgresStore } from 'retrysafe/postgres'
import { type ConnectOptions, connectMs, owning, statementMs } from './connection.js'
import { lastingListener } from './postgres-listener.js'
import type { PostgresUrl } from './store-url.js'

/**
 * A pool that outlives the server: what idles is dropped when it breaks, and the next call connects anew. The time-out of
 * statements is the client's, since a pooler in front refuses settings of the session.
 */
export async function postgresPool(url: PostgresUrl, options: ConnectOptions = {}): Promise<Pool> {
  const { Pool } = await import('pg')
  const pool = new Pool({
    connectionString: url.connectionString,
    max: url.pool,
    connectionTimeoutMillis: connectMs,
    query_timeout: options.statementMs ?? statementMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    // A silent server never answers the farewell of a connection that idles.
    allowExitOnIdle: true,
  })
  // Without a listener the death of an idle connection would be the death of the process.
  pool.on('error', (error) => options.onLost?.(error))
  return pool
}

export async function openPostgres(url: PostgresUrl, options: ConnectOptions = {}): Promise<PostgresStore> {
  const pool = await postgresPool(url, options)
  const basis = { schema: url.schema, table: url.table, client: pool, clock: options.clock }
  if (!options.wakes || !url.listen) return owning(postgresStore(basis), () => pool.end())
  const { listener, end } = await lastingListener(url, options)
  return owning(postgresStore({ ...basis, listen: listener }), async () => {
    await end()
    await pool.end()
  })
}
