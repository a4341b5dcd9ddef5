/* The PostgreSQL store on each client, in a schema of its own that is removed again. */
import type { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import postgresJs from 'postgres'
import { missing, pgbouncerUrl, postgresUrls } from '../../../../../tools/engines/src/index.js'
import {
  type PostgresClient,
  type PostgresListener,
  type PostgresStore,
  postgresStore,
} from '../../../src/stores/postgres.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'

/** A client that is open, and what a test itself asks through it. */
export interface OpenClient {
  readonly client: PostgresClient
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** A lasting connection that can listen. */
  listen(): Promise<PostgresListener>
  close(): Promise<void>
}

export interface OpenOptions {
  readonly connections?: number
  /** Of every transaction, where none is named. */
  readonly isolation?: 'repeatable read' | 'serializable'
}

/** A kind of client, on one server. */
export interface Client {
  readonly name: string
  /** Why it cannot be had here; undefined where it can. */
  missing(): Promise<string | undefined>
  open(options?: OpenOptions): Promise<OpenClient>
}

const isolated = (isolation: string | undefined): string | undefined =>
  isolation === undefined ? undefined : `-c default_transaction_isolation=${isolation.replaceAll(' ', '\\ ')}`

/** A pool of `pg` at an address. */
export function openPool(url: string, { connections = 8, isolation }: OpenOptions = {}): OpenClient {
  const options = isolated(isolation)
  const pool = new pg.Pool({ connectionString: url, max: connections, ...(options === undefined ? {} : { options }) })
  pool.on('error', () => undefined)
  const listeners: pg.Client[] = []
  return {
    client: pool,
    query: async (text, values) => (await pool.query(text, values)).rows,
    listen: async () => {
      const listener = new pg.Client({ connectionString: url })
      listener.on('error', () => undefined)
      await listener.connect()
      listeners.push(listener)
      return listener
    },
    close: async () => {
      for (const listener of listeners) await listener.end()
      await pool.end()
    },
  }
}

/** One connection of `pg`. */
export async function openConnection(url: string): Promise<OpenClient> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    client,
    query: async (text, values) => (await client.query(text, values)).rows,
    listen: async () => client,
    close: () => client.end(),
  }
}

export function openPostgresJs(url: string, { connections = 8, isolation }: OpenOptions = {}): OpenClient {
  const options = { max: connections, onnotice: () => undefined }
  const sql =
    isolation === undefined
      ? postgresJs(url, options)
      : postgresJs(url, { ...options, connection: { default_transaction_isolation: isolation } })
  return {
    client: sql,
    query: async (text, values = []) => [...(await sql.unsafe(text, values as string[]))],
    listen: async () => sql,
    close: () => sql.end(),
  }
}

/** PostgreSQL within this process. One serves all, since it takes a second to start. */
let pglite: PGlite | undefined

export async function openPglite(): Promise<OpenClient> {
  // Loading it alone takes seconds beside other tests.
  pglite ??= await (await import('@electric-sql/pglite')).PGlite.create()
  const database = pglite
  return {
    client: database,
    query: async (text, values) => (await database.query<Record<string, unknown>>(text, values)).rows,
    listen: async () => database,
    close: async () => undefined,
  }
}

/** The server of that major version, or the newest. */
export async function urlOf(version?: number): Promise<string | undefined> {
  const urls = (await postgresUrls()) ?? []
  return (version === undefined ? urls[0] : urls.find((one) => one.version === version))?.url
}

/** Opens what is at an address that was found not to be missing. */
async function at(
  url: Promise<string | undefined>,
  open: (url: string) => OpenClient | Promise<OpenClient>,
): Promise<OpenClient> {
  const found = await url
  if (found === undefined) throw new Error('There is no such server here.')
  return await open(found)
}

const missingVersion = async (version: number): Promise<string | undefined> =>
  (await missing('postgres')) ?? ((await urlOf(version)) === undefined ? `no PostgreSQL ${version} here` : undefined)

