import { missing, type RedisSentinel, startRedisSentinel } from '@retrysafe/engines'
import { Redis } from 'ioredis'
import { createSentinel } from 'redis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisClient, redisStore } from '../../../src/stores/redis.js'
import { insisting } from '../network/crashes.js'
import { patience } from '../network/patience.js'
import { freshPrefix, openIoredis } from './open.js'

/* What a master with a replica keeps and loses. */

const ends: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})

function hosts(urls: readonly string[]): { host: string; port: number }[] {
  return urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))
}

beforeEach(async (context) => {
  const reason = await missing('redis-sentinel')
  context.skip(reason !== undefined, reason)
})

async function start(): Promise<RedisSentinel> {
  const servers = await startRedisSentinel()
  ends.push(() => servers.stop())
  return servers
}

describe('through Sentinel', patience, () => {
  const ways: Readonly<Record<string, (servers: RedisSentinel) => Promise<RedisClient>>> = {
    ioredis: async ({ urls, name }) => {
      const client = new Redis({
        sentinels: hosts(urls),
        name,
        maxRetriesPerRequest: 3,
        sentinelRetryStrategy: () => 50,
      })
      client.on('error', () => undefined)
      ends.push(async () => client.disconnect())
      return client
    },
    'node-redis': async ({ urls, name }) => {
      const client = createSentinel({ name, sentinelRootNodes: hosts(urls), scanInterval: 200 })
      client.on('error', () => undefined)
      await client.connect()
      ends.push(async () => client.destroy())
      return client
    },
  }

  for (const [name, open] of Object.entries(ways))
    test(`a failover keeps what the replica had, and the store goes on with the new master, through ${name}`, async () => {
      const servers = await start()
      const client = await open(servers)
      const store = redisStore({ client, prefix: freshPrefix() })
      await store.begin('completed', { token: 'mine' })
      await store.complete('completed', { paid: true }, { token: 'mine' })
      await store.begin('claimed', { token: 'mine', leaseMs: 600_000 })
      await store.renew('claimed', 'mine', { checkpoint: { step: 1 } })
      await store.begin('uncertain', { token: 'mine', afterCrash: 'uncertain', leaseMs: 100 })
      const before = await store.get('completed')
      const side = new Redis(servers.master.url)
      await side.set('marker', 1)
      expect(await side.wait(1, 10_000)).toBe(1)
      side.disconnect()
      await servers.master.kill()
      // The new master has never seen the scripts.
      const replay = await insisting(() => store.begin('completed'))
      expect(replay).toMatchObject({ status: 'completed', response: { paid: true } })
      expect(await store.get('completed')).toEqual(before)
      expect(await store.begin('claimed')).toMatchObject({ status: 'in_progress', attempt: 1 })
      expect(await store.begin('uncertain')).toMatchObject({ status: 'uncertain', attempt: 1 })
      await store.complete('claimed', 'done', { token: 'mine' })
      expect(await insisting(() => store.begin('fresh', { token: 'mine' }))).toMatchObject({
        status: 'new',
        attempt: 1,
      })
      await store.checkReady()
    })
})

