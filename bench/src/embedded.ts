import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Idempotency as PeerIdempotency } from '@node-idempotency/core'
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory'
import Database from 'libsql'
import type { IdempotencyStore } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { sqliteStore } from 'retrysafe/sqlite'
import { inParallel, measure, type Plan, type Row, type Subject } from './measure.js'

const response = { id: 'ch_1', amount: 1200, currency: 'EUR', status: 'succeeded' }
const replayKeys = 1000
let sequence = 0
const freshKey = (): string => `key-${sequence++}`

/** Claims a fresh key and completes it. */
function claims(name: string, store: IdempotencyStore): Subject {
  return {
    name,
    run: (count, callers) =>
      inParallel(count, callers, async () => {
        const key = freshKey()
        const outcome = await store.begin(key, { fingerprint: 'v1:bench' })
        if (outcome.status !== 'new') throw new Error(`${name}: ${outcome.status}`)
        await store.complete(key, response, { token: outcome.token })
      }),
  }
}

async function replays(name: string, store: IdempotencyStore): Promise<Subject> {
  for (let index = 0; index < replayKeys; index++) {
    const outcome = await store.begin(`replay-${index}`, { fingerprint: 'v1:bench' })
    if (outcome.status === 'new') await store.complete(`replay-${index}`, response, { token: outcome.token })
  }
  return {
    name,
    run: (count, callers) =>
      inParallel(count, callers, async (index) => {
        const outcome = await store.begin(`replay-${index % replayKeys}`, { fingerprint: 'v1:bench' })
        if (outcome.status !== 'completed') throw new Error(`${name}: ${outcome.status}`)
      }),
  }
}

/** The least that could be done: no lease, no token, no copy. */
function rawMap(): { claim: Subject; replay: Subject } {
  const map = new Map<string, string>()
  for (let index = 0; index < replayKeys; index++) map.set(`replay-${index}`, JSON.stringify(response))
  const claim = inParallelOf('raw Map', async () => {
    const key = freshKey()
    if (map.has(key)) throw new Error('taken')
    map.set(key, '')
    await undefined
    map.set(key, JSON.stringify(response))
  })
  const replay = inParallelOf('raw Map', async (index) => {
    JSON.parse(map.get(`replay-${index % replayKeys}`) ?? '')
    await undefined
  })
  return { claim, replay }
}

function peer(): { claim: Subject; replay: Subject; ready: Promise<unknown> } {
  const idempotency = new PeerIdempotency(new MemoryStorageAdapter())
  const request = (key: string) => ({
    headers: { 'Idempotency-Key': key },
    path: '/charges',
    method: 'POST',
    body: { amount: 1200 },
  })
  const claim = inParallelOf('@node-idempotency/core', async () => {
    const asked = request(freshKey())
    if ((await idempotency.onRequest(asked)) !== undefined) throw new Error('taken')
    await idempotency.onResponse(asked, { body: response })
  })
  const ready = inParallel(replayKeys, 1, async (index) => {
    await idempotency.onRequest(request(`replay-${index}`))
    await idempotency.onResponse(request(`replay-${index}`), { body: response })
  })
  const replay = inParallelOf('@node-idempotency/core', async (index) => {
    if ((await idempotency.onRequest(request(`replay-${index % replayKeys}`))) === undefined)
      throw new Error('no replay')
  })
  return { claim, replay, ready }
}

function inParallelOf(name: string, once: (index: number) => Promise<void>): Subject {
  return { name, run: (count, callers) => inParallel(count, callers, once) }
}

interface RawSqlite {
  claim(key: string): void
  complete(key: string): void
  begin(): void
  commit(): void
  read(key: string): void
}

