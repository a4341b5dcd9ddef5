import {
  badOption,
  type Clock,
  checkStoreKey,
  closedError,
  type IdempotencyStore,
  type Inspectable,
  type Random,
  systemClock,
  type Wakeable,
} from '../contract/index.js'
import { type RedisClient, toPort } from './redis/client.js'
import { toRedisError } from './redis/errors.js'
import { listRecords } from './redis/list.js'
import { createFullPrefix } from './redis/names.js'
import { type Checkable, checkMasters } from './redis/ready.js'
import { readReplicas, withReplicas } from './redis/replicas.js'
import { redisCalls } from './redis/table.js'
import { createRedisWakes, type RedisSubscriber, type Wakes } from './redis/wakes.js'
import { storeOf } from './shared/driver.js'

export type { IoredisClient, NodeRedisClient, RedisClient } from './redis/client.js'
export type { Checkable } from './redis/ready.js'
export type { IoredisSubscriber, NodeRedisSubscriber, RedisSubscriber } from './redis/wakes.js'

/** Redis does one thing at a time: everybody else waits while a value is copied. A string of Redis may have 512 MB. */
const maxValueBytes = 32 * 1024 * 1024
const maxPrefixLength = 200
const where = 'Redis'

export interface RedisStoreOptions {
  /**
   * A client of `ioredis`, `iovalkey` or `redis` (node-redis): of one server, through Sentinel, or of a Cluster. `close`
   * leaves it open.
   */
  client: RedisClient
  /** Before every key. Default `'retrysafe:'`; 1 to 200 characters. No store's prefix may begin with another's. */
  prefix?: string | undefined
  /**
   * A second connection, for pub/sub alone: whoever waits for a key is told when it changes, by stores that have one too.
   * Default: none, and waiting is polling. `close` leaves it open.
   */
  subscriber?: RedisSubscriber | undefined
  /**
   * Acknowledge a claim, a response or a checkpoint only once so many replicas have it (`WAIT`): `count` 1 to 16, default
   * 1; `timeoutMs` 1 to 60,000, default 1000. Default: acknowledge what the master has. Not with a Cluster, a pool or a
   * sentinel of node-redis.
   */
  waitForReplicas?: { count?: number | undefined; timeoutMs?: number | undefined } | undefined
  /** For the pauses between tries; Redis's own clock decides. Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

export type RedisStore = IdempotencyStore & Inspectable & Checkable

/**
 * Keeps keys in Redis 6.2 or later, or in Valkey: for services of many machines. One string a key, which Redis removes
 * by itself when its retention is over; its own clock decides.
 *
 * What is acknowledged is as safe as the server is set: see the store's page for persistence and failovers. Values may
 * have 32 MiB. Calls that are made at the same moment share script calls, except in a Cluster.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_full`, `store_corrupt`, `value_too_large` and `unsupported`.
 * @example
 * ```ts
 * import { Redis } from 'ioredis'
 * import { redisStore } from 'retrysafe/redis'
 *
 * const client = new Redis()
 * const store = redisStore({ client })
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true }, { token: outcome.token })
 * await store.close()
 * client.disconnect()
 * ```
 */
export function redisStore(options: RedisStoreOptions & { readonly subscriber: RedisSubscriber }): RedisStore & Wakeable
export function redisStore(options: RedisStoreOptions): RedisStore
export function redisStore(options: RedisStoreOptions): RedisStore & Partial<Wakeable> {
  const { subscriber, clock = systemClock, random = Math.random } = options
  const prefix = readPrefix(options.prefix)
  const port = toPort(options.client)
  const replicas = readReplicas(options.waitForReplicas, port)
  const { clustered } = port
  const waking = subscriber === undefined ? '' : clustered ? 's' : 'p'
  const plain = redisCalls({ port, clock, random, where, prefix, waking })
  const calls = replicas === undefined ? plain : withReplicas(plain, port, replicas, where)
  const fullPrefix = createFullPrefix(port, prefix)
  const wakes =
    subscriber === undefined ? undefined : createRedisWakes({ subscriber, clustered, fullPrefix, read: plain.read })
  const store = storeOf({
    ...calls,
    where,
    maxValueBytes,
    skewMs: 0,
    purge: async () => 0, // Redis removes what is over by itself.
    list: (filter) => listRecords(port, plain, fullPrefix, filter),
    toError: (error) => toRedisError(error, where),
  })
  let closed = false
  const open: Open = async (work) => {
    if (closed) throw closedError()
    try {
      return await work()
    } catch (error) {
      throw toRedisError(error, where)
    }
  }
  return {
    ...store,
    checkReady: () => open(() => checkMasters(port, where, replicas)),
    ...(wakes === undefined ? {} : wakeable(wakes, open)),
    close: () => {
      closed = true
      wakes?.close()
      return store.close()
    },
  }
}

/** Does its work where the store is open, and says in the store's words what failed. */
type Open = <T>(work: () => Promise<T>) => Promise<T>

function wakeable(wakes: Wakes, open: Open): Wakeable {
  return {
    wake: (key, signal) =>
      open(async () => {
        checkStoreKey(key)
        await wakes.wake(key, signal)
      }),
  }
}

function readPrefix(prefix: unknown = 'retrysafe:'): string {
  if (typeof prefix === 'string' && prefix !== '' && prefix.length <= maxPrefixLength && prefix.isWellFormed())
    return prefix
  throw badOption('prefix', prefix, `a string of 1 to ${maxPrefixLength} characters`)
}
