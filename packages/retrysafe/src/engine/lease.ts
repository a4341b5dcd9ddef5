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
  readonly engine: Engine
  readonly claim: Claim
  /** When the last acknowledged `begin` or `renew` was sent. */
  sent: Sent
  stopped: boolean
  /** What ended the claim, if anything did. */
  lostBy: unknown
  beat: Alarm | undefined
  /** Resolves when all renewals that were sent so far have been answered. */
  renewed: Promise<void> | undefined
  /** Most work never looks at its signal, so none is made before it does. */
  controller: AbortController | undefined
  aborted: { readonly reason: unknown } | undefined
}

/** A lapsed lease is not lost while nobody took it, so a failed renewal is tried again, at the slowest so often. */
const slowestRetryMs = 5000

export function openLease(engine: Engine, claim: Claim): Lease {
  const lease: Lease = {
    engine,
    claim,
    sent: claim.sent,
    stopped: false,
    lostBy: undefined,
    beat: undefined,
    renewed: undefined,
    controller: undefined,
    aborted: undefined,
  }
  const firstBeatMs = Math.min(claim.run.leaseMs / 3, claim.run.maxRunMs) - sinceSentMs(lease)
  lease.beat = engine.alarms.set(Math.max(firstBeatMs, 1), () => void heartbeat(lease))
  return lease
}

/** Aborts when the lease is lost or `maxRunMs` has passed. */
export function signalOf(lease: Lease): AbortSignal {
  if (lease.controller === undefined) {
    lease.controller = new AbortController()
    if (lease.aborted !== undefined) lease.controller.abort(lease.aborted.reason)
  }
  return lease.controller.signal
}

/** How long the lease surely still lasts, as far as was acknowledged. */
export function leftMs(lease: Lease): number {
  return Math.max(lease.claim.run.leaseMs - sinceSentMs(lease), 0)
}

/** Whether the last acknowledgement is too old to begin anything, or the claim is lost. */
export function isStale(lease: Lease): boolean {
  return lease.lostBy !== undefined || sinceSentMs(lease) > lease.claim.run.leaseMs / 2
}

/** Renews first where the last acknowledgement is too old. Rejects where the claim can no longer be stood behind. */
export async function confirm(lease: Lease): Promise<void> {
  if (lease.lostBy !== undefined) throw lease.lostBy
  if (isStale(lease)) await renew(lease)
  if (isStale(lease))
    throw new RetrysafeError('lease_lost', 'The store answers too slowly for this lease, so the work was not started.')
}

export async function renew(
  lease: Lease,
  options: { checkpoint?: Storable; checkpointNumber?: number } = {},
): Promise<void> {
  const { engine, claim } = lease
  const sending = engine.send()
  try {
    const answer = engine.settings.store.renew(claim.storeKey, claim.token, { leaseMs: claim.run.leaseMs, ...options })
    lease.renewed = Promise.allSettled([lease.renewed, answer]).then(() => {})
    await answer
    if (sending.monotonic >= lease.sent.monotonic) lease.sent = sending
  } catch (error) {
    if (isRetrysafeError(error, 'lease_lost')) lose(lease, error)
    throw error
  }
}

/** Waits for the answers of renewals that are on their way, as long as the lease lasts: they could extend it again. */
export async function settleRenewals(lease: Lease): Promise<void> {
  if (lease.renewed === undefined) return
  const patience = new AbortController()
  await Promise.race([lease.renewed, lease.engine.settings.clock.sleep(leftMs(lease), patience.signal)])
  patience.abort()
}

/** No more heartbeats; the lease itself stays as it is. */
export function stop(lease: Lease): void {
  lease.stopped = true
  lease.beat?.cancel()
}

// A machine that slept shows it by `now`, one whose clock was set shows it by `monotonic`: the larger one counts.
function sinceSentMs({ engine, sent }: Lease): number {
  const { clock } = engine.settings
  return Math.max(clock.monotonic() - sent.monotonic, clock.now() - sent.now)
}

function lose(lease: Lease, error: unknown): void {
  if (lease.stopped || lease.lostBy !== undefined) return
  lease.lostBy = error
  lease.beat?.cancel()
  const { storeKey, attempt } = lease.claim
  lease.engine.settings.observe({ type: 'lost', storeKey, attempt, error })
  abort(lease, error)
}

function abort(lease: Lease, reason: unknown): void {
  lease.aborted ??= { reason }
  lease.controller?.abort(reason)
}

function ranMs({ engine, claim }: Lease): number {
  return engine.settings.clock.monotonic() - claim.sent.monotonic
}

function schedule(lease: Lease, ms: number): void {
  if (lease.stopped || lease.lostBy !== undefined) return
  lease.beat?.cancel()
  const leftOfRunMs = lease.claim.run.maxRunMs - ranMs(lease)
  lease.beat = lease.engine.alarms.set(Math.max(Math.min(ms, leftOfRunMs), 1), () => void heartbeat(lease))
}

async function heartbeat(lease: Lease): Promise<void> {
  const { leaseMs, maxRunMs } = lease.claim.run
  if (ranMs(lease) >= maxRunMs)
    return abort(lease, new DOMException(`The work ran longer than maxRunMs (${maxRunMs} ms).`, 'TimeoutError'))
  const dueMs = leaseMs / 3 - sinceSentMs(lease)
  if (dueMs > 1) return schedule(lease, dueMs) // a checkpoint renewed the lease meanwhile
  schedule(lease, leaseMs / 3) // a renewal that is never answered must not be the last one, nor outlive maxRunMs
  const nextMs = await renew(lease).then(
    () => leaseMs / 3 - sinceSentMs(lease),
    () => Math.min(leaseMs / 10, slowestRetryMs),
  )
  schedule(lease, nextMs)
}
