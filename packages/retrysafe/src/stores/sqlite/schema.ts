import { RetrysafeError } from '../../contract/index.js'
import type { SqliteDatabase } from './client.js'

/** Of the tables. A file of a later one is refused. */
const schemaVersion = 1
/** Of what stands in a record. Those of earlier ones are read for ever. */
export const recordFormat = 1

/**
 * The log is moved into the file every 4,000 pages of 4 KiB, where SQLite would at 1,000: most pages of a burst are
 * written again soon, and each move waits for the disk twice.
 */
const pagesPerCheckpoint = 4000
/** The log is cut to this after it grew beyond, in bytes. */
const maxIdleLogBytes = 64 * 1024 * 1024

/**
 * The rowid keeps large responses out of the index by key, and new records together: a batch of random keys touches
 * few pages. BINARY collation compares keys byte by byte.
 */
const tables = `
CREATE TABLE retrysafe_meta (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO retrysafe_meta VALUES ('schema', ${schemaVersion});
CREATE TABLE retrysafe_records (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL COLLATE BINARY UNIQUE,
  format INTEGER NOT NULL,
  status INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  token TEXT,
  fingerprint TEXT,
  lease_ms INTEGER NOT NULL,
  retention_ms INTEGER NOT NULL,
  lease_until INTEGER,
  expires_at INTEGER,
  after_crash INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  completed_at INTEGER,
  checkpoint_number INTEGER NOT NULL,
  withheld INTEGER NOT NULL,
  kind TEXT,
  checkpoint ANY,
  response ANY
) STRICT;
CREATE INDEX retrysafe_expiry ON retrysafe_records (expires_at) WHERE expires_at IS NOT NULL;
`

/** Makes the connection safe and the tables there. May find the file busy: it is to be called again then. */
export function prepareDatabase(database: SqliteDatabase, where: string): void {
  // A busy file is an error at once, which is waited out without blocking the event loop.
  database.exec('PRAGMA busy_timeout = 0')
  database.exec('PRAGMA journal_mode = WAL')
  // Each commit is on the disk before it is acknowledged; on macOS that takes fullfsync besides.
  database.exec('PRAGMA synchronous = FULL')
  database.exec('PRAGMA fullfsync = ON')
  database.exec(`PRAGMA wal_autocheckpoint = ${pagesPerCheckpoint}`)
  database.exec(`PRAGMA journal_size_limit = ${maxIdleLogBytes}`)
  if (isCurrent(database, where)) return
  database.exec('BEGIN IMMEDIATE')
  try {
    // Another process may have made them while this one waited for the lock.
    if (!isCurrent(database, where)) database.exec(tables)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

function isCurrent(database: SqliteDatabase, where: string): boolean {
  if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'retrysafe_meta'").get() === undefined) return false
  const row = database.prepare("SELECT value FROM retrysafe_meta WHERE name = 'schema'").get()
  const version = Number((row as { value?: unknown } | undefined)?.value)
  if (version === schemaVersion) return true
  throw new RetrysafeError(
    'unsupported',
    `${where} was written by a later Retrysafe (schema ${version}, this one knows ${schemaVersion}): use that one. ` +
      'The file is left as it is.',
  )
}

/** The SQLite that the client brings. */
export function sqliteVersion(database: SqliteDatabase): string {
  const row = database.prepare('SELECT sqlite_version() AS version').get() as { version?: unknown } | undefined
  return String(row?.version)
}

/**
 * Whether this SQLite is free of the WAL-reset bug: fixed in 3.51.3, and in 3.50.7 and 3.44.6 of older lines
 * (https://sqlite.org/wal.html#walresetbug).
 */
export function resetsSafely(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major !== 3) return major > 3
  if (minor === 50) return patch >= 7
  if (minor === 44) return patch >= 6
  return minor > 51 || (minor === 51 && patch >= 3)
}
