import { isRetrysafeError, type StoredValue } from '../contract/index.js'
import type { Engine } from './engine.js'
import { isFinal } from './final-errors.js'
import { type Claim, type Lease, leftMs, openLease, settleRenewals, stop } from './lease.js'
import { notStored, type Packed } from './responses.js'
import { type Settled, storeResponse } from './store-response.js'

/** What `begin` gave besides the right to work. */
export interface Opened extends Claim {
  readonly fingerprint: string | undefined
  readonly checkpoint: StoredValue | undefined
}

const leastPatienceMs = 1000

/** One claim while it is held: its lease, and the one way in which it ends. */
export interface Attempt {
  readonly claim: Opened
  readonly lease: Lease
  /** False after a step that was done could not be saved: then a retry must not run at once. */
  mayRelease: boolean
  /** Stores the response, with all the patience that the lease allows, and a second if it allows less. */
  complete(packed: Packed): Promise<Settled>
  /** Gives the claim up, so that a retry may run at once. Rejects where the store did not answer. */
  release(): Promise<void>
  /** Gives the lease up and keeps the token: what `afterCrash` says comes at once. */
  giveUp(): Promise<void>
  /** Leaves the claim to its lease. */
  leave(): void
}

export function openAttempt(engine: Engine, claim: Opened): Attempt {
  const { store, clock, observe } = engine.settings
  const { storeKey, token, attempt } = claim
  const lease = openLease(engine, claim)
  const about = { storeKey, attempt }
  let open = true
  const durationMs = (): number => clock.monotonic() - claim.sent.monotonic

  /** Once, whichever way the claim ends. */
  function close(): void {
    stop(lease)
    if (!open) return
    open = false
    engine.closed()
  }

  function tell(settled: Settled, packed: Packed): void {
    if (settled.status === 'stored' && packed.kind !== notStored.kind)
      observe({ type: 'completed', ...about, durationMs: durationMs() })
    else if (settled.status === 'lost') {
      if (lease.lostBy === undefined) observe({ type: 'lost', ...about, error: settled.error })
    } else observe({ type: 'response_not_stored', ...about, error: settled.error, durationMs: durationMs() })
  }

  async function complete(packed: Packed): Promise<Settled> {
    stop(lease)
    // After a sleep of the machine nothing is left of the lease, and the claim mostly stands all the same.
    const patienceMs = Math.max(leftMs(lease), Math.min(claim.run.leaseMs, leastPatienceMs))
    const settled = await storeResponse(engine, claim, packed, patienceMs, (late) => {
      engine.changed(storeKey)
      if (late.status === 'stored' || late.status === 'lost') tell(late, packed)
    })
    close()
    engine.changed(storeKey)
    tell(settled, packed)
    return settled
  }

  /** Ends the claim by a call other than its completion. */
  async function endBy(call: () => Promise<void>): Promise<void> {
    stop(lease)
    try {
      if (lease.lostBy === undefined) await call()
    } finally {
      close()
      engine.changed(storeKey)
    }
  }

  async function release(): Promise<void> {
    await endBy(async () => {
      try {
        await store.release(storeKey, token)
      } catch (error) {
        // Left to its lease, the key would be uncertain although it is known to be free.
        if (claim.run.afterCrash === 'uncertain' && !isRetrysafeError(error, 'lease_lost') && !isFinal(error))
          engine.giveBack({ storeKey, token, run: claim.run, mayLand: false })
        throw error
      }
    })
    if (lease.lostBy === undefined) observe({ type: 'released', ...about, durationMs: durationMs() })
  }

  async function giveUp(): Promise<void> {
    await endBy(async () => {
      await settleRenewals(lease)
      await store.renew(storeKey, token, { leaseMs: 0 })
    })
  }

  engine.opened()
  return {
    claim,
    lease,
    mayRelease: true,
    complete,
    release,
    giveUp,
    leave: close,
  }
}
