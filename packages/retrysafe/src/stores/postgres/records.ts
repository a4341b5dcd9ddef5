import { type BeginAsk, type Encoded, onBegin, type Rec, RetrysafeError } from '../../contract/index.js'
import type { Reading } from '../shared/driver.js'
import type { PostgresValue } from './client.js'
import { recordFormat } from './schema.js'

/** Clients give an int8 as text, number or bigint, by their settings. */
type Integer = number | bigint | string

interface Row {
  readonly now: Integer
  readonly claimedat?: Integer | null
  /** JSON of a `Lean`. */
  readonly record: string | null
  readonly checkpointtext?: string | null
  readonly checkpointbytes?: Uint8Array | null
  readonly responsetext?: string | null
  readonly responsebytes?: Uint8Array | null
  /** The values were left out, since those of many would be too much for one answer. */
  readonly large?: boolean | null
}

/** In the order in which the statements answer. */
type Lean = [
  key: string,
  version: number,
  format: number,
  status: number,
  attempt: number,
  token: string | null,
  fingerprint: string | null,
  leaseMs: number,
  retentionMs: number,
  leaseUntil: number | null,
  expiresAt: number | null,
  afterCrash: number,
  createdAt: number,
  updatedAt: number,
  completedAt: number | null,
  checkpointNumber: number,
  withheld: boolean,
  kind: string | null,
]

/** What was seen of a key, to write only where it still stands. */
export interface Seen {
  readonly version: number
  readonly record: Rec
}

export interface Found extends Reading {
  readonly version: Seen | undefined
}

/** What a statement answers of one key: the time, and the record where there is one. */
export function toFound(row: unknown): Found {
  const now = Number((row as Row).now)
  const [, record, version] = toRecord(row as Row) ?? []
  return { now, record, version: record && version !== undefined ? { version, record } : undefined }
}

export function isLarge(row: unknown): boolean {
  return (row as Row).large === true
}

/** What a key holds after a claim was asked for: the claim, if it was free; nothing where another came in between. */
export function toReading(row: unknown, ask: BeginAsk): Reading {
  const { claimedat, now } = row as Row
  if (claimedat === null || claimedat === undefined) return toFound(row)
  return { now: Number(now), record: onBegin(undefined, ask, Number(claimedat)).write }
}

export function toListedRow(row: unknown): readonly [key: string, record: Rec] {
  const [key, record] = toRecord(row as Row) ?? []
  if (key === undefined || record === undefined) throw new TypeError('a row of a list has no record')
  return [key, record]
}

function toRecord(row: Row): [key: string, record: Rec, version: number] | undefined {
  const { record } = row
  if (record === null || record === undefined) return undefined
  const lean = JSON.parse(record) as Lean
  const [key, version, format, status, attempt, token, fingerprint, leaseMs, retentionMs, leaseUntil, expiresAt] = lean
  const [, , , , , , , , , , , afterCrash, createdAt, updatedAt, completedAt, checkpointNumber, withheld, kind] = lean
  if (format > recordFormat)
    throw new RetrysafeError(
      'unsupported',
      `The key's record was written by a later Retrysafe (format ${format}, this one knows ${recordFormat}).`,
      { key },
    )
  const rec: Rec = {
    status: status === 1 ? 'completed' : 'in_progress',
    attempt,
    token: token ?? undefined,
    fingerprint: fingerprint ?? undefined,
    leaseMs,
    retentionMs,
    leaseUntil: leaseUntil ?? undefined,
    expiresAt: expiresAt ?? undefined,
    afterCrash: afterCrash === 1 ? 'uncertain' : 'rerun',
    createdAt,
    updatedAt,
    completedAt: completedAt ?? undefined,
    kind: kind ?? undefined,
    response: row.responsetext ?? row.responsebytes ?? undefined,
    checkpoint: row.checkpointtext ?? row.checkpointbytes ?? undefined,
    checkpointNumber,
    withheld,
  }
  return [key, rec, version]
}
/** A value as two parameters: text and bytes, one of them NULL. */
export function bindValue(encoded: Encoded | undefined): [text: PostgresValue, bytes: PostgresValue] {
  return typeof encoded === 'string' ? [encoded, null] : [null, encoded ?? null]
}

/** A record as the parameters of an insert or an update, in their order. */
export function bindRecord(
  key: string,
  record: Rec,
  keeps: { checkpoint: boolean; response: boolean },
): PostgresValue[] {
  return [
    key,
    record.status === 'completed' ? 1 : 0,
    record.attempt,
    record.token ?? null,
    record.fingerprint ?? null,
    record.leaseMs,
    record.retentionMs,
    record.leaseUntil ?? null,
    record.expiresAt ?? null,
    record.afterCrash === 'uncertain' ? 1 : 0,
    record.createdAt,
    record.updatedAt,
    record.completedAt ?? null,
    record.checkpointNumber,
    record.withheld ? 1 : 0,
    record.kind ?? null,
    ...bindValue(keeps.checkpoint ? undefined : record.checkpoint),
    ...bindValue(keeps.response ? undefined : record.response),
  ]
}

/** An array as PostgreSQL reads it from text, since clients do not agree on how arrays are sent. */
export function toArray(items: readonly (string | number | undefined)[]): string {
  return `{${items.map((item) => (typeof item === 'string' ? quote(item) : (item ?? 'NULL'))).join(',')}}`
}

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
