import { isRetrysafeError, RetrysafeError } from '../contract/index.js'
import type { Engine } from './engine.js'
import { isFinal } from './final-errors.js'
import type { Claim } from './lease.js'
import { notStored, type Packed } from './responses.js'

/** How storing a response ended. */
export type Settled =
  /** Acknowledged: every retry has it. */
  | { readonly status: 'stored'; readonly error?: undefined }
  /** The store refused the response itself; the key is completed, and retries are told `response_not_stored`. */
  | { readonly status: 'not_stored'; readonly error: unknown }
  /** Not acknowledged as long as the caller waits; unless the store is closed or refuses for good, trying goes on. */
  | { readonly status: 'pending'; readonly error: unknown }
  /** Another claim, a release or expiry ended this one; nothing was changed. */
  | { readonly status: 'lost'; readonly error: unknown }

const stored: Settled = { status: 'stored' }
const firstBackoffMs = 50
const slowestBackoffMs = 5000

/** What is being tried: the response, or only that there was one. */
interface Try {
  packed: Packed
  /** Why the store refused the response itself. */
  refusal: { readonly error: unknown } | undefined
  lastError: unknown
  callerWaits: boolean
}

/**
 * Repeats `complete` until it is acknowledged or useless. The caller waits no longer than `patienceMs`; `onLate` is told
 * how it ended if that was not enough.
 */
export function storeResponse(
  engine: Engine,
  claim: Claim,
  packed: Packed,
  patienceMs: number,
  onLate: (settled: Settled) => void,
): Promise<Settled> {
  const attempted: Try = { packed, refusal: undefined, lastError: undefined, callerWaits: true }
  return new Promise((resolve) => {
    const impatient = (): void => {
      attempted.callerWaits = false
      resolve({ status: 'pending', error: attempted.lastError ?? silence() })
    }
    const alarm = engine.alarms.set(patienceMs, impatient)
    engine.opened()
    void persist(engine, claim, attempted).then((settled) => {
      alarm.cancel()
      if (attempted.callerWaits) resolve(settled)
      else onLate(settled)
      engine.closed()
    })
  })
}

function silence(): RetrysafeError {
  return new RetrysafeError('store_unavailable', 'The store has not yet answered. Storing the response goes on.')
}

async function persist(engine: Engine, claim: Claim, attempted: Try): Promise<Settled> {
  const { clock, random } = engine.settings
  let deadline: number | undefined
  for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(backoffMs * 2, slowestBackoffMs)) {
    try {
      const { response, kind } = attempted.packed
      const { token, run } = claim
      await engine.settings.store.complete(claim.storeKey, response, { token, kind, retentionMs: run.retentionMs })
      return attempted.refusal === undefined ? stored : { status: 'not_stored', error: attempted.refusal.error }
    } catch (error) {
      attempted.lastError = error
      deadline ??= clock.monotonic() + claim.run.retentionMs
      if (isRetrysafeError(error, 'lease_lost')) return { status: 'lost', error }
      if (isFinal(error) || clock.monotonic() >= deadline) return { status: 'pending', error }
      if (attempted.refusal === undefined && isRetrysafeError(error, 'value_too_large', 'value_not_serialisable')) {
        // What the store cannot keep is not asked of it again: the key is completed without it, and nobody runs again.
        attempted.refusal = { error }
        attempted.packed = notStored
        continue
      }
    }
    // While somebody waits, the process must not end for want of anything else to do; a drain sees to that itself.
    await clock.sleep(backoffMs * (0.5 + random() / 2), undefined, !attempted.callerWaits)
  }
}
