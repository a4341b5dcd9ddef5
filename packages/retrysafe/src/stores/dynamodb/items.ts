/* Records as items of a table. */
import { type Encoded, isBytes, type Rec, RetrysafeError } from '../../contract/index.js'
import type { DynamodbItem, DynamodbValue } from './client.js'

/** Of what stands in an item. Those of earlier ones are read for ever. */
export const itemFormat = 1

/** What the whole item may have, names of attributes included; 400 KB are 1,024 times 400 there. */
const maxItemBytes = 400 * 1024
/** A key of 2,042 bytes, three words of up to 765, and the names and numbers beside them, with some room. */
const maxOtherBytes = 8 * 1024
export const maxValueBytes: number = maxItemBytes - maxOtherBytes

/** An item, and what tells whether it still is the one that was seen. */
export interface SeenItem {
  readonly record: Rec
  readonly version: string
}

export function toItem(key: string, record: Rec, version: string, skewMs: number): DynamodbItem {
  return {
    key: { S: key },
    format: number(itemFormat),
    version: { S: version },
    status: { S: record.status },
    attempt: number(record.attempt),
    ...text('token', record.token),
    ...text('fingerprint', record.fingerprint),
    lease_ms: number(record.leaseMs),
    retention_ms: number(record.retentionMs),
    retention_s: number(wholeSeconds(record.retentionMs)),
    ...instant('lease_until', record.leaseUntil),
    ...instant('expires_at', record.expiresAt),
    ...instant('ttl', record.expiresAt === undefined ? undefined : wholeSeconds(record.expiresAt + skewMs)),
    after_crash: { S: record.afterCrash },
    created_at: number(record.createdAt),
    updated_at: number(record.updatedAt),
    ...instant('completed_at', record.completedAt),
    ...text('kind', record.kind),
    ...(record.response === undefined ? {} : { response: toValue(record.response) }),
    ...(record.checkpoint === undefined ? {} : { checkpoint: toValue(record.checkpoint) }),
    checkpoint_number: number(record.checkpointNumber),
    withheld: { BOOL: record.withheld },
  }
}

/** All attributes but the values, for lists. */
export const leanAttributes: readonly string[] = [
  'key',
  'format',
  'version',
  'status',
  'attempt',
  'token',
  'fingerprint',
  'lease_ms',
  'retention_ms',
  'lease_until',
  'expires_at',
  'after_crash',
  'created_at',
  'updated_at',
  'completed_at',
  'kind',
  'checkpoint_number',
  'withheld',
]

/** @throws `unsupported` for a later format, `store_corrupt` for what is no record. */
export function readItem(key: string, raw: object): SeenItem {
  const item = raw as Readonly<Record<string, Partial<Record<'S' | 'N' | 'B' | 'BOOL', unknown>> | undefined>>
  const format = Number(item.format?.N)
  if (format > itemFormat)
    throw new RetrysafeError(
      'unsupported',
      `The key's record was written by a later Retrysafe (format ${format}, this one knows ${itemFormat}): use that one.`,
      { key },
    )
  const integer = (name: string): number => {
    const value = Number(item[name]?.N ?? Number.NaN)
    return Number.isSafeInteger(value) ? value : corrupt(key, name)
  }
  const word = (name: string): string | undefined => {
    const value = item[name]?.S
    return value === undefined || typeof value === 'string' ? value : corrupt(key, name)
  }
  const oneOf = <T extends string>(name: string, ...words: T[]): T =>
    words.find((one) => one === item[name]?.S) ?? corrupt(key, name)
  const maybe = (name: string): number | undefined => (item[name] === undefined ? undefined : integer(name))
  if (format !== itemFormat) return corrupt(key, 'format')
  return {
    version: word('version') ?? corrupt(key, 'version'),
    record: {
      status: oneOf('status', 'in_progress', 'completed'),
      attempt: integer('attempt'),
      token: word('token'),
      fingerprint: word('fingerprint'),
      leaseMs: integer('lease_ms'),
      retentionMs: integer('retention_ms'),
      leaseUntil: maybe('lease_until'),
      expiresAt: maybe('expires_at'),
      afterCrash: oneOf('after_crash', 'rerun', 'uncertain'),
      createdAt: integer('created_at'),
      updatedAt: integer('updated_at'),
      completedAt: maybe('completed_at'),
      kind: word('kind'),
      response: fromValue(key, 'response', item.response),
      checkpoint: fromValue(key, 'checkpoint', item.checkpoint),
      checkpointNumber: integer('checkpoint_number'),
      withheld: item.withheld?.BOOL === true,
    },
  }
}

export function keyOf(raw: object): string | undefined {
  const value = (raw as Readonly<Record<string, { S?: unknown } | undefined>>).key?.S
  return typeof value === 'string' ? value : undefined
}

export function number(value: number): DynamodbValue {
  return { N: String(value) }
}

export function toValue(value: Encoded): DynamodbValue {
  return typeof value === 'string' ? { S: value } : { B: value }
}

/** Rounded up, so that the TTL never ends before the record does. */
export function wholeSeconds(ms: number): number {
  return Math.ceil(ms / 1000)
}

function text(name: string, value: string | undefined): DynamodbItem {
  return value === undefined ? {} : { [name]: { S: value } }
}

function instant(name: string, value: number | undefined): DynamodbItem {
  return value === undefined ? {} : { [name]: number(value) }
}

function fromValue(
  key: string,
  name: string,
  value: Partial<Record<'S' | 'B', unknown>> | undefined,
): Encoded | undefined {
  if (value === undefined) return undefined
  if (typeof value.S === 'string') return value.S
  return isBytes(value.B) ? value.B : corrupt(key, name)
}

function corrupt(key: string, name: string): never {
  throw new RetrysafeError(
    'store_corrupt',
    `The key's item is no record of Retrysafe, or is damaged (its attribute \`${name}\`). It is left as it is: look who ` +
      'else writes to the table. Once it is deleted, the key can run again.',
    { key },
  )
}
