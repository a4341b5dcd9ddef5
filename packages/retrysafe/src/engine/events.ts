import type { ErrorCode } from '../contract/index.js'

/**
 * What happened to a key. Payloads and responses are never part of an event. A `response_not_stored` is followed by
 * `completed` or `lost` where storing went on and ended later.
 */
export interface IdempotencyEvent {
  readonly type:
    | 'claimed'
    | 'taken_over'
    | 'completed'
    | 'replayed'
    | 'refused'
    | 'waited'
    | 'uncertain'
    | 'lost'
    | 'released'
    | 'failed'
    | 'response_not_stored'
    | 'late_response'
  /** The key as the store knows it: space, scope and key. */
  readonly storeKey: string
  readonly attempt?: number
  /** Of `refused`: why. */
  readonly code?: ErrorCode
  /** Of `failed`, `lost`, `response_not_stored`, and of a `refused` by the store: what was thrown. */
  readonly error?: unknown
  /**
   * Of `completed` and `released`, of a response that was not stored at the end, and of `failed` where the work itself
   * failed: since the claim. Of `waited`: since the wait began.
   */
  readonly durationMs?: number
}

export type Observer = (event: IdempotencyEvent) => void

/** An observer that can never hurt the work that it watches. */
export function safely(observe: Observer | undefined): Observer {
  if (observe === undefined) return () => {}
  return (event) => {
    try {
      observe(event)
    } catch {
      // An observer's failure is its own: no work may run twice because a metric could not be counted.
    }
  }
}
