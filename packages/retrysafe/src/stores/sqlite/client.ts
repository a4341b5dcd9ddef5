import { createRequire } from 'node:module'
import { join } from 'node:path'
import { RetrysafeError } from '../../contract/index.js'
import { toStoreError } from './errors.js'

export type SqliteValue = string | number | bigint | Uint8Array

/** The part of a prepared statement that the store calls. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): { changes: number | bigint }
  get(...values: SqliteValue[]): unknown
  all(...values: SqliteValue[]): unknown[]
}

/** The part of an open SQLite handle that the store calls: `node:sqlite`, `libsql` and `better-sqlite3` fit. */
export interface SqliteDatabase {
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
}

/** A handle that the store opened, and closes. */
export interface OwnDatabase extends SqliteDatabase {
  close(): unknown
}

type OpenDatabase = new (path: string) => OwnDatabase

/** Where Node has its own SQLite it wins; the others must be installed. */
const packages = ['libsql', 'better-sqlite3'] as const

/** Opens the file with the first client that is there. */
export function openPath(path: string): OwnDatabase {
  const Database = findClient(path)
  try {
    return new Database(path)
  } catch (error) {
    throw toStoreError(error, path)
  }
}

function findClient(path: string): OpenDatabase {
  const builtIn = process.getBuiltinModule?.('node:sqlite') as { DatabaseSync: OpenDatabase } | undefined
  if (builtIn !== undefined) return builtIn.DatabaseSync
  const reasons: unknown[] = []
  for (const name of packages) {
    // From the application's folder too, for package managers that show a package only what it asked for.
    for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
      try {
        return createRequire(from)(name) as OpenDatabase
      } catch (error) {
        reasons.push(error)
      }
    }
  }
  throw new RetrysafeError(
    'store_unavailable',
    `Nothing was found that opens ${path}: use Node 22.13 or later, or install libsql or better-sqlite3, or give an ` +
      'open handle as sqliteStore({ database }).',
    { cause: new AggregateError(reasons, 'No SQLite client could be loaded.') },
  )
}
