import { type Clock, type IdempotencyStore, isRetrysafeError, type Random } from 'retrysafe'

export interface PurgeOptions {
  readonly store: IdempotencyStore
  /** The mean pause; 0: never. */
  readonly everyMs: number
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  readonly onPurged: (count: number) => void
  readonly onError: (error: unknown) => void
}

/** Small enough that no other caller of the store waits long for one batch. */
const batchRecords = 1000
/** A round that never ended would starve the store's other callers where deleting is as slow as writing. */
const maxBatches = 100

/** Deletes what is past its retention, now and then, until the signal aborts. Several proxies do not meet in step. */
export async function purgeForever(options: PurgeOptions): Promise<void> {
  const { everyMs, clock, random, signal } = options
  if (everyMs === 0) return
  while (!signal.aborted) {
    await clock.sleep(everyMs * (0.5 + random()), signal, true)
    if (signal.aborted) return
    try {
      const count = await purgeRound(options)
      if (count > 0) options.onPurged(count)
    } catch (error) {
      if (isRetrysafeError(error, 'store_closed')) return
      options.onError(error)
    }
  }
}

async function purgeRound({ store, signal }: PurgeOptions): Promise<number> {
  let count = 0
  for (let batch = 0; batch < maxBatches && !signal.aborted; batch++) {
    const purged = await store.purge({ limit: batchRecords })
    count += purged
    if (purged < batchRecords) break
  }
  return count
}
