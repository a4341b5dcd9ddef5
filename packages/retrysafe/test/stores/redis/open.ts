/* The Redis store on each client, with a prefix of its own that is removed again. */
import { Cluster, Redis } from 'ioredis'
import { Redis as Valkey, Cluster as ValkeyCluster } from 'iovalkey'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { missing, redisClusterUrls, redisSentinels, redisUrl } from '../../../../../tools/engines/src/index.js'
import { type RedisClient, type RedisStore, type RedisStoreOptions, redisStore } from '../../../src/stores/redis.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'

export interface OpenClient {
  readonly client: RedisClient
  close(): Promise<unknown>
}

/** A client of the tests, and the servers that it connects to. */
export interface Client {
  readonly name: string
  readonly engine: 'redis' | 'redis-cluster' | 'redis-sentinel'
  /** What the client itself puts before every key. */
  readonly ownPrefix?: string
  /** Is asked for values of 32 MiB. Client and server take seconds for each, so one client is; all are for 1 MiB. */
  readonly large?: true
  open(): Promise<OpenClient>
  /** A connection beside the store's own, to look at what stands there. */
  openSide?(): Promise<Side>
}

/** A connection of a test's own. */
export type Side = Redis | Cluster

export function hosts(urls: readonly string[]): { host: string; port: number }[] {
  return urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))
}

export async function need<T>(value: Promise<T | undefined>): Promise<T> {
  const found = await value
  if (found === undefined) throw new Error('The engine is missing.')
  return found
}

export async function openIoredis(url: string, options: object = {}): Promise<OpenClient & { client: Redis }> {
  const client = new Redis(url, options)
  client.on('error', () => undefined)
  return { client, close: async () => client.disconnect() }
}

export async function openIovalkey(url: string): Promise<OpenClient> {
  const client = new Valkey(url)
  client.on('error', () => undefined)
  return { client, close: async () => client.disconnect() }
}

export async function openNodeRedis(url: string, options: object = {}): Promise<OpenClient> {
  const client = createClient({ url, ...options })
  client.on('error', () => undefined)
  await client.connect()
  return { client, close: async () => client.isOpen && client.destroy() }
}

export const ioredis: Client = {
  name: 'ioredis',
  engine: 'redis',
  large: true,
  open: async () => openIoredis(await need(redisUrl())),
}

export const ioredisPipelining: Client = {
  name: 'ioredis with auto-pipelining',
  engine: 'redis',
  open: async () => openIoredis(await need(redisUrl()), { enableAutoPipelining: true }),
}

export const ioredisPrefix: Client = {
  name: 'ioredis with a prefix of its own',
  engine: 'redis',
  ownPrefix: 'own*:',
  open: async () => openIoredis(await need(redisUrl()), { keyPrefix: 'own*:', stringNumbers: true }),
}

