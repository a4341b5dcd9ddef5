import { badOption } from '../../contract/index.js'
import { sha1 } from '../shared/sha1.js'
import { isNotPrepared, isPassing } from './errors.js'

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

interface Lent {
  query(statement: { text: string; values: PostgresValue[]; name?: string }): Promise<{ rows: unknown[] }>
  release(destroys?: boolean): void
  on(event: 'error', listener: () => void): unknown
  removeListener(event: 'error', listener: () => void): unknown
}

/**
 * Each statement is prepared once a connection where the client can: the server then neither reads nor plans it again,
 * which takes longer than what most of them do. A pooler that hands each transaction to another connection may not know
 * the statement there; that is seen by the first refusal, which comes before anything is done, and from then on
 * statements go unprepared.
 *
 * @throws `invalid_option` for what is no client.
 */
export function senderOf(client: PostgresClient, prepare: boolean): Send {
  const send = dispatchOf(client)
  let prepares = prepare
  return async (text, values) => {
    if (!prepares) return send(text, values, false)
    try {
      return await send(text, values, true)
    } catch (error) {
      if (!isNotPrepared(error)) throw error
      prepares = false
      return send(text, values, false)
    }
  }
}

/** Sends a statement once, and prepares it where the client can. */
type Dispatch = (text: string, values: PostgresValue[], prepare: boolean) => Promise<readonly unknown[]>

function dispatchOf(client: PostgresClient): Dispatch {
  const given: unknown = client
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  // Neon's HTTP function has both, and its `unsafe` is another one.
  if (isObject && 'query' in client && typeof client.query === 'function')
    return isPool(client)
      ? (text, values, prepare) => lend(client, text, values, prepare)
      : async (text, values) => rowsOf(await client.query(text, values))
  if (isObject && 'unsafe' in client && typeof client.unsafe === 'function')
    // It would prepare by names of its own, and keep the plan of a table that was small for as long as it is connected.
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
async function lend(pool: Pool, text: string, values: PostgresValue[], prepare: boolean): Promise<readonly unknown[]> {
  const lent = await pool.connect()
  // A connection that breaks says so by an event too, which nobody else hears; the statement fails of it.
  const ignore = (): void => undefined
  lent.on('error', ignore)
  let isSound = false
  try {
    const { rows } = await lent.query(prepare ? { text, values, name: nameOf(lent, text) } : { text, values })
    isSound = true
    return rows
  } catch (error) {
    isSound = isPassing(error) || isNotPrepared(error)
    throw error
  } finally {
    lent.removeListener('error', ignore)
    lent.release(!isSound)
  }
}

function rowsOf(result: { rows: unknown[] } | unknown[]): readonly unknown[] {
  return Array.isArray(result) ? result : result.rows
}

/** How often each connection has run each statement. */
const runs = new WeakMap<Lent, Map<string, number>>()
const hashes = new Map<string, string>()
const mostPlans = 6

/**
 * Behind a pooler another client may have prepared something else by the same name, unless the name says the text.
 *
 * A plan is made for the table as it is then and kept: in a table of a few rows, reading all of them is best. So that
 * nobody reads all of a table that has grown since, a statement is prepared anew at its 8th, 64th, 512th … run.
 */
function nameOf(connection: Lent, text: string): string {
  let counts = runs.get(connection)
  if (counts === undefined) {
    counts = new Map()
    runs.set(connection, counts)
  }
  const run = (counts.get(text) ?? 0) + 1
  counts.set(text, run)
  let hash = hashes.get(text)
  if (hash === undefined) {
    hash = sha1(text)
    hashes.set(text, hash)
  }
  return `retrysafe_${hash}_${Math.min(mostPlans, Math.floor(Math.log2(run) / 3) + 1)}`
}
