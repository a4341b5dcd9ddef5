/* What the rules decided, as callers see it: copies, with dates, without tokens that are not theirs. */
import { RetrysafeError } from './errors.js'
import { type Begun, isUncertain, type Rec, type Refusal } from './rules.js'
import type { IdempotencyRecord, ListedRecord, ListQuery, Outcome } from './types.js'
import { decodeValue } from './values.js'

export function toOutcome(begun: Begun): Outcome {
  switch (begun.status) {
    case 'new':
      return {
        status: 'new',
        token: begun.token,
        attempt: begun.attempt,
        leaseUntil: new Date(begun.leaseUntil),
        ...(begun.checkpoint === undefined ? {} : { checkpoint: decodeValue(begun.checkpoint) }),
      }
    case 'in_progress':
      return { status: 'in_progress', attempt: begun.attempt, leaseUntil: new Date(begun.leaseUntil) }
    case 'completed':
      return {
        status: 'completed',
        response: decodeValue(begun.response),
        kind: begun.kind,
        attempt: begun.attempt,
        completedAt: new Date(begun.completedAt),
        expiresAt: new Date(begun.expiresAt),
      }
    case 'mismatch':
      return { status: 'mismatch' }
    case 'uncertain':
      return {
        status: 'uncertain',
        attempt: begun.attempt,
        ...(begun.checkpoint === undefined ? {} : { checkpoint: decodeValue(begun.checkpoint) }),
      }
  }
}

export function toRecord(key: string, record: Rec): IdempotencyRecord {
  return {
    ...toListed(key, record),
    ...(record.response === undefined ? {} : { response: decodeValue(record.response) }),
    ...(record.checkpoint === undefined ? {} : { checkpoint: decodeValue(record.checkpoint) }),
  }
}

export function toListed(key: string, record: Rec): ListedRecord {
  return {
    key,
    status: record.status,
    ...(record.kind === undefined ? {} : { kind: record.kind }),
    ...(record.fingerprint === undefined ? {} : { fingerprint: record.fingerprint }),
    attempt: record.attempt,
    createdAt: new Date(record.createdAt),
    updatedAt: new Date(record.updatedAt),
    ...(record.leaseUntil === undefined ? {} : { leaseUntil: new Date(record.leaseUntil) }),
    ...(record.expiresAt === undefined ? {} : { expiresAt: new Date(record.expiresAt) }),
    afterCrash: record.afterCrash,
  }
}

/** Whether a list that asks for this status shows the record. */
export function isListed(record: Rec, status: ListQuery['status'], now: number, skewMs = 0): boolean {
  if (status === undefined) return true
  return status === 'uncertain' ? isUncertain(record, now, skewMs) : record.status === status
}

const refusals: Readonly<Record<Refusal, string>> = {
  lease_lost:
    'This claim no longer holds the key: it was taken over, released, completed or has expired. Nothing was changed.',
  already_completed: 'The key is already completed; its response stands. Nothing was changed.',
  unknown_key: 'The key was never claimed, or its record is gone. Call begin first.',
}

export function refusal(code: Refusal, key: string): RetrysafeError {
  return new RetrysafeError(code, refusals[code], { key })
}

/** The error of a call to a store after `close`. */
export function closedError(): RetrysafeError {
  return new RetrysafeError('store_closed', 'The store is closed. Open a new one, and close it after its last use.')
}
