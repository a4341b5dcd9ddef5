import type { Clock } from '../contract/index.js'

/** Alarms may ring so much late, so that one sleeping loop can serve thousands of claims. */
const granularityMs = 10

export interface Alarm {
  cancel(): void
}

export interface Alarms {
  /** Calls `ring` once, not before `ms` from now. Alarms do not keep the process alive. */
  set(ms: number, ring: () => void): Alarm
}

interface Entry extends Alarm {
  dueAt: number
  ring: () => void
}

/** Many alarms on one sleep of the clock: setting and cancelling one is cheap, for every claim does both. */
export function createAlarms(clock: Clock): Alarms {
  const entries = new Set<Entry>()
  let nap: AbortController | undefined
  let wakesAt = Number.POSITIVE_INFINITY

  function set(ms: number, ring: () => void): Alarm {
    const entry: Entry = { dueAt: clock.monotonic() + ms, ring, cancel: () => entries.delete(entry) }
    entries.add(entry)
    if (nap === undefined) void watch()
    else if (entry.dueAt + granularityMs < wakesAt) nap.abort()
    return entry
  }

  async function watch(): Promise<void> {
    while (entries.size > 0) {
      let next = Number.POSITIVE_INFINITY
      for (const entry of entries) next = Math.min(next, entry.dueAt)
      const now = clock.monotonic()
      wakesAt = Math.max(next, now + granularityMs)
      nap = new AbortController()
      await clock.sleep(wakesAt - now, nap.signal, true)
      ringDue(clock.monotonic())
    }
    nap = undefined
  }

  function ringDue(now: number): void {
    for (const entry of entries) {
      if (entry.dueAt > now) continue
      entries.delete(entry)
      entry.ring()
    }
  }

  return { set }
}
