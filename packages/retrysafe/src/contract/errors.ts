/** Every way in which a promise can be broken. The list is closed. */
export type ErrorCode =
  | 'invalid_key'
  | 'invalid_option'
  | 'body_too_large'
  | 'mismatch'
  | 'in_progress'
  | 'lease_lost'
  | 'response_not_stored'
  | 'uncertain'
  | 'expired'
  | 'scope_required'
  | 'body_consumed'
  | 'steps_changed'
  | 'unsupported'
  | 'store_corrupt'
  | 'store_unavailable'
  | 'store_full'
  | 'store_closed'
  | 'busy'
  | 'upstream_unreachable'
  | 'upstream_cut'
  | 'upstream_timeout'
  | 'transaction_conflict'
  | 'transaction_aborted'
  | 'unknown_key'
  | 'already_completed'
  | 'value_too_large'
  | 'value_not_serialisable'

/** What an error can say besides its message. */
export interface ErrorDetails {
  /** The key as the caller gave it. */
  readonly key?: string | undefined
  /** When asking again with the same key makes sense. */
  readonly retryAfterMs?: number | undefined
  /** The attempt that holds the key. */
  readonly attempt?: number | undefined
  /** When the key's retention ends. */
  readonly expiresAt?: Date | undefined
  readonly cause?: unknown
}

const brand = Symbol.for('retrysafe.error')

/**
 * The one error class. `code` is from a closed table; `isRetrysafeError` recognises it across copies of the package.
 *
 * @example
 * ```ts
 * import { isRetrysafeError } from 'retrysafe'
 *
 * function isRunning(error: unknown): boolean {
 *   return isRetrysafeError(error, 'in_progress')
 * }
 * ```
 */
export class RetrysafeError extends Error {
  readonly code: ErrorCode
  // Declared only: a field would be there as undefined where nothing was given.
  declare readonly key?: string
  declare readonly retryAfterMs?: number
  declare readonly attempt?: number
  declare readonly expiresAt?: Date

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'RetrysafeError'
    this.code = code
    Object.defineProperty(this, brand, { value: true })
    if (details.key !== undefined) this.key = details.key
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.attempt !== undefined) this.attempt = details.attempt
    if (details.expiresAt !== undefined) this.expiresAt = details.expiresAt
  }
}

/** Whether the value is a `RetrysafeError` of any copy of this package, and, where codes are given, has one of them. */
export function isRetrysafeError(value: unknown, ...codes: ErrorCode[]): value is RetrysafeError {
  if (typeof value !== 'object' || value === null || !(brand in value)) return false
  return codes.length === 0 || codes.includes((value as { code?: ErrorCode }).code as ErrorCode)
}
