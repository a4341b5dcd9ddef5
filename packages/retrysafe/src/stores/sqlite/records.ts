import { type Encoded, type Rec, RetrysafeError } from '../../contract/index.js'
import type { SqliteDatabase, SqliteStatement, SqliteValue } from './client.js'
import { recordFormat } from './schema.js'

const lean = `key, format, status, attempt, token, fingerprint, lease_ms, retention_ms, lease_until, expires_at,
  after_crash, created_at, updated_at, completed_at, checkpoint_number, withheld, kind`
const whole = `${lean}, checkpoint, response`
const alive = '(expires_at IS NULL OR expires_at > ?)'

/** A record that holds its key by this token, to be changed without being read first. */
const heldBy = `key = ? AND token = ? AND status = 0 AND format = ${recordFormat} AND ${alive}`

type StatementName =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'read'
  | 'readMany'
  | 'claim'
  | 'write'
  | 'complete'
  | 'renew'
  | 'release'
  | 'remove'
  | 'discard'
  | 'purge'

const statements: Readonly<Record<StatementName, string>> = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  read: `SELECT ${whole} FROM retrysafe_records WHERE key = ?`,
  readMany: `SELECT ${whole} FROM retrysafe_records WHERE key IN (SELECT value FROM json_each(?))`,
  claim: `INSERT INTO retrysafe_records (key, format, status, attempt, token, fingerprint, lease_ms, retention_ms,
    lease_until, expires_at, after_crash, created_at, updated_at, checkpoint_number, withheld)
    VALUES (?, ${recordFormat}, 0, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT (key) DO NOTHING`,
  write: `INSERT INTO retrysafe_records (${whole})
    VALUES (?, ${recordFormat}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET format = excluded.format, status = excluded.status, attempt = excluded.attempt,
    token = excluded.token, fingerprint = excluded.fingerprint, lease_ms = excluded.lease_ms,
    retention_ms = excluded.retention_ms, lease_until = excluded.lease_until, expires_at = excluded.expires_at,
    after_crash = excluded.after_crash, created_at = excluded.created_at, updated_at = excluded.updated_at,
    completed_at = excluded.completed_at, checkpoint_number = excluded.checkpoint_number,
    withheld = excluded.withheld, kind = excluded.kind, checkpoint = excluded.checkpoint, response = excluded.response`,
  complete: `UPDATE retrysafe_records SET status = 1, retention_ms = coalesce(?, retention_ms), lease_until = NULL,
    expires_at = ? + coalesce(?, retention_ms), updated_at = ?, completed_at = ?, kind = ?, response = ?,
    checkpoint = NULL WHERE ${heldBy}`,
  renew: `UPDATE retrysafe_records SET lease_until = ? + coalesce(?, lease_ms), updated_at = ?,
    expires_at = CASE after_crash WHEN 1 THEN NULL ELSE ? + coalesce(?, lease_ms) + retention_ms END WHERE ${heldBy}`,
  release: `DELETE FROM retrysafe_records WHERE ${heldBy} AND checkpoint IS NULL AND after_crash = 0`,
  remove: 'DELETE FROM retrysafe_records WHERE key = ?',
  discard: `DELETE FROM retrysafe_records WHERE key = ? AND ${alive}`,
  purge: `DELETE FROM retrysafe_records WHERE id IN
    (SELECT id FROM retrysafe_records WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
}

export type Statements = Readonly<Record<StatementName, SqliteStatement>>

/** A connection with what is asked of it. */
export interface Connection {
  readonly database: SqliteDatabase
  readonly statements: Statements
  /** A transaction was begun and not seen to end. */
  inDoubt: boolean
}

export function connect(database: SqliteDatabase): Connection {
  const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)])
  return { database, statements: Object.fromEntries(prepared) as Statements, inDoubt: false }
}

/** Does the work in a write transaction: all of it is on the disk when this returns, and none of it where it throws. */
export function transact(connection: Connection, work: () => void): void {
  const { statements } = connection
  settle(connection)
  statements.begin.run()
  connection.inDoubt = true
  try {
    work()
    statements.commit.run()
    connection.inDoubt = false
  } catch (error) {
    try {
      settle(connection)
    } catch {} // The next call settles it first, or fails; the first error says why.
    throw error
  }
}

/** Ends what a failed transaction left open, so that no read sees it and no write joins it. */
export function settle(connection: Connection): void {
  if (!connection.inDoubt) return
  try {
    connection.statements.rollback.run()
  } catch (error) {
    // SQLite itself rolls back after some errors.
    if (!(error instanceof Error && /no transaction is active/.test(error.message))) throw error
  }
  connection.inDoubt = false
}

export function readRecord({ statements }: Connection, key: string): Rec | undefined {
  const row = statements.read.get(key)
  return row === undefined || row === null ? undefined : toRec(row as Row)
}

export function readRecords({ statements }: Connection, keys: readonly string[]): Map<string, Rec> {
  const rows = statements.readMany.all(JSON.stringify(keys)) as Row[]
  return new Map(rows.map((row) => [row.key, toRec(row)]))
}

/** Inserts the record of a first claim; false where the key has a record, whatever it says. */
export function insertClaim({ statements }: Connection, key: string, record: Rec): boolean {
  const { token, fingerprint, leaseMs, retentionMs, leaseUntil, expiresAt, afterCrash, createdAt, updatedAt } = record
  const uncertain = afterCrash === 'uncertain' ? 1 : 0
  const { changes } = statements.claim.run(
    key,
    bind(token),
    bind(fingerprint),
    leaseMs,
    retentionMs,
    bind(leaseUntil),
    bind(expiresAt),
    uncertain,
    createdAt,
    updatedAt,
  )
  return Number(changes) === 1
}

export function writeRecord({ statements }: Connection, key: string, record: Rec): void {
  statements.write.run(
    key,
    record.status === 'completed' ? 1 : 0,
    record.attempt,
    bind(record.token),
    bind(record.fingerprint),
    record.leaseMs,
    record.retentionMs,
    bind(record.leaseUntil),
    bind(record.expiresAt),
    record.afterCrash === 'uncertain' ? 1 : 0,
    record.createdAt,
    record.updatedAt,
    bind(record.completedAt),
    record.checkpointNumber,
    record.withheld ? 1 : 0,
    bind(record.kind),
    bind(record.checkpoint),
    bind(record.response),
  )
}

/** One page in the byte order of keys; without values. */
export function listRecords(connection: Connection, filter: ListFilter): [key: string, record: Rec][] {
  const { prefix, after, status, now, limit } = filter
  const conditions: string[] = [alive]
  const values: SqliteValue[] = [now]
  const add = (condition: string, ...bound: SqliteValue[]): void => {
    conditions.push(condition)
    values.push(...bound)
  }
  if (prefix !== undefined && prefix !== '') add('key >= ? AND substr(key, 1, length(?)) = ?', prefix, prefix, prefix)
  const end = prefix === undefined ? undefined : endOfPrefix(prefix)
  if (end !== undefined) add('key < ?', end)
  if (after !== undefined) add('key > ?', after)
  if (status !== undefined) add('status = ?', status === 'completed' ? 1 : 0)
  if (status === 'uncertain')
    add('after_crash = 1 AND token IS NOT NULL AND (lease_until IS NULL OR lease_until <= ?)', now)
  const sql = `SELECT ${lean} FROM retrysafe_records WHERE ${conditions.join(' AND ')} ORDER BY key LIMIT ?`
  const rows = connection.database.prepare(sql).all(...values, limit) as Row[]
  return rows.map((row) => [row.key, toRec(row)])
}

export interface ListFilter {
  readonly prefix: string | undefined
  readonly after: string | undefined
  readonly status: 'in_progress' | 'completed' | 'uncertain' | undefined
  readonly now: number
  readonly limit: number
}

/** The least string above all that begin with the prefix; undefined where there is none. */
function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0)
  for (let last = points.pop(); last !== undefined; last = points.pop())
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1)
  return undefined
}

/** NULL where nothing is. Typed as if it were a value, since not every client's types have NULL among them. */
export function bind(value: Encoded | number | undefined): SqliteValue {
  if (typeof value === 'object' && value.byteLength === 0) return noBytes
  return value ?? (null as unknown as SqliteValue)
}

/** Bytes of no length may lie nowhere, which the SQLite of Node 22 takes for NULL; these lie somewhere. */
const noBytes = new Uint8Array(new ArrayBuffer(1), 0, 0)

/** Integers may come as bigints, by a setting of the handle. */
type Integer = number | bigint

interface Row {
  key: string
  format: Integer
  status: Integer
  attempt: Integer
  token: string | null
  fingerprint: string | null
  lease_ms: Integer
  retention_ms: Integer
  lease_until: Integer | null
  expires_at: Integer | null
  after_crash: Integer
  created_at: Integer
  updated_at: Integer
  completed_at: Integer | null
  checkpoint_number: Integer
  withheld: Integer
  kind: string | null
  checkpoint?: Encoded | null
  response?: Encoded | null
}

function toRec(row: Row): Rec {
  if (Number(row.format) > recordFormat)
    throw new RetrysafeError(
      'unsupported',
      `The key's record was written by a later Retrysafe (format ${row.format}, this one knows ${recordFormat}).`,
      { key: row.key },
    )
  return {
    status: Number(row.status) === 1 ? 'completed' : 'in_progress',
    attempt: Number(row.attempt),
    token: row.token ?? undefined,
    fingerprint: row.fingerprint ?? undefined,
    leaseMs: Number(row.lease_ms),
    retentionMs: Number(row.retention_ms),
    leaseUntil: toNumber(row.lease_until),
    expiresAt: toNumber(row.expires_at),
    afterCrash: Number(row.after_crash) === 1 ? 'uncertain' : 'rerun',
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
    completedAt: toNumber(row.completed_at),
    kind: row.kind ?? undefined,
    response: row.response ?? undefined,
    checkpoint: row.checkpoint ?? undefined,
    checkpointNumber: Number(row.checkpoint_number),
    withheld: Number(row.withheld) === 1,
  }
}

function toNumber(value: Integer | null): number | undefined {
  return value === null ? undefined : Number(value)
}
