import type { StoredValue } from '../contract/index.js'
import type { Attempt } from './attempt.js'
import type { Engine, Entry } from './engine.js'
import { confirm, isStale } from './lease.js'
import { createOperation } from './operation.js'
import { notStored, type Packed, packFailure, packResult, unpackResult } from './responses.js'
import type { Codec, Operation, Result } from './types.js'

export type Work = (operation: Operation) => unknown

/** Does the work under a claim and stores what came of it. */
export async function perform(
  engine: Engine,
  attempt: Attempt,
  entry: Entry,
  work: Work,
  codec: Codec<unknown> | undefined,
): Promise<Result<unknown>> {
  if (isStale(attempt.lease)) await start(attempt)
  let response: unknown
  try {
    response = await work(createOperation(engine, attempt, entry.key))
  } catch (error) {
    await fail(engine, attempt, entry, error)
    throw error
  }
  // Once the work has returned, the claim is never released: it is completed, if only with the word that it ran.
  const packed = packOr(engine, attempt, () => packResult(response, codec, engine.settings.maxStoredBytes))
  const settled = await attempt.complete(packed)
  if (settled.status === 'lost') return adoptWinner(engine, attempt, entry, codec, settled.error)
  return { response, replayed: false, attempt: attempt.claim.attempt }
}

/** Work does not start on a stale claim, which may have been taken over meanwhile, but on a renewed one. */
export async function start(attempt: Attempt): Promise<void> {
  try {
    await confirm(attempt.lease)
  } catch (error) {
    await attempt.release().catch(() => {}) // nothing ran, so a retry may run at once; a lost claim is only left
    throw error
  }
}

/** What the work threw always wins over what goes wrong in ending its claim. */
async function fail(engine: Engine, attempt: Attempt, entry: Entry, error: unknown): Promise<void> {
  const { observe, maxStoredBytes, clock } = engine.settings
  const { storeKey, attempt: number } = attempt.claim
  const { run } = entry
  const durationMs = clock.monotonic() - attempt.claim.sent.monotonic
  observe({ type: 'failed', storeKey, attempt: number, error, durationMs })
  try {
    if (run.remember(error)) {
      await attempt.complete(packOr(engine, attempt, () => packFailure(error, maxStoredBytes)))
    } else if (run.afterCrash === 'uncertain' && !run.notApplied(error)) await attempt.giveUp()
    else if (attempt.mayRelease) await attempt.release()
    else attempt.leave()
  } catch (ending) {
    attempt.leave()
    observe({ type: 'failed', storeKey, attempt: number, error: ending })
  }
}

/** What cannot be packed is completed as `not_stored`, and an event says why. */
export function packOr(engine: Engine, attempt: Attempt, pack: () => Packed): Packed {
  try {
    return pack()
  } catch (error) {
    const { storeKey, attempt: number } = attempt.claim
    engine.settings.observe({ type: 'response_not_stored', storeKey, attempt: number, error })
    return notStored
  }
}

/** A late worker gives its caller the response that won, if it answers the same request. */
async function adoptWinner(
  engine: Engine,
  attempt: Attempt,
  entry: Entry,
  codec: Codec<unknown> | undefined,
  lost: unknown,
): Promise<Result<unknown>> {
  const winner = await findWinner(engine, attempt)
  if (winner === undefined) throw lost
  const response = unpackResult(winner.response ?? null, winner.kind, codec, entry.key)
  return { response, replayed: true, attempt: winner.attempt }
}

export interface Winner {
  readonly response: StoredValue
  readonly kind: string
  readonly attempt: number
}

/** The response of whoever took the key over, if there is one and it answers the same request. */
export async function findWinner(engine: Engine, attempt: Attempt): Promise<Winner | undefined> {
  const { store, observe } = engine.settings
  const { storeKey, attempt: number, fingerprint } = attempt.claim
  observe({ type: 'late_response', storeKey, attempt: number })
  const record = await store.get(storeKey).catch(() => undefined)
  if (record?.status !== 'completed' || record.fingerprint !== fingerprint) return undefined
  return { response: record.response ?? null, kind: record.kind ?? 'value', attempt: record.attempt }
}
