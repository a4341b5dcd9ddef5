import type { StoredValue } from '../contract/index.js'
import type { Engine } from './engine.js'
import { type Claim, type Lease, leftMs, openLease, stop } from './lease.js'
import { notStored, type Packed } from './responses.js'
import { type Settled, storeResponse } from './store-response.js'

/** What `begin` gave besides the right to work. */
export interface Opened extends Claim {
  readonly fingerprint: string | undefined
  readonly checkpoint: StoredValue | undefined
}

/** One claim while it is held: its lease, and the one way in which it ends. */
export interface Attempt {
  readonly claim: Opened
  readonly lease: Lease
  /** False after a step that was done could not be saved: then a retry must not run at once. */
  mayRelease: boolean
  /** Stores the response, with all the patience that the lease allows. */
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

  async function complete(packed: Packed): Promise<Settled> {
    stop(lease)
    const settled = await storeResponse(engine, claim, packed, leftMs(lease))
    close()
    engine.changed(storeKey)
    if (settled.status === 'stored' && packed.kind !== notStored.kind)
      observe({ type: 'completed', ...about, durationMs: durationMs() })
    else if (settled.status === 'lost') {
      if (lease.lostBy === undefined) observe({ type: 'lost', ...about, error: settled.error })
    } else observe({ type: 'response_not_stored', ...about, error: settled.error, durationMs: durationMs() })
    return settled
  }

  /** Ends the claim by a call that is asked once: if it is not answered, the lease ends it. */
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
    await endBy(() => store.release(storeKey, token))
    if (lease.lostBy === undefined) observe({ type: 'released', ...about, durationMs: durationMs() })
  }

  engine.opened()
  return {
    claim,
    lease,
    mayRelease: true,
    complete,
    release,
    giveUp: () => endBy(() => store.renew(storeKey, token, { leaseMs: 0 })),
    leave: close,
  }
}
