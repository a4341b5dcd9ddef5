import { Idempotency as PeerIdempotency } from '@node-idempotency/core'
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis'
import { startRedis, stopEngines } from '@retrysafe/engines'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { redisStore } from 'retrysafe/redis'
import { core, coreSubjects } from './core-peer.js'
import { type Engine, versionOf } from './machine.js'
import { measure, paceOf, type Row, type Subject, subject } from './measure.js'
import { powertools, powertoolsOnRedis } from './powertools-peer.js'
import type { RunOptions } from './run-options.js'
import {
  bothOf,
  chargeOf,
  checkCharge,
  claiming,
  fingerprint,
  freshKey,
  leaseMs,
  makeReplayKeys,
  replaying,
  replayKey,
  retentionMs,
  seed,
} from './store-subjects.js'

const rawIoredis = 'raw commands, ioredis'
const rawNodeRedis = 'raw commands, node-redis'
const storeIoredis = 'redisStore, ioredis'
const storeNodeRedis = 'redisStore, node-redis'

/** The bare commands of a client. */
interface Commands {
  setNew(key: string, value: string, ttlMs: number): Promise<unknown>
  set(key: string, value: string, ttlMs: number): Promise<unknown>
  get(key: string): Promise<string | null>
}

/** What stands in a record besides the response: the bare commands write as many bytes. */
interface Heads {
  readonly claimed: string
  readonly completed: string
}

/** Looks at a record that the store has made. */
async function headsOf(client: Redis): Promise<Heads> {
  const prefix = 'heads:'
  const store = redisStore({ client, prefix })
  const key = freshKey()
  const length = async (): Promise<number> => {
    const [found] = await client.keys(`${prefix}*`)
    if (found === undefined) throw new Error('the store has made no key')
    return client.strlen(found)
  }
  const outcome = await store.begin(key, { fingerprint })
  if (outcome.status !== 'new') throw new Error(outcome.status)
  const claimed = await length()
  await store.complete(key, chargeOf(key), { token: outcome.token })
  const completed = (await length()) - JSON.stringify(chargeOf(key)).length
  await store.close()
  return { claimed: 'x'.repeat(claimed), completed: 'x'.repeat(Math.max(completed, 0)) }
}

function rawSubjects(name: string, commands: Commands, heads: Heads): Subject[] {
  const complete = (key: string): Promise<unknown> =>
    commands.set(`raw:${key}`, heads.completed + JSON.stringify(chargeOf(key)), retentionMs)
  return [
    subject(claiming, name, [name], async () => {
      const key = freshKey()
      const answer = await commands.setNew(`raw:${key}`, heads.claimed, leaseMs + retentionMs)
      if (answer !== 'OK') throw new Error(`${name}: ${key} is taken`)
      if ((await complete(key)) !== 'OK') throw new Error(`${name}: ${key} is lost`)
    }),
    subject(replaying, name, [name], async (index) => {
      const key = replayKey(index)
      const value = await commands.get(`raw:${key}`)
      checkCharge(name, key, JSON.parse(value?.slice(heads.completed.length) ?? 'null'))
    }),
  ]
}

/** What would be compared as well if it could be installed. */
async function sayWhatIsMissing(): Promise<void> {
  const name: string = '@nestarc/idempotency'
  const isThere = await import(name).then(
    () => true,
    () => false,
  )
  const why = isThere ? 'this benchmark does not know how to call it' : 'it is not installed'
  console.log(`Not compared: ${name}: ${why}.`)
}

/** `redisStore` on both clients, beside the bare commands with the same bytes and beside the peers. */
export async function redis(print: (row: Row) => void, { quick }: RunOptions, engines: Engine[]): Promise<Row[]> {
  // A log on disk, written each second as is usual, and never rewritten in the middle of a run.
  const settings = { appendfsync: 'everysec', 'auto-aof-rewrite-percentage': '0' }
  const server = await startRedis({ settings })
  const admin = new Redis(server.url)
  const ioredis = (): Redis => new Redis(server.url, { enableAutoPipelining: true })
  const ofRaw = ioredis()
  const ofStore = ioredis()
  // This client pipelines what is asked within one turn of the event loop by itself.
  const nodeRedis = await Promise.all(Array.from({ length: 3 }, () => createClient({ url: server.url }).connect()))
  const [nodeOfRaw, nodeOfStore, nodeOfPeer] = nodeRedis
  if (nodeOfRaw === undefined || nodeOfStore === undefined || nodeOfPeer === undefined) throw new Error('three made')
  const adapter = new RedisStorageAdapter({ url: server.url })
  await adapter.connect()
  const peer = new PeerIdempotency(adapter)
  const info = await admin.info('server')
  engines.push({ name: 'Redis', version: /redis_version:(\S+)/.exec(info)?.[1] ?? '' })
  engines.push(...['ioredis', 'redis', core, powertools].map(versionOf))
  const heads = await headsOf(ofStore)

  const first = redisStore({ client: ofStore, prefix: 'ioredis:' })
  const second = redisStore({ client: nodeOfStore, prefix: 'node-redis:' })
  const byIoredis: Commands = {
    setNew: (key, value, ttlMs) => ofRaw.set(key, value, 'PX', ttlMs, 'NX'),
    set: (key, value, ttlMs) => ofRaw.set(key, value, 'PX', ttlMs),
    get: (key) => ofRaw.get(key),
  }
  const byNodeRedis: Commands = {
    setNew: (key, value, ttlMs) => nodeOfRaw.set(key, value, { PX: ttlMs, NX: true }),
    set: (key, value, ttlMs) => nodeOfRaw.set(key, value, { PX: ttlMs }),
    get: (key) => nodeOfRaw.get(key),
  }
  const peerOnPowertools = powertoolsOnRedis(nodeOfPeer, [rawNodeRedis])
  const reset = async (): Promise<void> => {
    await admin.flushall()
    await makeReplayKeys((key) =>
      ofRaw.set(`raw:${key}`, heads.completed + JSON.stringify(chargeOf(key)), 'PX', retentionMs),
    )
    for (const store of [first, second]) await seed(store)
    await coreSubjects(peer, [])
    await peerOnPowertools.seed()
  }
  await sayWhatIsMissing()
  const peers = [core, powertools]
  const subjects = [
    ...rawSubjects(rawIoredis, byIoredis, heads),
    ...rawSubjects(rawNodeRedis, byNodeRedis, heads),
    ...bothOf(storeIoredis, first, { claim: [rawIoredis, ...peers], replay: [rawIoredis, ...peers] }),
    ...bothOf(storeNodeRedis, second, { claim: [rawNodeRedis, ...peers], replay: [rawNodeRedis, ...peers] }),
    ...(await coreSubjects(peer, [rawNodeRedis])),
    ...peerOnPowertools.subjects,
  ]
  const written = async (): Promise<number> =>
    Number(/aof_current_size:(\d+)/.exec(await admin.info('persistence'))?.[1])
  const rows = await measure({ suite: 'redis', subjects, ...paceOf(quick), written, reset }, print)
  for (const store of [first, second]) await store.close()
  await adapter.disconnect()
  for (const client of nodeRedis) client.destroy()
  for (const client of [admin, ofRaw, ofStore]) client.disconnect()
  await stopEngines()
  return rows
}
