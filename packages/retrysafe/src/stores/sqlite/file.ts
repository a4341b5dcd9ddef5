import { badOption } from '../../contract/index.js'
import { type OwnDatabase, openPath, type SqliteDatabase } from './client.js'
import { patiently, type Surroundings } from './errors.js'
import { type Connection, connect } from './records.js'
import { prepareDatabase, resetsSafely, sqliteVersion } from './schema.js'

/** Where a store's database comes from. */
export interface File {
  readonly path: string | undefined
  readonly given: SqliteDatabase | undefined
  own: OwnDatabase | undefined
  /** Shared by those who ask while it goes on. */
  opening: Promise<Connection> | undefined
  /** Of SQLite; unknown until it could be asked. */
  version: string | undefined
}

export function toFile(options: { path?: unknown; database?: unknown }): File {
  const { path, database } = options
  if ((path === undefined) === (database === undefined))
    throw badOption('path', path, 'given where database is not, and only there')
  if (path !== undefined && (typeof path !== 'string' || path === '' || path.includes('\0')))
    throw badOption('path', path, 'the path of a file')
  if (database !== undefined && !isDatabase(database))
    throw badOption('database', database, 'an open handle of node:sqlite, libsql or better-sqlite3')
  return { path, given: database, own: undefined, opening: undefined, version: undefined }
}

/** Opens the database and makes its tables; where that fails, the next call tries anew. */
export function openFile(file: File, surroundings: Surroundings): Promise<Connection> {
  file.opening ??= openAnew(file, surroundings).finally(() => {
    file.opening = undefined
  })
  return file.opening
}

/** Closes what the store opened itself. */
export function closeFile(file: File): void {
  const { own } = file
  file.own = undefined
  own?.close()
}

async function openAnew(file: File, surroundings: Surroundings): Promise<Connection> {
  file.own = file.path === undefined ? undefined : openPath(file.path)
  const database = file.given ?? file.own
  if (database === undefined) throw badOption('database', database, 'an open handle')
  try {
    return await patiently(surroundings, () => {
      file.version = sqliteVersion(database)
      prepareDatabase(database, surroundings.where)
      return connect(database)
    })
  } catch (error) {
    closeFile(file)
    throw error
  }
}

let warned = false

/**
 * Called where another connection is at work on the file. With that an old SQLite can, very rarely, damage it. A
 * process that has the file to itself is safe and hears nothing.
 */
export function warnOfReset(file: File): void {
  if (warned || file.own === undefined || file.version === undefined || resetsSafely(file.version)) return
  warned = true
  process.emitWarning(
    `SQLite ${file.version} can, very rarely, damage a file that several processes write (the WAL-reset bug, fixed ` +
      `in 3.51.3), and another connection is at work on ${file.path}. Use Node 24, or keep the file to one process.`,
    { type: 'RetrysafeWarning', code: 'RETRYSAFE_SQLITE_RESET' },
  )
}

function isDatabase(value: unknown): value is SqliteDatabase {
  if (typeof value !== 'object' || value === null) return false
  const { prepare, exec } = value as Record<string, unknown>
  return typeof prepare === 'function' && typeof exec === 'function'
}
