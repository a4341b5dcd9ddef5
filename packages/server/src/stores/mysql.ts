import type { Socket } from 'node:net'
import type { Pool } from 'mysql2/promise'
import { type MysqlClient, type MysqlStore, mysqlStore } from 'retrysafe/mysql'
import { type ConnectOptions, connectMs, owning, statementMs, within } from './connection.js'
import type { MysqlUrl } from './store-url.js'

/** A pool, and what it is asked and ended by: both take no longer than they may. */
export interface MysqlPool {
  readonly pool: Pool
  readonly client: MysqlClient
  end(): Promise<void>
}

/** Calls that wait for a connection at most. Those that were given up stand in the pool's queue until it is their turn. */
const maxQueued = 10_000

export async function mysqlPool(url: MysqlUrl, options: ConnectOptions = {}): Promise<MysqlPool> {
  const { createPool } = await import('mysql2/promise')
  const pool = createPool({
    host: url.at.host,
    ...(url.at.port === undefined ? {} : { port: url.at.port }),
    user: url.user,
    password: url.password,
    database: url.database,
    connectionLimit: url.pool,
    queueLimit: maxQueued,
    connectTimeout: connectMs,
    enableKeepAlive: true,
    // The certificate must be of the host; NODE_EXTRA_CA_CERTS adds an authority.
    ...(url.tls ? { ssl: { rejectUnauthorized: true, verifyIdentity: true } } : {}),
  })
  const sockets = new Set<Socket>()
  pool.on('connection', (connection) => {
    const socket = socketOf(connection)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return {
    pool,
    client: patient(pool, options.statementMs ?? statementMs),
    end: async () => {
      // The pool waits for what is under way, and for a server that is silent without end.
      await within(connectMs, pool.end()).catch(() => {})
      // The farewell is sent. To wait for its answer would hold the process.
      for (const socket of sockets) socket.unref()
    },
  }
}

export async function openMysql(url: MysqlUrl, options: ConnectOptions = {}): Promise<MysqlStore> {
  const { client, end } = await mysqlPool(url, options)
  return owning(mysqlStore({ client, table: url.table, clock: options.clock }), end)
}

/**
 * mysql2's own `timeout` of a statement calls back and no more: the connection is taken until the server answers, and
 * its queue has no time at all. So the connection of a statement that takes longer is given up here.
 */
function patient(pool: Pool, limitMs: number): MysqlClient {
  return {
    execute: async (statement, values = []) => {
      const connection = await within(connectMs, pool.getConnection(), (late) => late.release())
      try {
        const result = await within(limitMs, connection.execute(statement, values))
        connection.release()
        return result
      } catch (error) {
        if (leavesConnection(error)) connection.release()
        else {
          connection.destroy()
          // What mysql2 does is to end it, which a silent server never answers.
          socketOf(connection).destroy()
        }
        throw error
      }
    },
  }
}

/** The server that the connection leads to takes no writes, as after a failover: the next one may lead to another. */
const readOnly: ReadonlySet<unknown> = new Set([1290, 1792, 1836])

/** Whether the server refused the statement and no more. */
function leavesConnection(error: unknown): boolean {
  const { sqlState, errno } = error as { sqlState?: unknown; errno?: unknown }
  return typeof sqlState === 'string' && !readOnly.has(errno)
}

function socketOf(connection: object): Socket {
  const { stream, connection: inner } = connection as { stream?: Socket; connection: { stream: Socket } }
  return stream ?? inner.stream
}
