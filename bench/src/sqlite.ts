import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { sqliteStore } from 'retrysafe/sqlite'
import { measure, paceOf, type Row, type Subject, subject } from './measure.js'
import type { RunOptions } from './run-options.js'
import {
  bothOf,
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  leaseMs,
  replaying,
  replayKey,
  replayKeys,
  retentionMs,
  seed,
} from './store-subjects.js'

const aCommitACall = 'raw SQLite, a commit a call'
const byHand = 'raw SQLite, group commit by hand'
const rawRead = 'raw SQLite, SELECT'

interface RawSqlite {
  claim(key: string): void
  complete(key: string): void
  read(key: string): string
  exec(sql: string): void
  close(): void
}

function rawSqlite(path: string): RawSqlite {
  const database = new Database(path)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  // As many pages as the store moves at once.
  database.exec('PRAGMA wal_autocheckpoint = 4000')
  database.exec(
    'CREATE TABLE k (key TEXT PRIMARY KEY, status INTEGER, token TEXT, lease_until INTEGER, expires_at INTEGER, response TEXT) STRICT, WITHOUT ROWID',
  )
  database.exec('CREATE INDEX k_expires ON k(expires_at)')
  const insert = database.prepare('INSERT INTO k VALUES (?, 0, ?, ?, ?, NULL) ON CONFLICT DO NOTHING')
  const update = database.prepare('UPDATE k SET status=1, response=?, expires_at=? WHERE key=? AND status=0')
  const select = database.prepare('SELECT * FROM k WHERE key=?')
  return {
    claim(key) {
      const now = Date.now()
      const { changes } = insert.run(key, crypto.randomUUID(), now + leaseMs, now + leaseMs + retentionMs)
      if (changes !== 1) throw new Error(`${key} is taken`)
    },
    complete(key) {
      const { changes } = update.run(JSON.stringify(chargeOf(key)), Date.now() + retentionMs, key)
      if (changes !== 1) throw new Error(`${key} is lost`)
    },
    read: (key) => (select.get(key) as { response: string } | undefined)?.response ?? '',
    exec: (sql) => void database.exec(sql),
    close: () => void database.close(),
  }
}

function commitACall(raw: RawSqlite): Subject {
  const inOwnCommit = (work: () => void): void => {
    raw.exec('BEGIN IMMEDIATE')
    work()
    raw.exec('COMMIT')
  }
  return subject(claiming, aCommitACall, [aCommitACall], async () => {
    const key = freshKey()
    inOwnCommit(() => raw.claim(key))
    await undefined
    inOwnCommit(() => raw.complete(key))
  })
}

/** What one would write by hand: whatever queued up while the last commit was in flight shares the next one. */
function groupCommit(raw: RawSqlite): Subject {
  let queue: { work: () => void; done: () => void; failed: (error: unknown) => void }[] = []
  function flush(): void {
    const batch = queue
    queue = []
    try {
      raw.exec('BEGIN IMMEDIATE')
      for (const { work } of batch) work()
      raw.exec('COMMIT')
    } catch (error) {
      for (const { failed } of batch) failed(error)
    }
    for (const { done } of batch) done()
  }
  const enqueue = (work: () => void): Promise<void> =>
    new Promise((done, failed) => {
      queue.push({ work, done, failed })
      if (queue.length === 1) setImmediate(flush)
    })
  return subject(claiming, byHand, [aCommitACall], async () => {
    const key = freshKey()
    await enqueue(() => raw.claim(key))
    await enqueue(() => raw.complete(key))
  })
}

function reads(raw: RawSqlite): Subject {
  raw.exec('BEGIN IMMEDIATE')
  for (const key of replayKeys()) {
    raw.claim(key)
    raw.complete(key)
  }
  raw.exec('COMMIT')
  return subject(replaying, rawRead, [rawRead], async (index) => {
    const key = replayKey(index)
    checkCharge(rawRead, key, JSON.parse(raw.read(key)))
    await undefined
  })
}

/** Bytes that this process has sent to the disk, logs and their moving into the files included; Linux says so. */
export function bytesToDisk(): number | undefined {
  try {
    const written = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]
    return written === undefined ? undefined : Number(written)
  } catch {
    return undefined
  }
}

/** `sqliteStore` beside the bare statements, all at `synchronous=FULL`. */
export async function sqlite(print: (row: Row) => void, { quick }: RunOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
  const store = sqliteStore({ database: new Database(join(folder, 'store.db')) })
  await seed(store)
  const raws = ['each.db', 'hand.db'].map((name) => rawSqlite(join(folder, name)))
  const [each, hand] = raws
  if (each === undefined || hand === undefined) throw new Error('two were made')
  const ours = bothOf('sqliteStore', store, { claim: [aCommitACall, byHand], replay: [rawRead] })
  const subjects = [commitACall(each), groupCommit(hand), reads(hand), ...ours]
  const countsBytes = bytesToDisk() !== undefined
  const written = countsBytes ? async () => bytesToDisk() ?? Number.NaN : undefined
  const rows = await measure({ suite: 'sqlite', subjects, ...paceOf(quick), written }, print)
  await store.close()
  for (const raw of raws) raw.close()
  rmSync(folder, { recursive: true, force: true })
  return rows
}
