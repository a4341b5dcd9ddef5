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
  readonly dueAt: number
  readonly ring: () => void
  /** Its place in the list, or -1 once it rang or was cancelled. */
  place: number
}

/**
 * Many alarms on one sleep of the clock: setting and cancelling one is cheap, for every claim does both. The list is an
 * array: a Set that is filled and emptied all the time makes a new table each time, and V8 links the old ones to the
 * new, so that its young collections keep everything that ever stood in one.
 */
export function createAlarms(clock: Clock): Alarms {
  const entries: Entry[] = []
  let nap: AbortController | undefined
  let wakesAt = Number.POSITIVE_INFINITY

  function set(ms: number, ring: () => void): Alarm {
    const entry: Entry = { dueAt: clock.monotonic() + ms, ring, place: entries.length, cancel: () => remove(entry) }
    entries.push(entry)
    if (nap === undefined) void watch()
    else if (entry.dueAt + granularityMs < wakesAt) nap.abort()
    return entry
  }

  function remove(entry: Entry): void {
    const last = entries.at(-1)
    if (entry.place < 0 || last === undefined) return
    entries[entry.place] = last
    last.place = entry.place
    entries.pop()
    entry.place = -1
  }

  async function watch(): Promise<void> {
    while (entries.length > 0) {
      let next = Number.POSITIVE_INFINITY
      for (const { dueAt } of entries) next = Math.min(next, dueAt)
      const now = clock.monotonic()
      wakesAt = Math.max(next, now + granularityMs)
      nap = new AbortController()
      await clock.sleep(wakesAt - now, nap.signal, true)
      ringDue(clock.monotonic())
    }
    nap = undefined
  }

  function ringDue(now: number): void {
    for (const entry of entries.filter(({ dueAt }) => dueAt <= now)) {
      if (entry.place < 0) continue // another one's ring cancelled it
      remove(entry)
      entry.ring()
    }
  }

  return { set }
}
