import { badOption } from '../contract/index.js'

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

/** Statements go unnamed, so that they may pass a pooler that hands each transaction to another connection. */
export function senderOf(client: PostgresClient): Send {
  const given: unknown = client
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  // Neon's HTTP function has both, and its `unsafe` is another one.
  if (isObject && 'query' in client && typeof client.query === 'function')
    return async (text, values) => {
      const result = await client.query(text, values)
      return Array.isArray(result) ? result : result.rows
    }
  if (isObject && 'unsafe' in client && typeof client.unsafe === 'function')
    return async (text, values) => (await client.unsafe(text, values, { prepare: false })) as unknown[]
  throw badOption('client', given, 'a client of pg, postgres.js, PGlite or Neon, or an object with their query method')
}
