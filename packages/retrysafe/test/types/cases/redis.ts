/* Every client that the Redis store promises to take, by its own declarations. */
import { Cluster, Redis } from 'ioredis'
import { Redis as Valkey, Cluster as ValkeyCluster } from 'iovalkey'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import type { IdempotencyStore, Inspectable, Wakeable } from 'retrysafe'
import { type Checkable, type RedisStore, redisStore } from 'retrysafe/redis'

const clients = [
  new Redis(),
  new Redis({ sentinels: [{ host: '127.0.0.1', port: 26379 }], name: 'main', enableAutoPipelining: true }),
  new Cluster([{ host: '127.0.0.1', port: 7000 }]),
  new Valkey(),
  new ValkeyCluster([{ host: '127.0.0.1', port: 7000 }]),
  createClient(),
  createClient({ url: 'redis://127.0.0.1', RESP: 3 }),
  createClientPool(),
  createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:7000' }] }),
  createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 26379 }] }),
] as const

for (const client of clients) redisStore({ client })
const ioredis: RedisStore = redisStore({ client: new Redis() })
const cluster: RedisStore = redisStore({ client: new Cluster([]), prefix: 'payments:' })
const valkey: RedisStore = redisStore({ client: new Valkey() })
const valkeyCluster: RedisStore = redisStore({ client: new ValkeyCluster([]) })
const nodeRedis: RedisStore = redisStore({ client: createClient() })
const nodeRedisPool: RedisStore = redisStore({ client: createClientPool() })
const nodeRedisCluster: RedisStore = redisStore({ client: createCluster({ rootNodes: [] }) })
const nodeRedisSentinel: RedisStore = redisStore({ client: createSentinel({ name: 'main', sentinelRootNodes: [] }) })
const all: (IdempotencyStore & Inspectable & Checkable)[] = [
  ioredis,
  cluster,
  valkey,
  valkeyCluster,
  nodeRedis,
  nodeRedisPool,
  nodeRedisCluster,
  nodeRedisSentinel,
]

// A subscriber makes it a store that can push, and only a subscriber does.
const pushes: Wakeable[] = [
  redisStore({ client: new Redis(), subscriber: new Redis() }),
  redisStore({ client: new Cluster([]), subscriber: new Cluster([], { shardedSubscribers: true }) }),
  redisStore({ client: new Valkey(), subscriber: new Valkey() }),
  redisStore({ client: createClient(), subscriber: createClient() }),
  redisStore({ client: createCluster({ rootNodes: [] }), subscriber: createCluster({ rootNodes: [] }) }),
]
// @ts-expect-error Without a subscriber nobody is told.
const silent: Wakeable = redisStore({ client: new Redis() })

redisStore({ client: new Redis(), waitForReplicas: { count: 1, timeoutMs: 200 } })
// @ts-expect-error How many replicas, and how long.
redisStore({ client: new Redis(), waitForReplicas: 1 })
// @ts-expect-error A Map is no client.
redisStore({ client: new Map() })
// @ts-expect-error A client is given, not an address.
redisStore({ client: 'redis://127.0.0.1' })
// @ts-expect-error There is no store without a client.
redisStore({})

export { all, pushes, silent }
