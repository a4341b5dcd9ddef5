/* What becomes of a key when its response is there. */
import type { AfterCrash } from '../../contract/index.js'

/** What the policy looks at. A carrier may add to it: the user's functions get the whole. */
export interface JudgedResponse {
  readonly status: number
  /** Whether it has a `Retry-After` header. */
  readonly retryAfter: boolean
}

/** Which responses are stored and replayed: a preset, or a function of the response. */
export type RememberResponse<R extends JudgedResponse = JudgedResponse> =
  | 'definite'
  | 'success'
  | 'everything'
  | ((response: R) => boolean)

export interface ResponsePolicy<R extends JudgedResponse = JudgedResponse> {
  /** Default `'definite'`. */
  readonly remember?: RememberResponse<R> | undefined
  /** Default `'rerun'`. */
  readonly afterCrash?: AfterCrash | undefined
  /** Whether the response proves that nothing happened. Default `appliedNothing` of its status. */
  readonly notApplied?: ((response: R) => boolean) | undefined
}

export type Verdict =
  /** Keep the response; every retry gets it. */
  | 'store'
  /** Give the claim up, so that a retry runs at once. */
  | 'release'
  /** Leave the claim to its lease: the work may still be running. */
  | 'leave'
  /** Give the lease up and keep the claim, so that the key is uncertain at once. */
  | 'uncertain'

/** Statuses below 500 that decide nothing: who asks, how often, or whether another is at it. */
const undecided: ReadonlySet<number> = new Set([401, 403, 407, 408, 409, 421, 423, 425, 428, 429, 431])

/**
 * Statuses that are given before any work: of `undecided`, all but 408, 409 and 423, which a handler may also give
 * half-way.
 */
const refusedEarly: ReadonlySet<number> = new Set([401, 403, 407, 421, 425, 428, 429, 431])

/**
 * What becomes of the key. First match wins:
 *
 * | response | verdict |
 * |---|---|
 * | `remember` says so | store |
 * | `notApplied` says that nothing happened, and its status is a gateway's or `afterCrash` is `'uncertain'` | release |
 * | a gateway's: 502, 504, 503 without `Retry-After` | leave |
 * | any other under `afterCrash: 'uncertain'` | uncertain |
 * | any other | release |
 *
 * `'definite'` stores 2xx, 3xx and 4xx but `undecided`; `'success'` stores 2xx; `'everything'` stores whatever comes, a
 * gateway's statuses too, since it was asked for by name and a stored answer never runs anything twice. A function
 * decides for every status, and where it says no, a gateway's status still leaves the claim to its lease.
 *
 * What the given functions throw goes to the caller.
 */
export function judgeResponse<R extends JudgedResponse>(response: R, policy: ResponsePolicy<R> = {}): Verdict {
  const { remember = 'definite', afterCrash = 'rerun', notApplied } = policy
  if (isRemembered(response, remember)) return 'store'
  const isGateway = speaksOfGateway(response)
  if (!isGateway && afterCrash === 'rerun') return 'release'
  if (notApplied === undefined ? appliedNothing(response.status) : notApplied(response)) return 'release'
  return isGateway ? 'leave' : 'uncertain'
}

/** Whether a response of this status proves that nothing happened: the default of `notApplied`. */
export function appliedNothing(status: number): boolean {
  return refusedEarly.has(status)
}

function isRemembered<R extends JudgedResponse>(response: R, remember: RememberResponse<R>): boolean {
  const { status } = response
  switch (remember) {
    case 'definite':
      return status >= 200 && status < 500 && !undecided.has(status)
    case 'success':
      return status >= 200 && status < 300
    case 'everything':
      return true
    default:
      return remember(response)
  }
}

/** Such a response comes from a gateway or a time-out and says nothing of the work behind it. */
function speaksOfGateway({ status, retryAfter }: JudgedResponse): boolean {
  return status === 502 || status === 504 || (status === 503 && !retryAfter)
}
