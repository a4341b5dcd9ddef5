/* PostgreSQL through a pool of pg. */
import pg from 'pg'
import { postgresStore } from '../../../src/stores/postgres.js'
import type { OpenHandle } from './bench.js'

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

export const openHandle: OpenHandle = async ({ url, name }, { connections = 8, push = false } = {}) => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  // Idle connections are cut in these tests; the pool makes new ones.
  pool.on('error', () => undefined)
  const listen = push ? new pg.Client({ connectionString: url }) : undefined
  listen?.on('error', () => undefined)
  await listen?.connect()
  const store = postgresStore({ client: pool, table: name, listen })
  const shifts = instants.map((column) => `${column} = ${column} - $1`)
  return {
    store,
    age: async (key, ms) => {
      await pool.query(`UPDATE "${name}" SET ${shifts.join(', ')}, version = version + 1 WHERE key = $2`, [ms, key])
    },
    business: async () => {
      const client = await pool.connect()
      await client.query('BEGIN')
      await client.query('SELECT pg_sleep(0.002)')
      await client.query('COMMIT')
      client.release()
    },
    close: async () => {
      await store.close().catch(() => undefined)
      await listen?.end().catch(() => undefined)
      await pool.end()
    },
  }
}
