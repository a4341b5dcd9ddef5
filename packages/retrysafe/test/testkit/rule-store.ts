/* The least store that can be: a Map, the rules and a clock. Tests break it in one place and see which cases notice. */
import type { OpenedStore } from 'retrysafe/testkit'
import { simulatedClock } from 'retrysafe/testkit'
import {
  checkStoreKey,
  closedError,
  type Encoded,
  encodedBytes,
  type IdempotencyStore,
  type Inspectable,
  isListed,
  type Migratable,
  type Rec,
  RetrysafeError,
  readAttempt,
  readBegin,
  readComplete,
  readList,
  readPurge,
  readRenew,
  readToken,
  refusal,
  toListed,
  toOutcome,
  toRecord,
  type Wakeable,
} from '../../src/contract/index.js'
import * as soundRules from '../../src/contract/rules.js'
import type { Rules } from '../model/check.js'

/** What the processes that share the store have in common. */
export interface Backend {
  readonly records: Map<string, Rec>
  readonly waiters: Set<(key: string) => void>
}

/** Where a sound store can be broken. */
export interface Quirks {
  readonly rules?: Rules
  readonly skewMs?: number
  /** The key under which the backend keeps a record. */
  readonly keep?: (key: string) => string
  /** What the backend makes of a value. */
  readonly keepValue?: (value: Encoded) => Encoded
  /** What happens between reading a record and writing it. */
  readonly dither?: () => Promise<void>
  readonly sees?: (prefix: string, key: string) => boolean
  readonly compare?: (a: string, b: string) => number
  readonly purges?: (record: Rec, over: boolean) => boolean
  readonly purgeLimit?: number
  readonly maxValueBytes?: number
  readonly wakes?: boolean
  /** Sound, but as a store with a server is: its clock goes on between two calls, and a key alone is aged. */
  readonly ticks?: boolean
}

export type RuleStore = IdempotencyStore & Inspectable & Wakeable & Migratable

const maxValueBytes = 2 * 1024 * 1024

