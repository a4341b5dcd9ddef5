import { type Clock, type IdempotencyStore, isRetrysafeError, type Random, type Wakeable } from '../contract/index.js'
import type { Alarms } from './alarms.js'

const firstPollMs = 10
const slowestPollMs = 1000
/** A store that pushes is asked all the same, in case a push was lost. */
const slowestPollOfPushMs = 5000

export interface Waiters {
  /**
   * Resolves `true` when the key may have changed, at the latest when its lease ends, and `false` when `ms` have
   * passed, the signal aborted, or too many wait already. The answer is never shared: each waiter asks for itself.
   */
  wait(storeKey: string, seen: Seen, ms: number, signal: AbortSignal | undefined): Promise<boolean>
  /** This process changed the key itself. */
  poke(storeKey: string): void
}

/** What the waiter was told of the attempt that holds the key. */
export interface Seen {
  readonly attempt: number
  /** Until the lease ends. */
  readonly leaseMs: number
  /** How often this caller waited before: where the store's clock is behind ours, a lease that is over for us goes on. */
  readonly waits: number
}

interface Watched {
  waiting: Set<() => void>
  over: AbortController
}

export function createWaiters(
  store: IdempotencyStore,
  tools: { clock: Clock; random: Random; alarms: Alarms; maxWaiters: number },
): Waiters {
  const { clock, random, alarms } = tools
  const watched = new Map<string, Watched>()

  async function wait(storeKey: string, seen: Seen, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (ms <= 0 || signal?.aborted) return false
    const known = watched.get(storeKey)
    if ((known?.waiting.size ?? 0) >= tools.maxWaiters) return false
    const entry = known ?? { waiting: new Set(), over: new AbortController() }
    const changed = new Promise<boolean>((resolve) => {
      const end = (value: boolean): void => {
        entry.waiting.delete(onChange)
        if (entry.waiting.size === 0) stop(storeKey, entry)
        alarm.cancel()
        signal?.removeEventListener('abort', onAbort)
        resolve(value)
      }
      const onChange = (): void => end(true)
      const onAbort = (): void => end(false)
      const alarm = alarms.set(ms, onAbort)
      signal?.addEventListener('abort', onAbort, { once: true })
      entry.waiting.add(onChange)
    })
    if (known === undefined) {
      watched.set(storeKey, entry)
      void watch(storeKey, entry, seen)
    }
    return changed
  }

  async function watch(storeKey: string, entry: Watched, seen: Seen): Promise<void> {
    const { signal } = entry.over
    let leaseEnd = clock.monotonic() + seen.leaseMs
    const slowestMs = canPush(store) ? slowestPollOfPushMs : slowestPollMs
    let pollMs = Math.min(firstPollMs * 1.5 ** seen.waits, slowestMs)
    let ear: Ear | undefined
    while (!signal.aborted) {
      // One listening lasts for all naps: what changed before it the first poll sees, what changes later is pushed.
      if (canPush(store) && (ear === undefined || ear.heard === 'failure')) ear = listen(store, storeKey, signal)
      const pollInMs = pollMs * (0.5 + random() / 2)
      const untilLeaseEnd = leaseEnd - clock.monotonic()
      const napMs = untilLeaseEnd > 0 ? Math.min(pollInMs, Math.max(untilLeaseEnd, firstPollMs)) : pollInMs
      await nap(clock, napMs, ear, signal)
      if (signal.aborted) return
      const leaseMs = ear?.heard === 'change' ? undefined : await leaseOf(storeKey, seen)
      if (signal.aborted) return
      if (leaseMs === undefined) return wakeAll(storeKey, entry)
      if (leaseMs > 0) leaseEnd = clock.monotonic() + leaseMs // heartbeats move it
      pollMs = Math.min(pollMs * 1.5, slowestMs)
    }
  }

  /**
   * How long the attempt that was seen holds its lease by now; undefined when the key may have changed. 0 where the store
   * cannot be read now: it is asked again later, and whoever waits has a limit of his own.
   */
  async function leaseOf(storeKey: string, seen: Seen): Promise<number | undefined> {
    try {
      const record = await store.get(storeKey)
      if (record === undefined || record.status === 'completed' || record.attempt !== seen.attempt) return undefined
      const leaseMs = record.leaseUntil === undefined ? 0 : record.leaseUntil.getTime() - clock.now()
      return leaseMs > 0 ? leaseMs : undefined
    } catch (error) {
      return isRetrysafeError(error, 'store_closed') ? undefined : 0
    }
  }

  function poke(storeKey: string): void {
    const entry = watched.get(storeKey)
    if (entry !== undefined) wakeAll(storeKey, entry)
  }

  function wakeAll(storeKey: string, entry: Watched): void {
    stop(storeKey, entry)
    for (const onChange of [...entry.waiting]) onChange()
  }

  function stop(storeKey: string, entry: Watched): void {
    if (watched.get(storeKey) === entry) watched.delete(storeKey)
    entry.over.abort()
  }

  return { wait, poke }
}

function canPush(store: IdempotencyStore): store is IdempotencyStore & Wakeable {
  return 'wake' in store
}

/** What a store that pushes has said of a key so far. */
interface Ear {
  heard: 'nothing' | 'change' | 'failure'
  onSound: () => void
}

function listen(store: Wakeable, storeKey: string, signal: AbortSignal): Ear {
  const ear: Ear = { heard: 'nothing', onSound: () => {} }
  const hear = (what: 'change' | 'failure') => (): void => {
    ear.heard = what
    ear.onSound()
  }
  store.wake(storeKey, signal).then(hear('change'), hear('failure'))
  return ear
}

/** Sleeps, or less where the store says that the key has changed, or that it will not be able to say so. */
async function nap(clock: Clock, ms: number, ear: Ear | undefined, signal: AbortSignal): Promise<void> {
  if (ear === undefined) return clock.sleep(ms, signal)
  if (ear.heard === 'nothing') {
    const short = new AbortController()
    ear.onSound = () => short.abort()
    signal.addEventListener('abort', ear.onSound, { once: true })
    await clock.sleep(ms, short.signal)
    signal.removeEventListener('abort', ear.onSound)
  }
  if (ear.heard === 'failure') await clock.sleep(Math.min(ms, slowestPollMs), signal)
}
