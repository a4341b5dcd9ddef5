/* What callers give, checked at the door and turned into what the rules ask. */
import { RetrysafeError } from './errors.js'
import { type Limit, leaseLimit, listLimit, maxTagLength, purgeLimit, retentionLimit } from './limits.js'
import type { BeginAsk, CompleteAsk, RenewAsk } from './rules.js'
import type { BeginOptions, CompleteOptions, ListQuery, PurgeOptions, RenewOptions, Storable } from './types.js'
import { encodeValue } from './values.js'

export function readBegin(options: BeginOptions = {}): BeginAsk {
  const afterCrash = options.afterCrash ?? 'rerun'
  if (afterCrash !== 'rerun' && afterCrash !== 'uncertain')
    throw badOption('afterCrash', afterCrash, "'rerun' or 'uncertain'")
  return {
    token: options.token === undefined ? crypto.randomUUID() : readTag('token', options.token),
    fingerprint: options.fingerprint === undefined ? undefined : readTag('fingerprint', options.fingerprint),
    leaseMs: readInteger('leaseMs', options.leaseMs, leaseLimit),
    retentionMs: readInteger('retentionMs', options.retentionMs, retentionLimit),
    afterCrash,
    rerunAttempt: options.rerunAttempt === undefined ? undefined : readAttempt('rerunAttempt', options.rerunAttempt),
  }
}

export function readComplete(response: Storable, options: CompleteOptions = {}): CompleteAsk {
  return {
    token: options.token === undefined ? undefined : readTag('token', options.token),
    retentionMs:
      options.retentionMs === undefined ? undefined : readInteger('retentionMs', options.retentionMs, retentionLimit),
    kind: options.kind === undefined ? 'value' : readTag('kind', options.kind),
    response: encodeValue(response),
  }
}

export function readRenew(token: string, options: RenewOptions = {}): RenewAsk {
  const { leaseMs, checkpoint, checkpointNumber } = options
  return {
    token: readTag('token', token),
    leaseMs: leaseMs === undefined || leaseMs === 0 ? leaseMs : readInteger('leaseMs', leaseMs, leaseLimit),
    checkpoint: checkpoint === undefined ? undefined : encodeValue(checkpoint),
    checkpointNumber: checkpointNumber === undefined ? undefined : readAttempt('checkpointNumber', checkpointNumber),
  }
}

export function readToken(token: string): string {
  return readTag('token', token)
}

export function readAttempt(name: string, value: unknown): number {
  return readInteger(name, value, { default: 1, min: 1, max: Number.MAX_SAFE_INTEGER })
}

export function readPurge(options: PurgeOptions = {}): number {
  return readInteger('limit', options.limit, purgeLimit)
}

export function readList(query: ListQuery = {}): ListQuery & { limit: number } {
  const { status, prefix, cursor } = query
  if (status !== undefined && status !== 'in_progress' && status !== 'completed' && status !== 'uncertain')
    throw badOption('status', status, "'in_progress', 'completed' or 'uncertain'")
  for (const [name, value] of Object.entries({ prefix, cursor }))
    if (value !== undefined && typeof value !== 'string') throw badOption(name, value, 'a string')
  return { status, prefix, cursor, limit: readInteger('limit', query.limit, listLimit) }
}

/** A whole number within its limit, or the limit's default. `0` is a value, not an absence. */
export function readInteger(name: string, value: unknown, limit: Limit): number {
  if (value === undefined) return limit.default
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= limit.min && value <= limit.max) return value
  throw badOption(name, value, `a whole number from ${limit.min} to ${limit.max}`)
}

/** The error for an option of the wrong kind: it names the option, the value and what would do. */
export function badOption(name: string, value: unknown, wanted: string): RetrysafeError {
  return new RetrysafeError('invalid_option', `${name} is ${describe(value)}: it must be ${wanted}.`)
}

/** Short words of ours or the caller's that go into an index: no control characters, no lone surrogates. */
function readTag(name: string, value: unknown): string {
  if (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= maxTagLength &&
    (/^[\x20-\x7e]+$/.test(value) || (value.isWellFormed() && !/\p{Cc}/u.test(value)))
  )
    return value
  throw badOption(name, value, `a string of 1 to ${maxTagLength} characters without control characters`)
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (value === undefined || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