function rawSqlite(path: string): RawSqlite {
  const database = new Database(path)
  database.exec('PRAGMA journal_mode=WAL')
  database.exec('PRAGMA synchronous=FULL')
  database.exec(
    'CREATE TABLE k (key TEXT PRIMARY KEY, status INTEGER, token TEXT, lease_until INTEGER, expires_at INTEGER, response TEXT) STRICT, WITHOUT ROWID',
  )
  database.exec('CREATE INDEX k_expires ON k(expires_at)')
  const insert = database.prepare('INSERT INTO k VALUES (?, 0, ?, ?, ?, NULL) ON CONFLICT DO NOTHING')
  const update = database.prepare('UPDATE k SET status=1, response=?, expires_at=? WHERE key=? AND status=0')
  const select = database.prepare('SELECT * FROM k WHERE key=?')
  return {
    claim(key) {
      const now = Date.now()
      if (insert.run(key, crypto.randomUUID(), now + 30_000, now + 86_400_000).changes !== 1) throw new Error('taken')
    },
    complete(key) {
      if (update.run(JSON.stringify(response), Date.now() + 86_400_000, key).changes !== 1) throw new Error('lost')
    },
    begin: () => database.exec('BEGIN IMMEDIATE'),
    commit: () => database.exec('COMMIT'),
    read(key) {
      const row = select.get(key) as { response: string } | undefined
      JSON.parse(row?.response ?? '')
    },
  }
}

function commitACall(raw: RawSqlite): Subject {
  const inOwnCommit = (work: () => void): void => {
    raw.begin()
    work()
    raw.commit()
  }
  return inParallelOf('raw SQLite, a commit a call', async () => {
    const key = freshKey()
    inOwnCommit(() => raw.claim(key))
    await undefined
    inOwnCommit(() => raw.complete(key))
  })
}

/** What one would write by hand: whatever queued up while the last commit was in flight shares the next one. */
function handGroupCommit(raw: RawSqlite): Subject {
  let queue: { work: () => void; done: () => void; failed: (error: unknown) => void }[] = []
  function flush(): void {
    const batch = queue
    queue = []
    raw.begin()
    for (const { work } of batch) work()
    raw.commit()
    for (const { done } of batch) done()
  }
  const enqueue = (work: () => void): Promise<void> =>
    new Promise((done, failed) => {
      queue.push({ work, done, failed })
      if (queue.length === 1) setImmediate(flush)
    })
  return inParallelOf('raw SQLite, hand-written group commit', async () => {
    const key = freshKey()
    await enqueue(() => raw.claim(key))
    await enqueue(() => raw.complete(key))
  })
}

export async function embedded(print: (row: Row) => void): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
  // Bounds that are not reached, since the peer has none.
  const memory = memoryStore({ maxEntries: 10_000_000, maxBytes: 16 * 1024 ** 3 })
  const sqlite = sqliteStore({ database: new Database(join(folder, 'store.db')) })
  const hand = rawSqlite(join(folder, 'hand.db'))
  const each = rawSqlite(join(folder, 'each.db'))
  hand.begin()
  for (let index = 0; index < replayKeys; index++) {
    hand.claim(`replay-${index}`)
    hand.complete(`replay-${index}`)
  }
  hand.commit()
  const map = rawMap()
  const others = peer()
  await others.ready
  const common = { callers: [1, 64, 256], rounds: 9, roundMs: 150 }
  const core = '@node-idempotency/core'
  const plans: Plan[] = [
    {
      suite: 'memory: claim + complete',
      subjects: [map.claim, claims('memoryStore', memory), others.claim],
      baselines: ['raw Map', core],
      ...common,
    },
    {
      suite: 'memory: replay',
      subjects: [map.replay, await replays('memoryStore', memory), others.replay],
      baselines: ['raw Map', core],
      ...common,
    },
    {
      suite: 'sqlite: claim + complete',
      subjects: [commitACall(each), handGroupCommit(hand), claims('sqliteStore', sqlite)],
      baselines: ['raw SQLite, a commit a call', 'raw SQLite, hand-written group commit'],
      ...common,
    },
    {
      suite: 'sqlite: replay',
      subjects: [
        inParallelOf('raw SQLite read', async (index) => {
          hand.read(`replay-${index % replayKeys}`)
          await undefined
        }),
        await replays('sqliteStore', sqlite),
      ],
      baselines: ['raw SQLite read'],
      ...common,
    },
  ]
  const rows: Row[] = []
  for (const plan of plans) rows.push(...(await measure(plan, print)))
  await sqlite.close()
  rmSync(folder, { recursive: true, force: true })
  return rows
}
