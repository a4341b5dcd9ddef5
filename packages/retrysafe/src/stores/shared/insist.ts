import { type Clock, type Random, RetrysafeError } from '../../contract/index.js'
import { withoutValues } from './client-error.js'

/** How long a call goes on trying before it is `store_unavailable`. */
export const maxTryingMs = 5000
const shortestNapMs = 1
const longestNapMs = 64

/** What trying again needs. */
export interface Patience {
  readonly clock: Clock
  readonly random: Random
  /** The engine, in words for messages: no password in it. */
  readonly where: string
}

/** Another caller was faster: what was decided no longer stands, and is to be decided anew. */
export const lost: unique symbol = Symbol('lost')

/**
 * Tries until the attempt is not `lost` and fails with nothing that passes, for 5 s, with jittered naps in between that
 * keep callers from meeting again and again. `passes` tells a failure that changed nothing and may be gone next time: a
 * deadlock, a serialisation failure, a lock timeout.
 *
 * @throws `store_unavailable` where it was still so after 5 s; any other failure as it came.
 */
export async function insist<T>(
  patience: Patience,
  attempt: () => Promise<T | typeof lost>,
  passes: (error: unknown) => boolean = never,
): Promise<T> {
  const { clock, random, where } = patience
  const giveUpAt = clock.monotonic() + maxTryingMs
  for (let napMs = 2 * shortestNapMs; ; napMs = Math.min(2 * napMs, longestNapMs)) {
    let cause: unknown
    try {
      const answer = await attempt()
      if (answer !== lost) return answer as T
    } catch (error) {
      if (!passes(error)) throw error
      cause = error
    }
    if (clock.monotonic() >= giveUpAt) throw contended(where, cause)
    await clock.sleep(shortestNapMs + random() * (napMs - shortestNapMs))
  }
}

function never(): boolean {
  return false
}

function contended(where: string, cause: unknown): RetrysafeError {
  const told = cause === undefined ? undefined : withoutValues(cause)
  const reason = told === undefined ? '' : `: ${told.message}`
  return new RetrysafeError(
    'store_unavailable',
    `${where} did not let the call through within ${maxTryingMs / 1000} s${reason}. Others were at work on the same ` +
      'key. Nothing was acknowledged; ask again with the same key.',
    told === undefined ? {} : { cause: told },
  )
}
