import { isRetrysafeError } from '../contract/index.js'
import type { Engine } from './engine.js'
import type { Claim } from './lease.js'
import { notStored, type Packed } from './responses.js'

/** How storing a response ended. */
export type Settled =
  /** Acknowledged: every retry has it. */
  | { readonly status: 'stored'; readonly error?: undefined }
  /** The store refused the response itself; the key is completed, and retries are told `response_not_stored`. */
  | { readonly status: 'not_stored'; readonly error: unknown }
  /** No acknowledgement before the lease ended; trying goes on in the background. */
  | { readonly status: 'pending'; readonly error: unknown }
  /** Another claim, a release or expiry ended this one; nothing was changed. */
  | { readonly status: 'lost'; readonly error: unknown }

const firstBackoffMs = 50
const slowestBackoffMs = 5000

/** Repeats `complete` until it is acknowledged or useless; the caller waits no longer than `patienceMs`, the lease. */
export function storeResponse(engine: Engine, claim: Claim, packed: Packed, patienceMs: number): Promise<Settled> {
  const { store, clock, random } = engine.settings
  const { storeKey, token, run } = claim
  const deadline = clock.monotonic() + run.retentionMs
  let refused: { error: unknown } | undefined
  let lastError: unknown

  async function persist(): Promise<Settled> {
    for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, slowestBackoffMs)) {
      const { response, kind } = refused === undefined ? packed : notStored
      try {
        await store.complete(storeKey, response, { token, kind, retentionMs: run.retentionMs })
        return refused === undefined ? { status: 'stored' } : { status: 'not_stored', error: refused.error }
      } catch (error) {
        lastError = error
        if (isRetrysafeError(error, 'lease_lost')) return { status: 'lost', error }
        if (isRetrysafeError(error, 'store_closed') || clock.monotonic() >= deadline)
          return { status: 'pending', error }
        if (refused === undefined && isRetrysafeError(error, 'value_too_large', 'value_not_serialisable')) {
          // What the store cannot keep is not asked of it again: the key is completed without it, and nobody runs again.
          refused = { error }
          continue
        }
      }
      await clock.sleep(backoffMs * (0.5 + random() / 2), undefined, true)
    }
  }

  return engine.within(engine.background(persist()), patienceMs, () => ({ status: 'pending', error: lastError }))
}
