import { badOption } from '../../contract/index.js'
import { isPassing } from './errors.js'

/** What is sent as a parameter: each is declared in the statement, so that no client has to guess its type. */
export type PostgresValue = string | number | Uint8Array | null

/**
 * The part of `pg` that the store calls: a Pool, a Client or a PoolClient, PGlite, and Neon's Pool, Client and HTTP
 * function all fit. A query builder fits with a few lines around it.
 */
export interface PostgresQueryClient {
  query(text: string, values?: PostgresValue[]): PromiseLike<{ rows: unknown[] } | unknown[]>
}

/** The part of postgres.js that the store calls: the `sql` that `postgres()` gives, or a reserved connection. */
export interface PostgresUnsafeClient {
  unsafe(text: string, values?: PostgresValue[], options?: { prepare?: boolean }): PromiseLike<unknown>
}

export type PostgresClient = PostgresQueryClient | PostgresUnsafeClient

/** Sends a statement and gives its rows. */
export type Send = (text: string, values: PostgresValue[]) => Promise<readonly unknown[]>

/** A Pool of `pg`, which has more than the store asks of other clients. */
interface Pool {
  readonly totalCount: number
  connect(): Promise<Lent>
}

interface Lent extends PostgresQueryClient {
  release(destroys?: boolean): void
  on(event: 'error', listener: () => void): unknown
  removeListener(event: 'error', listener: () => void): unknown
}

/** Statements go unnamed, so that they may pass a pooler that hands each transaction to another connection. */
export function senderOf(client: PostgresClient): Send {
  const given: unknown = client
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  // Neon's HTTP function has both, and its `unsafe` is another one.
  if (isObject && 'query' in client && typeof client.query === 'function')
    return isPool(client)
      ? (text, values) => lend(client, text, values)
      : async (text, values) => rowsOf(await client.query(text, values))
  if (isObject && 'unsafe' in client && typeof client.unsafe === 'function')
    return async (text, values) => (await client.unsafe(text, values, { prepare: false })) as unknown[]
  throw badOption('client', given, 'a client of pg, postgres.js, PGlite or Neon, or an object with their query method')
}

/** Neon's is left alone, since it may send what is asked of the pool itself over HTTP. */
function isPool(client: object): client is Pool {
  return 'totalCount' in client && 'connect' in client && !('hasFetchUnsupportedListeners' in client)
}

/**
 * What `pool.query` does, but for errors: it throws the connection away after each, and until another is there whoever
 * tries again comes before those who wait for one. What passes leaves the connection as it was.
 */
async function lend(pool: Pool, text: string, values: PostgresValue[]): Promise<readonly unknown[]> {
  const lent = await pool.connect()
  // A connection that breaks says so by an event too, which nobody else hears; the statement fails of it.
  const ignore = (): void => undefined
  lent.on('error', ignore)
  let isSound = false
  try {
    const rows = rowsOf(await lent.query(text, values))
    isSound = true
    return rows
  } catch (error) {
    isSound = isPassing(error)
    throw error
  } finally {
    lent.removeListener('error', ignore)
    lent.release(!isSound)
  }
}

function rowsOf(result: { rows: unknown[] } | unknown[]): readonly unknown[] {
  return Array.isArray(result) ? result : result.rows
}
