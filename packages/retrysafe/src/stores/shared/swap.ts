/* Every rule by compare-and-swap: read, decide, write only where nobody was faster, else decide anew. */
import {
  isOver,
  onBegin,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type Rec,
  type Refusal,
  type WriteDecision,
} from '../../contract/index.js'
import type { Driver, Reading } from './driver.js'
import { insist, lost, type Patience } from './insist.js'

/** What a key was seen to hold, with what tells whether it still does. */
export interface Sighting<Version> extends Reading {
  /** Undefined where the key holds nothing. It must change with every write, also when a key is removed and made anew. */
  readonly version: Version | undefined
}

/** An engine with conditional writes. */
export interface SwapTable<Version> extends Patience {
  readonly skewMs: number
  /** What the key holds, and the engine's own time (or the injected clock's), read together. */
  read(key: string): Promise<Sighting<Version>>
  /** Writes where the key still holds what was seen; false where it does not. */
  write(key: string, record: Rec, seen: Version | undefined): Promise<boolean>
  /** Removes where the key still holds what was seen; false where it does not. */
  remove(key: string, seen: Version): Promise<boolean>
  /** A failure that changed nothing and may be gone next time. */
  passes?(error: unknown): boolean
}

/** What a driver does by its table alone; a faster way for one of them stands beside it. */
export type SwapCalls = Pick<Driver, 'begin' | 'complete' | 'renew' | 'release' | 'free' | 'read' | 'discard'>

export function swapCalls<Version>(table: SwapTable<Version>): SwapCalls {
  const { skewMs } = table
  const decide = (key: string, rule: (record: Rec | undefined, now: number) => WriteDecision) =>
    insistOn(table, async (): Promise<Refusal | undefined | typeof lost> => {
      const seen = await table.read(key)
      const decision = rule(seen.record, seen.now)
      return (await apply(table, key, seen, decision)) ? decision.refuse : lost
    })
  return {
    begin: (key, ask) =>
      insistOn(table, async () => {
        const seen = await table.read(key)
        const { write, outcome } = onBegin(seen.record, ask, seen.now, skewMs)
        return write === undefined || (await table.write(key, write, seen.version)) ? outcome : lost
      }),
    complete: (key, ask) => decide(key, (record, now) => onComplete(record, ask, now, skewMs)),
    renew: (key, ask) => decide(key, (record, now) => onRenew(record, ask, now, skewMs)),
    release: (key, token) => decide(key, (record, now) => onRelease(record, token, now, skewMs)),
    free: (key, attempt) => decide(key, (record, now) => onFree(record, attempt, now, skewMs)),
    read: (key) => insistOn(table, () => table.read(key)),
    discard: (key) =>
      insistOn(table, async () => {
        const { record, version, now } = await table.read(key)
        if (record === undefined || version === undefined) return false
        return (await table.remove(key, version)) ? !isOver(record, now, skewMs) : lost
      }),
  }
}

function insistOn<T, Version>(table: SwapTable<Version>, attempt: () => Promise<T | typeof lost>): Promise<T> {
  return insist(table, attempt, table.passes?.bind(table))
}

async function apply<Version>(
  table: SwapTable<Version>,
  key: string,
  seen: Sighting<Version>,
  { write, remove }: WriteDecision,
): Promise<boolean> {
  if (write !== undefined) return table.write(key, write, seen.version)
  return remove && seen.version !== undefined ? table.remove(key, seen.version) : true
}