export function ruleStore(backend: Backend, now: () => number, quirks: Quirks = {}): RuleStore {
  const { rules = soundRules, skewMs = 0, keep = (key) => key, keepValue = (value) => value } = quirks
  const { sees = (prefix, key) => key.startsWith(prefix), compare = compareBytes } = quirks
  const { records, waiters } = backend
  let open = true

  function checkOpen(): void {
    if (!open) throw closedError()
  }
  function enter(key: string): string {
    checkOpen()
    checkStoreKey(key)
    return keep(key)
  }
  function admit<T extends Encoded | undefined>(value: T): T {
    if (value === undefined) return value
    if (encodedBytes(value) > (quirks.maxValueBytes ?? maxValueBytes))
      throw new RetrysafeError('value_too_large', 'The value is too large.')
    return keepValue(value) as T
  }
  function put(kept: string, write: Rec | undefined, remove = false): void {
    if (write !== undefined) records.set(kept, write)
    if (remove) records.delete(kept)
    for (const wake of waiters) wake(kept)
  }
  async function change(
    key: string,
    kept: string,
    decide: (record: Rec | undefined) => soundRules.WriteDecision,
  ): Promise<void> {
    const record = records.get(kept)
    if (quirks.dither !== undefined) await quirks.dither()
    const { write, remove, refuse } = decide(record)
    if (refuse !== undefined) throw refusal(refuse, key)
    put(kept, write, remove)
  }
  function living(): [string, Rec][] {
    return [...records].filter(([, record]) => !rules.isOver(record, now(), skewMs)).sort(([a], [b]) => compare(a, b))
  }

  return {
    async begin(key, options) {
      const kept = enter(key)
      const ask = readBegin(options)
      const record = records.get(kept)
      if (quirks.dither !== undefined) await quirks.dither()
      const { write, outcome } = rules.onBegin(record, ask, now(), skewMs)
      if (write !== undefined) put(kept, write)
      return toOutcome(outcome)
    },
    async complete(key, response, options) {
      const kept = enter(key)
      const asked = readComplete(response, options)
      const ask = { ...asked, response: admit(asked.response) }
      await change(key, kept, (record) => rules.onComplete(record, ask, now(), skewMs))
    },
    async get(key) {
      const record = records.get(enter(key))
      return record === undefined || rules.isOver(record, now(), skewMs) ? undefined : toRecord(key, record)
    },
    async renew(key, token, options) {
      const kept = enter(key)
      const asked = readRenew(token, options)
      const ask = { ...asked, checkpoint: admit(asked.checkpoint) }
      await change(key, kept, (record) => rules.onRenew(record, ask, now(), skewMs))
    },
    async release(key, token) {
      const kept = enter(key)
      const ask = readToken(token)
      await change(key, kept, (record) => rules.onRelease(record, ask, now(), skewMs))
    },
    async purge(options) {
      checkOpen()
      const limit = quirks.purgeLimit ?? readPurge(options)
      readPurge(options)
      const { purges = (_, over) => over } = quirks
      const over = [...records].filter(([, record]) => purges(record, rules.isOver(record, now(), skewMs)))
      for (const [key] of over.slice(0, limit)) records.delete(key)
      return Math.min(over.length, limit)
    },
    async list(query) {
      checkOpen()
      const { prefix = '', status, limit, cursor } = readList(query)
      const found = living()
        .filter(([key, record]) => sees(prefix, key) && isListed(record, status, now(), skewMs))
        .filter(([key]) => cursor === undefined || compare(key, cursor) > 0)
      const page = found.slice(0, limit).map(([key, record]) => toListed(key, record))
      const last = page.at(-1)
      return { records: page, ...(found.length > limit && last !== undefined ? { cursor: last.key } : {}) }
    },
    async delete(key) {
      return records.delete(enter(key))
    },
    async free(key, options) {
      const kept = enter(key)
      const { write, remove, refuse } = rules.onFree(
        records.get(kept),
        readAttempt('attempt', options.attempt),
        now(),
        skewMs,
      )
      if (refuse === undefined) put(kept, write, remove)
      return refuse === undefined
    },
    async wake(key, signal) {
      const kept = enter(key)
      if (signal.aborted) return
      await new Promise<void>((resolve) => {
        const wake = (changed: string): void => {
          if (changed !== kept) return
          waiters.delete(wake)
          resolve()
        }
        if (quirks.wakes ?? true) waiters.add(wake)
        signal.addEventListener('abort', () => wake(kept), { once: true })
      })
    },
    async migrate() {
      checkOpen()
    },
    async close() {
      open = false
    },
  }
}

/** Opens a rule store for the cases; `wrap` stands between the store and each of its handles. */
export async function openRuleStore(
  quirks: Quirks = {},
  wrap: (store: RuleStore, backend: Backend) => IdempotencyStore = (store) => store,
): Promise<OpenedStore> {
  const clock = simulatedClock()
  const backend: Backend = { records: new Map(), waiters: new Set() }
  const handles: IdempotencyStore[] = []
  const now = (): number => {
    if (quirks.ticks) clock.jump(7)
    return clock.now()
  }
  const open = (): IdempotencyStore => {
    const store = wrap(ruleStore(backend, now, quirks), backend)
    handles.push(store)
    return store
  }
  const store = open()
  return {
    store,
    scratch: 'check/',
    frozen: !quirks.ticks,
    skewMs: quirks.skewMs ?? 0,
    limits: { maxValueBytes },
    age: async (key, ms) => (quirks.ticks ? age(backend, key, ms) : clock.jump(ms)),
    again: async () => open(),
    stored: async () => backend.records.size,
    reopen: async () => {
      await store.close()
      return open()
    },
    close: async () => {
      for (const handle of handles) await handle.close()
    },
  }
}

function age({ records }: Backend, key: string, ms: number): void {
  const record = records.get(key)
  if (record === undefined) return
  const earlier = (instant: number | undefined): number | undefined =>
    instant === undefined ? undefined : instant - ms
  records.set(key, {
    ...record,
    leaseUntil: earlier(record.leaseUntil),
    expiresAt: earlier(record.expiresAt),
    completedAt: earlier(record.completedAt),
    createdAt: record.createdAt - ms,
    updatedAt: record.updatedAt - ms,
  })
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