describe('replicas', patience, () => {
  let servers: RedisSentinel
  beforeAll(async () => {
    if ((await missing('redis-sentinel')) !== undefined) return
    servers = await start()
    // Nobody fails over here but the test.
    for (const sentinel of servers.sentinels) await sentinel.kill()
  })

  async function pair() {
    const [client, replica] = [await openIoredis(servers.master.url), await openIoredis(servers.replica.url)]
    ends.push(client.close, replica.close)
    const prefix = freshPrefix()
    await client.client.set(`${prefix}in-step`, 1)
    expect(await client.client.wait(1, 20_000)).toBe(1)
    return { client: client.client, replica: replica.client, prefix }
  }

  test('a replica is not ready, and says so to every write', async () => {
    const { replica, prefix } = await pair()
    const store = redisStore({ client: replica, prefix })
    await expect(store.checkReady()).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('replica'),
    })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('master'),
    })
  })

  test('what is acknowledged with waitForReplicas is on the replica by then', async () => {
    const { client, replica, prefix } = await pair()
    const store = redisStore({ client, prefix, waitForReplicas: { count: 1, timeoutMs: 10_000 } })
    await store.checkReady()
    for (let turn = 0; turn < 50; turn++) {
      const key = `key-${turn}`
      await store.begin(key, { token: 'mine' })
      expect(await replica.get(prefix + key)).toMatch(/^1pmine\t/)
      await store.renew(key, 'mine', { checkpoint: 1 })
      expect(await replica.get(prefix + key)).toMatch(/\nj1$/)
      await store.complete(key, 'done', { token: 'mine' })
      expect(await replica.get(prefix + key)).toMatch(/^1cmine\t/)
    }
    await expect(redisStore({ client, prefix, waitForReplicas: { count: 2 } }).checkReady()).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })

  test('without enough replicas nothing is acknowledged; once they are back, the same call is', async () => {
    const { client, replica, prefix } = await pair()
    const store = redisStore({ client, prefix, waitForReplicas: { count: 1, timeoutMs: 50 } })
    await insisting(() => store.begin('key', { token: 'mine' }))
    await servers.replica.kill()
    const few = { code: 'store_unavailable', message: expect.stringContaining('0 of 1 replicas') }
    await expect(store.complete('key', 'done', { token: 'mine' })).rejects.toMatchObject(few)
    await expect(store.complete('key', 'done', { token: 'mine' })).rejects.toMatchObject(few)
    await expect(store.begin('other', { token: 'mine' })).rejects.toMatchObject(few)
    await expect(store.begin('other', { token: 'mine' })).rejects.toMatchObject(few)
    // A connection that has written nothing itself proves no more.
    const fresh = await openIoredis(servers.master.url)
    ends.push(fresh.close)
    const elsewhere = redisStore({ client: fresh.client, prefix, waitForReplicas: { timeoutMs: 50 } })
    await expect(elsewhere.complete('key', 'done', { token: 'mine' })).rejects.toMatchObject(few)
    // The master has it, and says so to others: it is not taken back.
    expect(await store.begin('key')).toMatchObject({ status: 'completed', response: 'done' })
    expect(await store.begin('other')).toMatchObject({ status: 'in_progress' })
    await servers.replica.start()
    await insisting(() => store.complete('key', 'done', { token: 'mine' }))
    expect(await insisting(() => store.begin('other', { token: 'mine' }))).toMatchObject({ status: 'new', attempt: 1 })
    await insisting(async () => expect(await replica.get(`${prefix}key`)).toMatch(/^1cmine\t/))
  })

  test('calls of one moment wait for the replicas together, since all stand still meanwhile', async () => {
    const { client, prefix } = await pair()
    const store = redisStore({ client, prefix, waitForReplicas: { count: 1, timeoutMs: 200 } })
    const begins = (): Promise<unknown>[] =>
      Array.from({ length: 50 }, (_, index) =>
        store.begin(`key-${index}`, { token: 'mine' }).then(
          ({ status }) => status,
          ({ code }: { code: string }) => code,
        ),
      )
    await servers.replica.kill()
    await client.config('RESETSTAT')
    const refused = await Promise.all(begins())
    const waits = Number(/cmdstat_wait:calls=(\d+)/.exec(await client.info('commandstats'))?.[1])
    await servers.replica.start()
    expect(new Set(refused)).toEqual(new Set(['store_unavailable']))
    expect(waits).toBeGreaterThan(0)
    expect(waits).toBeLessThanOrEqual(3)
    await insisting(async () => expect(new Set(await Promise.all(begins()))).toEqual(new Set(['new'])))
  })

  test('without waitForReplicas a failover can lose what was acknowledged, and a late completion is refused', async () => {
    const { client, replica, prefix } = await pair()
    const store = redisStore({ client, prefix })
    await store.begin('before', { token: 'mine' })
    expect(await client.wait(1, 20_000)).toBe(1)
    // The replica is cut off and made a master, as after a partition.
    await replica.replicaof('NO', 'ONE')
    await store.complete('before', 'of the old master', { token: 'mine' })
    await store.begin('after', { token: 'mine' })
    const successor = redisStore({ client: replica, prefix })
    expect(await successor.begin('before')).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await successor.begin('after', { token: 'next' })).toMatchObject({ status: 'new', attempt: 1 })
    await expect(successor.complete('after', 'late', { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
    // A completion that is repeated arrives on the new master.
    await successor.complete('before', 'of the old master', { token: 'mine' })
    expect(await successor.begin('before')).toMatchObject({ status: 'completed', response: 'of the old master' })
  })
})
