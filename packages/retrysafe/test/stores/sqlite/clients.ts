/* The SQLite clients that can be had here, for tests that run on each. */
import { createRequire } from 'node:module'
import type { SqliteDatabase } from '../../../src/stores/sqlite.js'

export interface OpenHandle extends SqliteDatabase {
  close(): unknown
}

export interface Client {
  readonly name: string
  open(path: string): OpenHandle
}

export interface MissingClient {
  readonly name: string
  readonly reason: string
}

type HandleClass = new (path: string) => OpenHandle

const require = createRequire(import.meta.url)

function find(name: string, load: () => HandleClass | undefined): Client | MissingClient {
  try {
    const Handle = load()
    if (Handle === undefined) return { name, reason: `Node ${process.versions.node} has no ${name}` }
    new Handle(':memory:').close()
    return { name, open: (path) => new Handle(path) }
  } catch (error) {
    return { name, reason: `${name} cannot be loaded: ${String(error).split('\n')[0]}` }
  }
}

const found: readonly (Client | MissingClient)[] = [
  find('libsql', () => require('libsql') as HandleClass),
  find('node:sqlite', () => {
    const builtIn = process.getBuiltinModule('node:sqlite') as { DatabaseSync: HandleClass } | undefined
    return builtIn?.DatabaseSync
  }),
  // It is no dependency of this repository, since it may have to be compiled: the variable says where it is.
  find('better-sqlite3', () => require(process.env.RETRYSAFE_TEST_BETTER_SQLITE3 ?? 'better-sqlite3') as HandleClass),
]

export const clients: readonly Client[] = found.filter((client) => 'open' in client)
export const missingClients: readonly MissingClient[] = found.filter((client) => 'reason' in client)
