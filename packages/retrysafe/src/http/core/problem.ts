/* One table of refusals, for adapters, API and proxy. */
import type { ErrorCode, Random, RetrysafeError } from '../../contract/index.js'
import type { HeaderList } from './headers.js'

/** What a refusal tells its client. */
export interface Advice {
  readonly status: number
  readonly title: string
  /** Whether the same request with the same key may be sent again. */
  readonly retrySameKey: boolean
  /** Whether sending the operation under a new key is sure not to do it twice. */
  readonly newKey: boolean
  /** Whether `Retry-After` is sent. */
  readonly retryAfter: boolean
  /** Stands instead of the error's message where that may speak of what is behind the server. */
  readonly detail?: string
}

const wrongRequest = { retrySameKey: false, newKey: true, retryAfter: false } as const
const settled = { retrySameKey: false, newKey: false, retryAfter: false } as const
const laterSameKey = { retrySameKey: true, newKey: false, retryAfter: true } as const
const anytimeSameKey = { retrySameKey: true, newKey: false, retryAfter: false } as const

/** What every code means over HTTP. */
export const advice: Readonly<Record<ErrorCode, Advice>> = {
  invalid_key: { status: 400, title: 'The idempotency key is not valid', ...wrongRequest },
  invalid_option: { status: 400, title: 'The request has an invalid option', ...wrongRequest },
  body_too_large: { status: 413, title: 'The request body is too large', ...wrongRequest },
  mismatch: { status: 422, title: 'The idempotency key was used with another request', ...settled },
  in_progress: { status: 409, title: 'A request with this idempotency key is running', ...laterSameKey },
  lease_lost: { status: 409, title: 'Another attempt took over this idempotency key', ...laterSameKey },
  response_not_stored: { status: 409, title: 'The operation ran and its response was not stored', ...settled },
  uncertain: { status: 409, title: 'Nobody knows whether the operation happened', ...settled },
  expired: { status: 409, title: 'The time to retry with this idempotency key is over', ...settled },
  scope_required: { status: 500, title: 'The server does not know whose idempotency key this is', ...settled },
  body_consumed: { status: 500, title: 'The server cannot tell this request from another', ...settled },
  steps_changed: { status: 500, title: 'The operation changed while it was under way', ...settled },
  unsupported: { status: 500, title: 'The server is not set up for this', ...settled },
  store_corrupt: {
    ...{ status: 500, title: 'The stored record cannot be read', ...settled },
    detail: 'What was stored for this idempotency key cannot be read. Nothing was run.',
  },
  store_unavailable: {
    ...{ status: 503, title: 'The idempotency store is not available', ...laterSameKey },
    detail: 'The idempotency store did not answer. Send the same request again with the same key.',
  },
  store_full: {
    ...{ status: 503, title: 'The idempotency store is full', ...laterSameKey },
    detail: 'The idempotency store has no room now. Send the same request again later with the same key.',
  },
  store_closed: {
    ...{ status: 503, title: 'The server is shutting down', ...laterSameKey },
    detail: 'The server is shutting down. Send the same request again with the same key.',
  },
  busy: {
    ...{ status: 503, title: 'The server is busy', ...laterSameKey },
    detail: 'The server holds too much at once. Nothing was run. Send the same request again with the same key.',
  },
  upstream_unreachable: {
    ...{ status: 502, title: 'The upstream could not be reached', retrySameKey: true, newKey: true },
    retryAfter: false,
    detail: 'The upstream could not be reached and got nothing of the request. Nothing was run.',
  },
  upstream_cut: {
    ...{ status: 502, title: 'The upstream broke off', ...anytimeSameKey },
    detail: 'The upstream got the request and broke off before it answered. Retry with the same key only.',
  },
  upstream_timeout: {
    ...{ status: 504, title: 'The upstream took too long', ...anytimeSameKey },
    detail: 'The upstream got the request and did not answer in time. Retry with the same key only.',
  },
  transaction_conflict: {
    ...{ status: 503, title: 'The transaction met another one', ...laterSameKey },
    detail: 'The transaction was rolled back since it met another one. Retry with the same key only.',
  },
  transaction_aborted: {
    ...{ status: 503, title: 'The transaction was aborted', ...laterSameKey },
    detail: 'The transaction was aborted. Retry with the same key only.',
  },
  unknown_key: { status: 404, title: 'The idempotency key is not known', ...settled },
  already_completed: { status: 409, title: 'The idempotency key is already completed', ...settled },
  value_too_large: { status: 413, title: 'The value is too large for the store', ...settled },
  value_not_serialisable: { status: 422, title: 'The value cannot be stored as it is', ...settled },
}

/** Another copy of the package, a later one, may raise codes that this one does not know. */
const unknownCode: Advice = { status: 500, title: 'The operation was refused', ...settled }

/** A refusal on the wire. */
export interface Problem {
  readonly status: number
  readonly headers: HeaderList
  /** JSON text. */
  readonly body: string
}

export interface ProblemOptions {
  /** The page that documents the refusals; the code is added as its fragment. Default: `urn:retrysafe:error:CODE`. */
  documentation?: string | undefined
  /** Source of the jitter. Default `Math.random`. */
  random?: Random | undefined
}

const usualRetryMs = 1000

/**
 * The refusal as RFC 9457 `application/problem+json`, never to be cached: `type`, `title`, `status`, `detail`, `code`,
 * `retrySameKey`, `newKey` (whether a new key is safe), and where they apply `retryAfterMs` and `expiresAt`. The
 * `Retry-After` header says when at the earliest, the jittered `retryAfterMs` keeps many clients from coming at once.
 * It holds no payload, no credential and not the key.
 */
export function problemOf(error: RetrysafeError, options: ProblemOptions = {}): Problem {
  const { status, title, retrySameKey, newKey, retryAfter, detail } = Object.hasOwn(advice, error.code)
    ? advice[error.code]
    : unknownCode
  const { documentation, random = Math.random } = options
  const waitMs = Math.max(error.retryAfterMs ?? usualRetryMs, 0)
  const headers: [string, string][] = [
    ['Content-Type', 'application/problem+json'],
    ['Cache-Control', 'no-store'],
  ]
  if (retryAfter) headers.push(['Retry-After', String(Math.max(Math.ceil(waitMs / 1000), 1))])
  const body = JSON.stringify({
    type: typeOf(error.code, documentation),
    title,
    status,
    detail: detail ?? error.message,
    code: error.code,
    retrySameKey,
    newKey,
    // Between the wait and half as much again: never before what Retry-After says.
    ...(retryAfter ? { retryAfterMs: Math.round(waitMs * (1 + random() / 2)) } : {}),
    ...(error.expiresAt === undefined ? {} : { expiresAt: error.expiresAt.toISOString() }),
  })
  return { status, headers, body }
}

/** A name and no address by default: nothing that a client may look up in vain. */
function typeOf(code: string, documentation: string | undefined): string {
  if (documentation === undefined) return `urn:retrysafe:error:${code}`
  return documentation.includes('#') ? documentation : `${documentation}#${code}`
}