/** Not all clients say which prefix they put before keys. */
export const nodeRedisPrefix: Client = {
  name: 'a pool of node-redis with a prefix of its own',
  engine: 'redis',
  ownPrefix: 'own*:',
  open: async () => {
    const client = createClientPool({ url: await need(redisUrl()), keyPrefix: 'own*:' }, { minimum: 2, maximum: 2 })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

export const iovalkey: Client = {
  name: 'iovalkey',
  engine: 'redis',
  open: async () => openIovalkey(await need(redisUrl())),
}

export const nodeRedis: Client = {
  name: 'node-redis',
  engine: 'redis',
  open: async () => openNodeRedis(await need(redisUrl())),
}

/** Text as bytes and numbers as text, as a client may be set to give them. */
export const nodeRedisBytes: Client = {
  name: 'node-redis with types of its own',
  engine: 'redis',
  open: async () =>
    openNodeRedis(await need(redisUrl()), { commandOptions: { typeMapping: { 36: Buffer, 43: Buffer, 58: String } } }),
}

export const nodeRedisPool: Client = {
  name: 'a pool of node-redis',
  engine: 'redis',
  open: async () => {
    const client = createClientPool({ url: await need(redisUrl()) }, { minimum: 4, maximum: 4 })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

export const ioredisCluster: Client = {
  name: 'a Cluster of ioredis',
  engine: 'redis-cluster',
  open: async () => {
    const client = new Cluster(hosts(await need(redisClusterUrls())))
    return { client, close: async () => client.disconnect() }
  },
}

export const iovalkeyCluster: Client = {
  name: 'a Cluster of iovalkey',
  engine: 'redis-cluster',
  open: async () => {
    const client = new ValkeyCluster(hosts(await need(redisClusterUrls())))
    return { client, close: async () => client.disconnect() }
  },
}

export const nodeRedisCluster: Client = {
  name: 'a cluster of node-redis',
  engine: 'redis-cluster',
  open: async () => {
    const urls = await need(redisClusterUrls())
    const client = createCluster({ rootNodes: urls.map((url) => ({ url })) })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

export const ioredisSentinel: Client = {
  name: 'ioredis through Sentinel',
  engine: 'redis-sentinel',
  open: async () => {
    const { urls, name } = await need(redisSentinels())
    const client = new Redis({ sentinels: hosts(urls), name })
    return { client, close: async () => client.disconnect() }
  },
}

export const nodeRedisSentinel: Client = {
  name: 'a sentinel of node-redis',
  engine: 'redis-sentinel',
  open: async () => {
    const { urls, name } = await need(redisSentinels())
    const client = createSentinel({ name, sentinelRootNodes: hosts(urls) })
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

export const clients: readonly Client[] = [
  ioredis,
  ioredisPipelining,
  ioredisPrefix,
  nodeRedisPrefix,
  iovalkey,
  nodeRedis,
  nodeRedisBytes,
  nodeRedisPool,
  ioredisCluster,
  iovalkeyCluster,
  nodeRedisCluster,
  ioredisSentinel,
  nodeRedisSentinel,
]

/** The same client with three lasting connections for all its stores, since opening them takes longer than most cases. */
export function lasting(client: Client): Client & { end(): Promise<void> } {
  const opened = new Map<number, Promise<OpenClient>>()
  let side: Promise<Side> | undefined
  let turn = 0
  return {
    ...client,
    open: async () => {
      // In turn, so that a case's second handle is another connection's.
      turn = (turn + 1) % 2
      const one = opened.get(turn) ?? client.open()
      opened.set(turn, one)
      return { client: (await one).client, close: async () => undefined }
    },
    openSide: () => {
      side ??= openSide(client.engine)
      return side
    },
    async end() {
      for (const one of opened.values()) await (await one).close()
      const found = await side
      found?.disconnect()
    },
  }
}

export async function openSide(engine: Client['engine']): Promise<Side> {
  if (engine === 'redis') return new Redis(await need(redisUrl()))
  if (engine === 'redis-cluster') return new Cluster(hosts(await need(redisClusterUrls())))
  const { urls, name } = await need(redisSentinels())
  return new Redis({ sentinels: hosts(urls), name })
}

/** Shifts every stored instant of the record, and the end of the key's TTL, into the past. */
export async function age(side: Side, key: string, ms: number): Promise<void> {
  const text = await side.get(key)
  if (text === null) return
  const [head = '', times = '', ...rest] = text.split('\n')
  const shift = (instant: string | undefined): string => (instant ? String(Number(instant) - ms) : '')
  const fields = head.split('\t')
  fields[3] = shift(fields[3])
  const [expiresAt, updatedAt, until, retentionMs] = times.split('\t')
  const shifted = [shift(expiresAt), shift(updatedAt), shift(until), retentionMs].join('\t')
  const aged = [fields.join('\t'), shifted, ...rest].join('\n')
  if (expiresAt === '') await side.set(key, aged)
  else await side.set(key, aged, 'PXAT', Math.max(1, Number(expiresAt) - ms - 1))
}

/** Every key that begins with this. */
export async function keysOf(side: Side, prefix: string): Promise<string[]> {
  const nodes = side instanceof Cluster ? side.nodes('master') : [side]
  const found = await Promise.all(nodes.map((node) => node.keys(`${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`)))
  return found.flat()
}

export function freshPrefix(): string {
  return `t-${crypto.randomUUID().slice(0, 13)}:`
}

/** Opens the store as the store cases want it. `again` and `reopen` have clients of their own. */
export async function openRedis(
  client: Client,
  storeOptions: Partial<RedisStoreOptions> = {},
): Promise<OpenedStore & { readonly store: RedisStore; readonly prefix: string }> {
  const prefix = freshPrefix()
  const before = `${client.ownPrefix ?? ''}${prefix}`
  const side = await (client.openSide?.() ?? openSide(client.engine))
  const opened: { store: RedisStore; client: OpenClient }[] = []
  const another = async (): Promise<RedisStore> => {
    const own = await client.open()
    const store = redisStore({ client: own.client, prefix, ...storeOptions })
    opened.push({ store, client: own })
    return store
  }
  const store = await another()
  return {
    store,
    prefix: before,
    scratch: 'case/',
    ...(client.large ? { limits: { maxValueBytes: 32 * 1024 * 1024 } } : {}),
    age: (key, ms) => age(side, before + key, ms),
    again: another,
    stored: async () => (await keysOf(side, before)).length,
    reopen: async () => {
      await store.close()
      return another()
    },
    close: async () => {
      for (const one of opened.splice(0)) {
        await one.store.close()
        await one.client.close()
      }
      for (const key of await keysOf(side, before)) await side.del(key)
      if (client.openSide === undefined) side.disconnect()
    },
  }
}

export function missingFor(client: Client): () => Promise<string | undefined> {
  return () => missing(client.engine)
}