export const pgPool: Client = {
  name: 'a Pool of pg',
  missing: () => missing('postgres'),
  open: (options) => at(urlOf(), (url) => openPool(url, options)),
}
export const olderPgPool: Client = {
  name: 'a Pool of pg, on PostgreSQL 15',
  missing: () => missingVersion(15),
  open: (options) => at(urlOf(15), (url) => openPool(url, options)),
}
export const pgConnection: Client = {
  name: 'a Client of pg',
  missing: () => missing('postgres'),
  open: () => at(urlOf(), openConnection),
}
export const postgresJsPool: Client = {
  name: 'postgres.js',
  missing: () => missing('postgres'),
  open: (options) => at(urlOf(), (url) => openPostgresJs(url, options)),
}
export const pgliteClient: Client = {
  name: 'PGlite',
  missing: async () => undefined,
  open: () => openPglite(),
}
export const pooledPg: Client = {
  name: 'pg through PgBouncer',
  missing: () => missing('pgbouncer'),
  open: (options) => at(pgbouncerUrl(), (url) => openPool(url, options)),
}
export const pooledPostgresJs: Client = {
  name: 'postgres.js through PgBouncer',
  missing: () => missing('pgbouncer'),
  open: (options) => at(pgbouncerUrl(), (url) => openPostgresJs(url, options)),
}

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

/** A name that no other test has. */
export function freshName(): string {
  return `t_${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}`
}

export interface World {
  readonly schema: string
  readonly clients: readonly [OpenClient, OpenClient]
  /** Opens the store as the store cases want it, with keys of its own. */
  open(): Promise<OpenedStore & { readonly store: PostgresStore }>
  age(key: string, ms: number): Promise<void>
  close(): Promise<void>
}

export interface WorldOptions extends OpenOptions {
  readonly coalesce?: boolean
  /** With wake-ups. Default false. */
  readonly listens?: boolean
  readonly maxValueBytes?: number
}

/** A migrated schema, and two clients in it: one a handle, so that they share nothing but the server. */
export async function createWorld(client: Client, options: WorldOptions = {}): Promise<World> {
  const { coalesce, listens = false, maxValueBytes } = options
  const clients = [await client.open(options), await client.open(options)] as const
  const listeners = listens ? [await clients[0].listen(), await clients[1].listen()] : []
  const schema = freshName()
  let handles = 0
  let scratches = 0
  const connect = (): PostgresStore => {
    const index = handles++ % 2
    const { client: given } = clients[index === 0 ? 0 : 1]
    return postgresStore({ client: given, schema, coalesce, listen: listeners[index] })
  }
  await connect().migrate()
  const shifts = instants.map((column) => `${column} = ${column} - $1::int8`)
  const age = async (key: string, ms: number): Promise<void> => {
    await clients[0].query(`UPDATE "${schema}".retrysafe_records SET ${shifts.join(', ')} WHERE key = $2::text`, [
      ms,
      key,
    ])
  }
  return {
    schema,
    clients,
    age,
    async open() {
      scratches++
      const scratch = `case-${scratches}/`
      const opened: PostgresStore[] = []
      const another = (): PostgresStore => {
        const store = connect()
        opened.push(store)
        return store
      }
      const store = another()
      return {
        store,
        scratch,
        age,
        again: async () => another(),
        reopen: async () => {
          await store.close()
          return another()
        },
        stored: async () => {
          const count = `SELECT count(*)::int4 AS n FROM "${schema}".retrysafe_records WHERE starts_with(key, $1::text)`
          const [row] = await clients[0].query(count, [scratch])
          return Number(row?.n)
        },
        ...(maxValueBytes === undefined ? {} : { limits: { maxValueBytes } }),
        close: async () => {
          for (const one of opened) await one.close()
        },
      }
    },
    close: async () => {
      await clients[0].query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
      for (const one of clients) await one.close()
    },
  }
}
