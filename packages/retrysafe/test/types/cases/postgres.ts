/* Clients that the PostgreSQL store takes: pg, postgres.js, PGlite and Neon. */
import { PGlite } from '@electric-sql/pglite'
import * as neon from '@neondatabase/serverless'
import pg from 'pg'
import postgres from 'postgres'
import type { IdempotencyStore, Inspectable, Migratable, Wakeable } from 'retrysafe'
import {
  type PostgresClient,
  type PostgresListener,
  type PostgresStore,
  postgresSchema,
  postgresStore,
} from 'retrysafe/postgres'

const pool = new pg.Pool()
const client = new pg.Client()
const sql = postgres()
const pglite = new PGlite()

export const clients: PostgresClient[] = [
  pool,
  client,
  await pool.connect(),
  sql,
  await sql.reserve(),
  pglite,
  new neon.Pool(),
  new neon.Client(),
  neon.neon('postgres://localhost/app'),
  neon.neon('postgres://localhost/app', { fullResults: true }),
]
export const listeners: PostgresListener[] = [client, sql, pglite, new neon.Client()]

export const plain: IdempotencyStore & Migratable & Inspectable = postgresStore({ client: pool })
export const store: PostgresStore = postgresStore({ client: sql, schema: 'app', table: 'keys', coalesce: false })
export const pushing: PostgresStore & Wakeable = postgresStore({ client: pool, listen: client })
export const perhaps: PostgresStore = postgresStore({ client: pool, listen: undefined })
export const text: string = postgresSchema() + postgresSchema({ schema: 'app', table: 'keys' })

// A bridge of one's own.
postgresStore({ client: { query: async (statement: string, values?: unknown[]) => [statement, values] } })

// @ts-expect-error Without a connection to listen on it cannot push.
plain.wake('key', new AbortController().signal)
// @ts-expect-error An address is no client: connect yourself.
postgresStore({ client: 'postgres://localhost/app' })
// @ts-expect-error A client is needed.
postgresStore({})
// @ts-expect-error A pool lends a connection to one statement at a time, and cannot listen.
postgresStore({ client: pool, listen: 'pool' })
