import { createRequire } from 'node:module'
import { Idempotency as PeerIdempotency } from '@node-idempotency/core'
import { RedisStorageAdapter } from '@node-idempotency/storage-adapter-redis'
import { startRedis, stopEngines } from '@retrysafe/engines'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type RedisStore, redisStore } from 'retrysafe/redis'
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

const rawOn = (client: string): string => `raw commands, ${client}`
const nodeRedis = 'node-redis'
/** What the adapter of a peer brings along: an earlier version, which is faster at writing. */
const nodeRedis4 = 'node-redis 4'

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

/** A client with what is measured on it. */
interface OnClient {
  readonly name: string
  readonly store: RedisStore
  readonly commands: Commands
  close(): Promise<void>
}

function onIoredis(url: string): OnClient & { readonly client: Redis } {
  // The bare commands go together, as fast as they can. The store does that by itself, best on a client as it comes.
  const [ofRaw, ofStore] = [new Redis(url, { enableAutoPipelining: true }), new Redis(url)]
  return {
    name: 'ioredis',
    client: ofStore,
    store: redisStore({ client: ofStore, prefix: 'ioredis:' }),
    commands: {
      setNew: (key, value, ttlMs) => ofRaw.set(key, value, 'PX', ttlMs, 'NX'),
      set: (key, value, ttlMs) => ofRaw.set(key, value, 'PX', ttlMs),
      get: (key) => ofRaw.get(key),
    },
    close: async () => {
      for (const client of [ofRaw, ofStore]) await client.quit()
    },
  }
}

/** This client pipelines what is asked within one turn of the event loop by itself. */
async function onNodeRedis(name: string, create: typeof createClient, url: string): Promise<OnClient> {
  const [ofRaw, ofStore] = [create({ url }), create({ url })]
  for (const client of [ofRaw, ofStore]) await client.connect()
  return {
    name,
    store: redisStore({ client: ofStore, prefix: `${name}:` }),
    commands: {
      setNew: (key, value, ttlMs) => ofRaw.set(key, value, { PX: ttlMs, NX: true }),
      set: (key, value, ttlMs) => ofRaw.set(key, value, { PX: ttlMs }),
      get: (key) => ofRaw.get(key),
    },
    close: async () => {
      for (const client of [ofRaw, ofStore]) await client.quit()
    },
  }
}

/** The client that the adapter of `@node-idempotency/core` uses, where that is another one than ours. */
function adaptersClient(): { readonly create: typeof createClient; readonly version: string } | undefined {
  const require = createRequire(createRequire(import.meta.url).resolve('@node-idempotency/storage-adapter-redis'))
  const { version } = require('redis/package.json') as { version: string }
  const { createClient: create } = require('redis') as { createClient: typeof createClient }
  return create === createClient || !version.startsWith('4.') ? undefined : { create, version }
}

/** `redisStore` on each client, beside the bare commands with the same bytes and beside the peers. */
export async function redis(print: (row: Row) => void, { quick }: RunOptions, engines: Engine[]): Promise<Row[]> {
  // A log on disk, written each second as is usual, and never rewritten in the middle of a run.
  const settings = { appendfsync: 'everysec', 'auto-aof-rewrite-percentage': '0' }
  const { url } = await startRedis({ settings })
  const admin = new Redis(url)
  const info = await admin.info('server')
  engines.push({ name: 'Redis', version: /redis_version:(\S+)/.exec(info)?.[1] ?? '' })
  engines.push(...['ioredis', 'redis', core, powertools].map(versionOf))
  const ioredis = onIoredis(url)
  const earlier = adaptersClient()
  if (earlier !== undefined) engines.push({ name: 'redis', version: earlier.version })
  const clients = [
    ioredis,
    await onNodeRedis(nodeRedis, createClient, url),
    ...(earlier === undefined ? [] : [await onNodeRedis(nodeRedis4, earlier.create, url)]),
  ]
  const heads = await headsOf(ioredis.client)

  const adapter = new RedisStorageAdapter({ url })
  await adapter.connect()
  const peer = new PeerIdempotency(adapter)
  const ofPowertools = await createClient({ url }).connect()
  const peerOnPowertools = powertoolsOnRedis(ofPowertools, [rawOn(nodeRedis)])
  await sayWhatIsMissing()

  const reset = async (): Promise<void> => {
    await admin.flushall()
    await makeReplayKeys((key) =>
      ioredis.commands.set(`raw:${key}`, heads.completed + JSON.stringify(chargeOf(key)), retentionMs),
    )
    for (const { store } of clients) await seed(store)
    await coreSubjects(peer, [])
    await peerOnPowertools.seed()
  }
  const against = (name: string): string[] => [rawOn(name), core, powertools]
  const subjects = [
    ...clients.flatMap(({ name, commands }) => rawSubjects(rawOn(name), commands, heads)),
    ...clients.flatMap(({ name, store }) =>
      bothOf(`redisStore, ${name}`, store, { claim: against(name), replay: against(name) }),
    ),
    ...(await coreSubjects(peer, [rawOn(earlier === undefined ? nodeRedis : nodeRedis4)])),
    ...peerOnPowertools.subjects,
  ]
  const written = async (): Promise<number> =>
    Number(/aof_current_size:(\d+)/.exec(await admin.info('persistence'))?.[1])
  const rows = await measure({ suite: 'redis', subjects, ...paceOf(quick), written, reset }, print)
  for (const { store, close } of clients) await store.close().then(close)
  await adapter.disconnect()
  ofPowertools.destroy()
  admin.disconnect()
  await stopEngines()
  return rows
}
