/* What a store on a network gives so that every suite of this folder can be run on it. */
import type { IdempotencyStore, Inspectable, Migratable, Wakeable } from '../../../src/contract/index.js'

export type NetworkStore = IdempotencyStore & Inspectable & Partial<Migratable & Wakeable>

/** Where the records of one test stand: an engine, and a table or prefix in it that nobody else uses. */
export interface Place {
  readonly url: string
  /** Lower-case letters, digits and `_`, at most 40 characters. */
  readonly name: string
}

export interface HandleOptions {
  /** Connections in the pool, where the client has one. Default: as many as the bench finds good. */
  readonly connections?: number | undefined
  /** With what the store needs to push (a listening connection, a subscriber). Default `false`. */
  readonly push?: boolean | undefined
}

/** A store with the connections that it uses: what one process has. */
export interface ProcessHandle {
  readonly store: NetworkStore
  /** SQL only: a small transaction on a connection of the pool that the store uses, as business work would do. */
  business?(): Promise<void>
  /** Closes the store, then its connections. Resolves also where the engine is gone. */
  close(): Promise<void>
}

/** What the tests' own process has besides. */
export interface Handle extends ProcessHandle {
  /** Shifts every stored instant of the key that many milliseconds into the past; nothing where it holds nothing. */
  age(key: string, ms: number): Promise<void>
}

/** Opens a handle. A process of its own imports it by the path of its file, so that file imports nothing of vitest. */
export type OpenHandle<H extends ProcessHandle = Handle> = (place: Place, options?: HandleOptions) => Promise<H>

export interface Bench {
  /** The engine, and the client if there are several: `PostgreSQL`. */
  readonly name: string
  /** The shared engine; undefined where it cannot be had. */
  url(): Promise<string | undefined>
  /** Why `url` gives none; undefined where it gives one. */
  missing(): Promise<string | undefined>
  open: OpenHandle
  /** The file, from the root of the package, that exports `open` as `openHandle`: children are compiled from it. */
  readonly handle: string
  /** Other files that it imports, besides the library's own and its client. */
  readonly besides?: readonly string[]
  /** Makes what the place needs; called once before any handle opens it. */
  prepare(place: Place): Promise<void>
  /** Removes the place with everything in it. */
  remove(place: Place): Promise<void>
}

/** A place that no other test has. */
export function freshPlace(url: string): Place {
  return { url, name: `t_${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}` }
}
