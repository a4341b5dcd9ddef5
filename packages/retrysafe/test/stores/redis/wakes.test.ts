import { missing, redisClusterUrls } from '@retrysafe/engines'
import { Cluster } from 'ioredis'
import { afterAll, describe, expect, test } from 'vitest'
import { type RedisSubscriber, redisStore } from '../../../src/stores/redis.js'
import { ending, patience } from '../network/patience.js'
import {
  type Client,
  freshPrefix,
  hosts,
  ioredis,
  ioredisCluster,
  ioredisPrefix,
  ioredisSentinel,
  iovalkey,
  iovalkeyCluster,
  need,
  nodeRedis,
  nodeRedisBytes,
  nodeRedisCluster,
  nodeRedisSentinel,
  openSide,
} from './open.js'

/* Pushes through every client that can hear. `wake` polls nothing: a push that is missing ends the test. */

const ends: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

const shardedCluster: Client = {
  ...ioredisCluster,
  open: async () => {
    const client = new Cluster(hosts(await need(redisClusterUrls())), { shardedSubscribers: true })
    return { client, close: async () => client.disconnect() }
  },
}

/** A Cluster whose client puts a prefix of its own before every key. */
const prefixCluster: Client = {
  name: 'a Cluster of ioredis with a prefix of its own',
  engine: 'redis-cluster',
  open: async () => {
    const options = { keyPrefix: 'own:', shardedSubscribers: true }
    const client = new Cluster(hosts(await need(redisClusterUrls())), options)
    return { client, close: async () => client.disconnect() }
  },
}

/** A client, and the one that listens where it is another. */
const pairs: readonly (readonly [client: Client, subscriber: Client])[] = [
  [ioredis, ioredis],
  [ioredisPrefix, ioredisPrefix],
  [iovalkey, iovalkey],
  [nodeRedis, nodeRedis],
  [nodeRedisBytes, nodeRedisBytes],
  [ioredisSentinel, ioredisSentinel],
  [nodeRedisSentinel, nodeRedisSentinel],
  [ioredisCluster, shardedCluster],
  [prefixCluster, prefixCluster],
  [nodeRedisCluster, nodeRedisCluster],
]

async function open([client, subscriber]: readonly [Client, Client], prefix = freshPrefix()) {
  const own = await client.open()
  const listening = await subscriber.open()
  ends.push(own.close, listening.close)
  return redisStore({ client: own.client, subscriber: listening.client as unknown as RedisSubscriber, prefix })
}

describe('pushes', patience, () => {
  for (const pair of pairs)
    test(`whatever ends a claim wakes who waits for it, through ${pair[0].name}`, async (context) => {
      const reason = await missing(pair[0].engine)
      context.skip(reason !== undefined, reason)
      const prefix = freshPrefix()
      const [owner, waiter] = [await open(pair, prefix), await open(pair, prefix)]
      const { signal } = new AbortController()
      const changes: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
        complete: (key) => owner.complete(key, 1, { token: 'mine' }),
        'complete without a token': (key) => owner.complete(key, 1),
        release: (key) => owner.release(key, 'mine'),
        'give up': (key) => owner.renew(key, 'mine', { leaseMs: 0 }),
        free: (key) => owner.free(key, { attempt: 1 }),
        delete: (key) => owner.delete(key),
      }
      for (const [name, change] of Object.entries(changes)) {
        const key = `{k}/${name}`
        await owner.begin(key, { token: 'mine' })
        let woken = false
        const waits = [waiter.wake(key, signal), waiter.wake(key, signal)]
        void waits[0]?.then(() => {
          woken = true
        })
        // So long that the subscription stands: what is heard then is a message.
        await new Promise((resolve) => setTimeout(resolve, 150))
        expect(woken, name).toBe(false)
        await owner.renew(key, 'mine')
        await change(key)
        await ending(`${name} on ${pair[0].name}`, Promise.all(waits))
      }
    })

  test('where nobody listens nothing is published, and nobody is subscribed to any more', async (context) => {
    const reason = await missing('redis')
    context.skip(reason !== undefined, reason)
    const prefix = freshPrefix()
    const [owner, waiter] = [await open([ioredis, ioredis], prefix), await open([ioredis, ioredis], prefix)]
    const side = await openSide('redis')
    const listener = await openSide('redis')
    ends.push(
      async () => side.disconnect(),
      async () => listener.disconnect(),
    )
    const heard: string[] = []
    // A pattern is no subscription to a channel: it hears what is published, and is not counted.
    await listener.psubscribe(`${prefix}*`)
    listener.on('pmessage', (_pattern, channel: string) => heard.push(channel))
    await owner.begin('alone', { token: 'mine' })
    await owner.complete('alone', 1, { token: 'mine' })
    await owner.begin('waited-for', { token: 'mine' })
    const over = new AbortController()
    const [woken, aborted] = [waiter.wake('waited-for', over.signal), waiter.wake('other', over.signal)]
    await owner.begin('other')
    await new Promise((resolve) => setTimeout(resolve, 100))
    await owner.complete('waited-for', 1, { token: 'mine' })
    await woken
    over.abort()
    await aborted
    await side.publish(`${prefix}end`, '')
    while (!heard.includes(`${prefix}end`)) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(heard).toEqual([`${prefix}waited-for`, `${prefix}end`])
    while (((await side.pubsub('CHANNELS', `${prefix}*`)) as string[]).length > 0)
      await new Promise((resolve) => setTimeout(resolve, 5))
  })

  test('what changed before anything could be heard is seen', async (context) => {
    const reason = await missing('redis')
    context.skip(reason !== undefined, reason)
    const store = await open([ioredis, ioredis])
    const { signal } = new AbortController()
    await store.wake('never-claimed', signal)
    await store.begin('key', { token: 'mine' })
    await store.complete('key', 1, { token: 'mine' })
    await store.wake('key', signal)
  })

  test('a client that cannot listen rejects, so that its waiters poll', async (context) => {
    const reason = await missing('redis-cluster')
    context.skip(reason !== undefined, reason)
    const store = await open([iovalkeyCluster, iovalkeyCluster])
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`)
    await Promise.all(keys.map((key) => store.begin(key)))
    const failed = keys.map((key) =>
      store.wake(key, new AbortController().signal).catch((error: { code?: string }) => error.code),
    )
    // Some keys are on the node that it happens to listen to.
    expect(await Promise.race(failed)).toBe('store_unavailable')
  })
})
