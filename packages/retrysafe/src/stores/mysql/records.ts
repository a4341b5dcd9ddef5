import { type Encoded, type Rec, RetrysafeError } from '../../contract/index.js'
import type { Sighting } from '../shared/swap.js'
import { fromBytes, type MysqlValue, toBytes } from './client.js'
import { recordFormat } from './schema.js'

export type Row = Readonly<Record<string, unknown>>

/** How a value is kept. */
const jsonType = 0
const bytesType = 1

/** What a row says: of a key with its record, or of one that holds nothing. */
export function toSighting(row: Row): Sighting<number> {
  const facts = fromBytes(row.facts)
    .split(',')
    .map((fact) => (fact === '' ? undefined : Number(fact)))
  const [now, alone] = facts.slice(-2)
  requireAlone(alone)
  if (now === undefined) throw new RetrysafeError('store_unavailable', 'MySQL: the server told no time.')
  if (row.key === null || row.key === undefined) return { now, record: undefined, version: undefined }
  return { now, record: toRec(row, facts), version: facts[1] }
}

/** A write within somebody's transaction may be rolled back after it was acknowledged. */
function requireAlone(alone: number | undefined): void {
  if (alone === 1) return
  throw new RetrysafeError(
    'store_unavailable',
    'MySQL: the session has an open transaction, autocommit = 0, or sql_mode SIMULTANEOUS_ASSIGNMENT. The store needs ' +
      'sessions of its own, with autocommit, so that what it acknowledges stands. Nothing was written.',
  )
}

function toRec(row: Row, facts: readonly (number | undefined)[]): Rec {
  const [format = 0, , status, attempt = 0, leaseMs = 0, retentionMs = 0, leaseUntil, expiresAt, ...more] = facts
  const [afterCrash, createdAt = 0, updatedAt = 0, completedAt, checkpointNumber = 0, withheld, ...types] = more
  if (format > recordFormat)
    throw new RetrysafeError(
      'unsupported',
      `The key's record was written by a later Retrysafe (format ${format}, this one knows ${recordFormat}).`,
      { key: fromBytes(row.key) },
    )
  return {
    status: status === 1 ? 'completed' : 'in_progress',
    attempt,
    token: toText(row.token),
    fingerprint: toText(row.fingerprint),
    leaseMs,
    retentionMs,
    leaseUntil,
    expiresAt,
    afterCrash: afterCrash === 1 ? 'uncertain' : 'rerun',
    createdAt,
    updatedAt,
    completedAt,
    kind: toText(row.kind),
    response: toEncoded(types[0], row.response),
    checkpoint: toEncoded(types[1], row.checkpoint),
    checkpointNumber,
    withheld: withheld === 1,
  }
}

/** What a column holds of a record. */
type Column = readonly [name: string, of: (record: Rec, version: number) => MysqlValue]

/** Every column but the key. */
const columns: readonly Column[] = [
  ['format', () => recordFormat],
  ['version', (_, version) => version],
  ['status', ({ status }) => (status === 'completed' ? 1 : 0)],
  ['attempt', ({ attempt }) => attempt],
  ['token', ({ token }) => bindBytes(token)],
  ['fingerprint', ({ fingerprint }) => bindBytes(fingerprint)],
  ['lease_ms', ({ leaseMs }) => leaseMs],
  ['retention_ms', ({ retentionMs }) => retentionMs],
  ['lease_until', ({ leaseUntil }) => leaseUntil ?? null],
  ['expires_at', ({ expiresAt }) => expiresAt ?? null],
  ['after_crash', ({ afterCrash }) => (afterCrash === 'uncertain' ? 1 : 0)],
  ['created_at', ({ createdAt }) => createdAt],
  ['updated_at', ({ updatedAt }) => updatedAt],
  ['completed_at', ({ completedAt }) => completedAt ?? null],
  ['checkpoint_number', ({ checkpointNumber }) => checkpointNumber],
  ['withheld', ({ withheld }) => (withheld ? 1 : 0)],
  ['kind', ({ kind }) => bindBytes(kind)],
  ['response_type', ({ response }) => bindType(response)],
  ['response', ({ response }) => bindBytes(response)],
  ['checkpoint_type', ({ checkpoint }) => bindType(checkpoint)],
  ['`checkpoint`', ({ checkpoint }) => bindBytes(checkpoint)],
]

/** In the order in which `bindRecord` gives their values. */
export const columnNames: readonly string[] = columns.map(([name]) => name)

export function bindRecord(record: Rec, version: number): MysqlValue[] {
  return columns.map(([, of]) => of(record, version))
}

export function bindBytes(value: Encoded | undefined): MysqlValue {
  return value === undefined ? null : toBytes(value)
}

function bindType(value: Encoded | undefined): MysqlValue {
  return value === undefined ? null : typeOf(value)
}

/** A value, before it what it is. */
export function bindValue(value: Encoded | undefined): [type: MysqlValue, bytes: MysqlValue] {
  return [bindType(value), bindBytes(value)]
}

export function typeOf(value: Encoded): number {
  return typeof value === 'string' ? jsonType : bytesType
}

function toText(value: unknown): string | undefined {
  return value === null || value === undefined ? undefined : fromBytes(value)
}

/** A list reads no values: then there is a type alone. */
function toEncoded(type: number | undefined, value: unknown): Encoded | undefined {
  if (type === undefined || value === undefined) return undefined
  return type === bytesType ? (value as Uint8Array) : fromBytes(value)
}

/**
 * Versions grow by one with every write. A record that is made anew under the same key begins somewhere else, so that
 * nobody takes it for the one before.
 */
export function firstVersion(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high >>> 12) * 2 ** 32 + low
}
