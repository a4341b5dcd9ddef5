import { isRetrysafeError, RetrysafeError, type Storable } from '../contract/index.js'
import type { Alarm } from './alarms.js'
import type { Engine } from './engine.js'
import type { RunSettings } from './settings.js'

/** Clock readings at the sending of a call that may extend a lease. */
export interface Sent {
  readonly monotonic: number
  readonly now: number
}

export interface Claim {
  readonly storeKey: string
  readonly token: string
  readonly attempt: number
  readonly run: RunSettings
  /** When the acknowledged `begin` was sent. */
  readonly sent: Sent
}

/** A claim's lease while the work runs: renewed by heartbeats, no longer than `maxRunMs`. */
export interface Lease {
  /** Aborts when the lease is lost or `maxRunMs` has passed. */
  readonly signal: AbortSignal
  /** What ended the claim, if anything did. */
  readonly lostBy: unknown
  /** How long the lease surely still lasts, as far as was acknowledged. */
  leftMs(): number
  /** Renews first where the last acknowledgement is too old. Rejects where the claim can no longer be stood behind. */
  confirm(): Promise<void>
  renew(options?: { checkpoint?: Storable; checkpointNumber?: number }): Promise<void>
  /** No more heartbeats; the lease itself stays as it is. */
  stop(): void
}

/** A lapsed lease is not lost while nobody took it, so a failed renewal is tried again, at the slowest so often. */
const slowestRetryMs = 5000

export function openLease(engine: Engine, claim: Claim): Lease {
  const { store, clock, observe } = engine.settings
  const { storeKey, token, attempt, run } = claim
  const startedAt = claim.sent.monotonic
  let sent = claim.sent
  let stopped = false
  let lostBy: unknown
  let beat: Alarm | undefined
  const abortable = lazyController()

  // A machine that slept shows it by `now`, one whose clock was set shows it by `monotonic`: the larger one counts.
  const sinceSentMs = (): number => Math.max(clock.monotonic() - sent.monotonic, clock.now() - sent.now)
  const isStale = (): boolean => sinceSentMs() > run.leaseMs / 2

  async function renew(options: { checkpoint?: Storable; checkpointNumber?: number } = {}): Promise<void> {
    const sending = engine.send()
    try {
      await store.renew(storeKey, token, { leaseMs: run.leaseMs, ...options })
      if (sending.monotonic >= sent.monotonic) sent = sending
    } catch (error) {
      if (isRetrysafeError(error, 'lease_lost')) lose(error)
      throw error
    }
  }

  function lose(error: unknown): void {
    if (stopped || lostBy !== undefined) return
    lostBy = error
    beat?.cancel()
    observe({ type: 'lost', storeKey, attempt, error })
    abortable.abort(error)
  }

  async function confirm(): Promise<void> {
    if (lostBy !== undefined) throw lostBy
    if (isStale()) await renew()
    if (isStale())
      throw new RetrysafeError(
        'lease_lost',
        'The store answers too slowly for this lease, so the work was not started.',
      )
  }

  function schedule(ms: number): void {
    if (stopped || lostBy !== undefined) return
    const leftOfRunMs = run.maxRunMs - (clock.monotonic() - startedAt)
    beat = engine.alarms.set(Math.max(Math.min(ms, leftOfRunMs), 1), () => void heartbeat())
  }

  async function heartbeat(): Promise<void> {
    if (clock.monotonic() - startedAt >= run.maxRunMs)
      return abortable.abort(
        new DOMException(`The work ran longer than maxRunMs (${run.maxRunMs} ms).`, 'TimeoutError'),
      )
    const dueMs = run.leaseMs / 3 - sinceSentMs()
    if (dueMs > 1) return schedule(dueMs) // a checkpoint renewed the lease meanwhile
    const nextMs = await renew().then(
      () => run.leaseMs / 3,
      () => Math.min(run.leaseMs / 10, slowestRetryMs),
    )
    schedule(nextMs)
  }

  schedule(run.leaseMs / 3 - sinceSentMs())
  return {
    get signal() {
      return abortable.signal()
    },
    get lostBy() {
      return lostBy
    },
    leftMs: () => Math.max(run.leaseMs - sinceSentMs(), 0),
    confirm,
    renew,
    stop: () => {
      stopped = true
      beat?.cancel()
    },
  }
}

/** Most work never looks at its signal, so none is made before it does. */
function lazyController(): { signal(): AbortSignal; abort(reason: unknown): void } {
  let controller: AbortController | undefined
  let aborted: { reason: unknown } | undefined
  return {
    signal() {
      if (controller !== undefined) return controller.signal
      controller = new AbortController()
      if (aborted !== undefined) controller.abort(aborted.reason)
      return controller.signal
    },
    abort(reason) {
      aborted ??= { reason }
      controller?.abort(reason)
    },
  }
}
