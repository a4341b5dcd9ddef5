import { Idempotency as PeerIdempotency } from '@node-idempotency/core'
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory'
import { memoryStore } from 'retrysafe/memory'
import { core, coreSubjects } from './core-peer.js'
import { measure, type Pace, paceOf, type Row, type Subject, subject } from './measure.js'
import type { RunOptions } from './run-options.js'
import {
  bothOf,
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  replaying,
  replayKey,
  replayKeys,
  seed,
} from './store-subjects.js'

const raw = 'raw Map'

/** The least that could be done: no lease, no token, no copy. */
function rawMap(): Subject[] {
  const map = new Map<string, string>(replayKeys().map((key) => [key, JSON.stringify(chargeOf(key))]))
  return [
    subject(claiming, raw, [raw], async () => {
      const key = freshKey()
      if (map.has(key)) throw new Error('taken')
      map.set(key, '')
      await undefined
      map.set(key, JSON.stringify(chargeOf(key)))
    }),
    subject(replaying, raw, [raw], async (index) => {
      const key = replayKey(index)
      checkCharge(raw, key, JSON.parse(map.get(key) ?? ''))
      await undefined
    }),
  ]
}

/** `memoryStore` beside a bare Map and the peer that has a store in memory. */
export async function memory(print: (row: Row) => void, { quick }: RunOptions): Promise<Row[]> {
  const pace = paceOf(quick)
  const rows: Row[] = []
  // All anew for each number of callers, and rounds half as long: everything that is claimed stays in memory.
  for (const callers of pace.callers) rows.push(...(await withCallers(print, callers, pace)))
  return rows
}

async function withCallers(print: (row: Row) => void, callers: number, { rounds, roundMs }: Pace): Promise<Row[]> {
  // Bounds that are not reached, since the peer has none.
  const store = memoryStore({ maxEntries: 16_000_000, maxBytes: 16 * 1024 ** 3 })
  await seed(store)
  const peer = await coreSubjects(new PeerIdempotency(new MemoryStorageAdapter()), [raw])
  const ours = bothOf('memoryStore', store, { claim: [raw, core], replay: [raw, core] })
  const subjects = [...rawMap(), ...ours, ...peer]
  const rows = await measure({ suite: 'memory', subjects, callers: [callers], rounds, roundMs: roundMs / 2 }, print)
  await store.close()
  return rows
}
