import { missing, redisClusterUrls, startFaultProxy, startRedis } from '@retrysafe/engines'
import { Redis } from 'ioredis'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { toRedisError } from '../../../src/stores/redis/errors.js'
import { type RedisClient, redisStore } from '../../../src/stores/redis.js'
import { isWakeable } from '../../../src/testkit/store-case.js'
import {
  type Client,
  clients,
  freshPrefix,
  ioredis,
  ioredisCluster,
  ioredisPipelining,
  iovalkey,
  nodeRedis,
  openIoredis,
  openNodeRedis,
  openRedis,
  openSide,
} from './open.js'

/* How the store deals with servers and clients: scripts, batches, settings, errors. */

const ends: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})
beforeEach(async (context) => {
  const reason = await missing('redis')
  context.skip(reason !== undefined, reason)
})

async function open(client = ioredis) {
  const found = await openRedis(client)
  ends.push(found.close)
  return found
}

/** The client, and what was asked of it: the number of keys of each script call. */
async function counted(client = ioredis) {
  const own = await client.open()
  const calls: number[] = []
  const count = (_target: RedisClient, name: string | symbol, receiver: unknown): unknown => {
    const member: unknown = Reflect.get(own.client, name, receiver)
    if (typeof member !== 'function') return member
    if (!/^eval/i.test(String(name))) return member.bind(own.client)
    return (script: string, keys: number | { readonly keys: readonly string[] }, ...rest: string[]) => {
      calls.push(typeof keys === 'number' ? keys : keys.keys.length)
      return member.call(own.client, script, keys, ...rest)
    }
  }
  const prefix = freshPrefix()
  const store = redisStore({ client: new Proxy(own.client, { get: count }), prefix })
  ends.push(own.close)
  await store.begin('warm', { token: 'mine' })
  await store.complete('warm', 1, { token: 'mine' })
  await store.begin('renewed', { token: 'mine' })
  await store.renew('renewed', 'mine')
  await store.release('renewed', 'mine')
  await store.get('warm')
  calls.length = 0
  return { store, calls, prefix }
}

describe('scripts', () => {
  for (const client of [ioredis, nodeRedis, iovalkey])
    test(`are sent again to a server that has lost them, in the middle of a load, through ${client.name}`, async () => {
      const { store } = await open(client)
      const side = await openSide('redis')
      let over = false
      const flushes = (async () => {
        while (!over) await side.script('FLUSH')
      })()
      const caller = async (name: number): Promise<void> => {
        for (let turn = 0; turn < 25; turn++) {
          const [key, token] = [`key-${name}-${turn}`, `token-${name}-${turn}`]
          expect(await store.begin(key, { token })).toMatchObject({ status: 'new', attempt: 1 })
          await store.renew(key, token, { checkpoint: turn })
          await store.complete(key, turn, { token })
          expect(await store.begin(key)).toMatchObject({ status: 'completed', response: turn, attempt: 1 })
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, name) => caller(name)))
      over = true
      await flushes
      side.disconnect()
    })

  test('a fresh claim, a replay, a completion, a heartbeat, a checkpoint and a release take one round trip each', async () => {
    const { store, calls } = await counted()
    const once = async (call: Promise<unknown>): Promise<void> => {
      await call
      expect(calls.splice(0)).toEqual([1])
    }
    await once(store.begin('key', { token: 'mine', afterCrash: 'uncertain' }))
    await once(store.begin('key'))
    await once(store.renew('key', 'mine'))
    await once(store.renew('key', 'mine', { checkpoint: { step: 1 }, checkpointNumber: 1 }))
    await once(store.complete('key', 'done', { token: 'mine', retentionMs: 5000 }))
    await once(store.begin('key'))
    await once(store.get('key'))
    await once(store.begin('other', { token: 'mine' }))
    await once(store.release('other', 'mine'))
    await once(store.begin('third', { token: 'mine' }))
    await once(store.complete('third', 'done', { token: 'mine' }))
  })
})

describe('batches', () => {
  test('calls that are made at the same moment share script calls, and each gets its own answer', async () => {
    const { store, calls } = await counted()
    const keys = Array.from({ length: 64 }, (_, index) => `key-${index}`)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: `token-${key}` })))
    expect(outcomes.map((outcome) => outcome.status === 'new' && outcome.token)).toEqual(
      keys.map((key) => `token-${key}`),
    )
    const shared = [8, 16, 32, 8]
    expect(calls.splice(0)).toEqual(shared)
    await Promise.all(keys.map((key) => store.complete(key, key, { token: `token-${key}` })))
    expect(calls.splice(0)).toEqual(shared)
    const replays = await Promise.all(keys.map((key) => store.begin(key)))
    expect(replays.map((outcome) => outcome.status === 'completed' && outcome.response)).toEqual(keys)
    expect(calls.splice(0)).toEqual(shared)
  })

  const shares: readonly (readonly [client: Client, shares: Readonly<Record<number, readonly number[]>>])[] = [
    [ioredis, { 1: [1], 8: [8], 9: [8, 1], 64: [8, 16, 32, 8] }],
    [iovalkey, { 1: [1], 8: [8], 9: [8, 1], 64: [8, 16, 32, 8] }],
    [ioredisPipelining, { 1: [1], 8: [8], 9: [9], 64: [64] }],
    [nodeRedis, { 1: [1], 8: [8], 9: [9], 64: [64] }],
  ]
  for (const [client, expected] of shares)
    test(`the server is at work on the first keys while a client that writes at once writes the next: ${client.name}`, async () => {
      const { store, calls } = await counted(client)
      for (const [count, keys] of Object.entries(expected)) {
        const begins = Array.from({ length: Number(count) }, (_, index) => store.begin(`key-${count}-${index}`))
        expect((await Promise.all(begins)).map(({ status }) => status)).toEqual(begins.map(() => 'new'))
        expect(calls.splice(0), count).toEqual(keys)
      }
    })

  test('calls of other leases, retentions and kinds of crash do not mix', async () => {
    const { store } = await counted()
    const options = [
      { leaseMs: 1000, retentionMs: 60_000 },
      { leaseMs: 2000, retentionMs: 60_000 },
      { leaseMs: 1000, retentionMs: 90_000 },
      { leaseMs: 1000, retentionMs: 60_000, afterCrash: 'uncertain' as const },
      { leaseMs: 1000, retentionMs: 60_000 },
    ]
    await Promise.all(options.map((option, index) => store.begin(`key-${index}`, option)))
    const records = await Promise.all(options.map((_, index) => store.get(`key-${index}`)))
    for (const [index, { leaseMs, retentionMs, afterCrash }] of options.entries()) {
      const { createdAt, leaseUntil, expiresAt } = records[index] ?? {}
      expect(Number(leaseUntil) - Number(createdAt)).toBe(leaseMs)
      expect(expiresAt && Number(expiresAt) - Number(leaseUntil)).toBe(afterCrash ? undefined : retentionMs)
    }
  })

  test('no batch has more than 256 calls, and calls on one key keep their order', async () => {
    const { store, calls } = await counted(nodeRedis)
    const claims = Array.from({ length: 600 }, (_, index) => store.begin(`key-${index % 300}`, { token: `${index}` }))
    const outcomes = await Promise.all(claims)
    expect(calls).toEqual([256, 256, 88])
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map((_, at) => (at < 300 ? 'new' : 'in_progress')))
  })

  test('large values are not gathered into one reply, and all are answered', async () => {
    const { store } = await counted()
    const values = Array.from({ length: 6 }, (_, index) => String(index).repeat(600_000))
    await Promise.all(values.map((_, index) => store.begin(`key-${index}`, { token: 'mine' })))
    await Promise.all(values.map((value, index) => store.complete(`key-${index}`, value, { token: 'mine' })))
    const replays = await Promise.all(values.map((_, index) => store.begin(`key-${index}`)))
    expect(replays.map((outcome) => outcome.status === 'completed' && outcome.response)).toEqual(values)
    const reads = await Promise.all(values.map((_, index) => store.get(`key-${index}`)))
    expect(reads.map((record) => record?.response)).toEqual(values)
  })

  test('in a Cluster every script call has one key', async (context) => {
    const reason = await missing('redis-cluster')
    context.skip(reason !== undefined, reason)
    const { store, calls } = await counted(ioredisCluster)
    const keys = Array.from({ length: 30 }, (_, index) => `key-${index}`)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key)))
    expect(outcomes.map(({ status }) => status)).toEqual(keys.map(() => 'new'))
    expect(new Set(calls)).toEqual(new Set([1]))
  })

  test('a client that does not know that it talks to a Cluster gets its answers too', async (context) => {
    const reason = await missing('redis-cluster')
    context.skip(reason !== undefined, reason)
    const url = (await redisClusterUrls())?.[0] ?? ''
    const { client, close } = await openIoredis(url)
    ends.push(close)
    const prefix = freshPrefix()
    // Keys of this node, in different slots.
    const [[, last]] = (await client.cluster('SLOTS')) as [[number, number]]
    const slotted = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const slot = await client.cluster('KEYSLOT', `${prefix}key-${index}`)
        return Number(slot) <= last ? [`key-${index}`] : []
      }),
    )
    const keys = slotted.flat()
    expect(keys.length).toBeGreaterThan(5)
    const store = redisStore({ client, prefix })
    for (let round = 0; round < 2; round++) {
      const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
      expect(outcomes.map(({ status }) => status)).toEqual(keys.map(() => 'new'))
    }
    for (const key of keys) await store.release(key, 'mine')
  })
})

describe('settings', () => {
  const engines = (settings: Readonly<Record<string, string>>) =>
    startRedis({ settings: { appendonly: 'no', save: '', ...settings } })

  for (const policy of ['allkeys-lru', 'volatile-ttl'])
    test(`a server that may evict keys is not ready: ${policy}`, async () => {
      const engine = await engines({ 'maxmemory-policy': policy })
      ends.push(engine.stop)
      for (const { client, close } of [await openIoredis(engine.url), await openNodeRedis(engine.url)]) {
        const store = redisStore({ client })
        await expect(store.checkReady()).rejects.toMatchObject({
          code: 'unsupported',
          message: expect.stringMatching(new RegExp(`${policy}.*CONFIG SET maxmemory-policy noeviction`)),
        })
        const side = new Redis(engine.url)
        await side.config('SET', 'maxmemory-policy', 'noeviction')
        await store.checkReady()
        await side.config('SET', 'maxmemory-policy', policy)
        side.disconnect()
        await close()
      }
    })

  for (const client of clients)
    test(`a server that keeps its keys is ready, through ${client.name}`, async (context) => {
      const reason = await missing(client.engine)
      context.skip(reason !== undefined, reason)
      const { store } = await open(client)
      await store.checkReady()
      await store.close()
      await expect(store.checkReady()).rejects.toMatchObject({ code: 'store_closed' })
    })

  test('a full server refuses claims and responses with store_full, and goes on replaying and releasing', async () => {
    const engine = await engines({ 'maxmemory-policy': 'noeviction' })
    ends.push(engine.stop)
    const { client, close } = await openIoredis(engine.url)
    ends.push(close)
    const store = redisStore({ client })
    for (const key of ['early', 'claimed', 'other']) await store.begin(key, { token: 'mine' })
    await store.complete('early', 'done', { token: 'mine' })
    await client.config('SET', 'maxmemory', '1')
    const full = { code: 'store_full', message: expect.stringContaining('maxmemory') }
    for (let turn = 0; turn < 2; turn++) {
      await expect(store.begin('late')).rejects.toMatchObject(full)
      await expect(store.complete('claimed', 1, { token: 'mine' })).rejects.toMatchObject(full)
      await expect(store.renew('claimed', 'mine')).rejects.toMatchObject(full)
      expect(await store.begin('early')).toMatchObject({ status: 'completed', response: 'done' })
      expect(await store.begin('claimed')).toMatchObject({ status: 'in_progress' })
    }
    await store.release('other', 'mine')
    await client.config('SET', 'maxmemory', '0')
    await store.complete('claimed', 1, { token: 'mine' })
    expect(await store.begin('late')).toMatchObject({ status: 'new' })
  })

  test('a server that wants a password says so without showing any', async () => {
    const engine = await engines({})
    ends.push(engine.stop)
    const side = new Redis(engine.url)
    await side.config('SET', 'requirepass', 'not-to-be-shown')
    side.disconnect()
    const noauth = await openIoredis(engine.url, { enableReadyCheck: false })
    ends.push(noauth.close)
    const failure = await redisStore({ client: noauth.client })
      .begin('key')
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('password') })
    expect(String(failure)).not.toContain('not-to-be-shown')
    expect(toRedisError(new Error('connect redis://user:secret@host:1 refused'), 'Redis').message).not.toContain(
      'secret',
    )
  })

  test('a user without the rights is told which it needs', async () => {
    const engine = await engines({})
    ends.push(engine.stop)
    const side = new Redis(engine.url)
    await side.call('ACL', 'SETUSER', 'weak', 'on', '>secret-word', '~*', '+@read', '+@connection', '+info')
    side.disconnect()
    const { client, close } = await openIoredis(engine.url, { username: 'weak', password: 'secret-word' })
    ends.push(close)
    const failure = await redisStore({ client })
      .begin('key')
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('EVALSHA') })
    expect(String(failure)).not.toContain('secret-word')
  })

  test('the rights that the page names are enough', async () => {
    const engine = await engines({})
    ends.push(engine.stop)
    const side = new Redis(engine.url)
    const rights = ['eval', 'evalsha', 'time', 'get', 'set', 'del', 'scan', 'getrange', 'info', 'pubsub', 'publish']
    const granted = [...rights, 'subscribe', 'unsubscribe', 'wait'].map((right) => `+${right}`)
    await side.call('ACL', 'SETUSER', 'enough', 'on', '>word', '~retrysafe:*', '&retrysafe:*', ...granted)
    side.disconnect()
    const login = { username: 'enough', password: 'word' }
    const [own, listening] = [await openIoredis(engine.url, login), await openIoredis(engine.url, login)]
    ends.push(own.close, listening.close)
    const store = redisStore({ client: own.client, subscriber: listening.client })
    await store.checkReady()
    await store.begin('key', { token: 'mine' })
    const woken = store.wake('key', new AbortController().signal)
    await store.renew('key', 'mine', { checkpoint: 1 })
    await store.complete('key', 1, { token: 'mine' })
    await woken
    expect((await store.list()).records).toHaveLength(1)
    expect(await store.delete('key')).toBe(true)
  })
})

describe('connections', () => {
  test('through node-redis, which sends nothing again, a claim whose answer was lost is given again', async () => {
    const engine = await startRedis({ settings: { appendonly: 'no' } })
    ends.push(engine.stop)
    const proxy = await startFaultProxy(engine.url)
    ends.push(proxy.stop)
    const { client, close } = await openNodeRedis(proxy.through(engine.url))
    ends.push(close)
    const store = redisStore({ client })
    await store.get('warm')
    const cut = proxy.cutOnNext({ from: 'server', after: 'the-key' })
    const first = store.begin('the-key', { token: 'mine' })
    await expect(first).rejects.toMatchObject({ code: 'store_unavailable' })
    await cut
    expect(await store.begin('the-key', { token: 'mine' })).toMatchObject({ status: 'new', attempt: 1 })
    expect(await store.begin('the-key')).toMatchObject({ status: 'in_progress', attempt: 1 })
  })

  test('closing answers what is under way, and leaves the client open', async () => {
    const { client, close } = await ioredis.open()
    ends.push(close)
    const store = redisStore({ client, prefix: freshPrefix() })
    const claims = ['a', 'b', 'c'].map((key) => store.begin(key))
    await store.close()
    expect((await Promise.all(claims)).map(({ status }) => status)).toEqual(['new', 'new', 'new'])
    await expect(store.begin('late')).rejects.toMatchObject({ code: 'store_closed' })
    expect(await (client as Redis).ping()).toBe('PONG')
  })

  test('without a subscriber there is no push; with one, closing ends all waits', async () => {
    const silent = await open()
    expect(isWakeable(silent.store)).toBe(false)
    const [own, listening] = [await ioredis.open(), await ioredis.open()]
    ends.push(own.close, listening.close)
    const store = redisStore({ client: own.client, subscriber: listening.client as Redis, prefix: freshPrefix() })
    expect(isWakeable(store)).toBe(true)
    await store.begin('key')
    const waits = [store.wake('key', new AbortController().signal), store.wake('key', new AbortController().signal)]
    await store.close()
    expect(await Promise.all(waits)).toEqual([undefined, undefined])
    await expect(store.wake('key', new AbortController().signal)).rejects.toMatchObject({ code: 'store_closed' })
    expect(await (listening.client as Redis).ping()).toBe('PONG')
  })

  test('only clients and values that can be are accepted', async () => {
    const { client, close } = await ioredis.open()
    ends.push(close)
    const wrong: readonly object[] = [
      {},
      { client: {} },
      { client: 'redis://127.0.0.1' },
      { client, prefix: '' },
      { client, prefix: 7 },
      { client, prefix: 'a'.repeat(201) },
      { client, subscriber: {} },
      { client, waitForReplicas: 1 },
      { client, waitForReplicas: { count: 0 } },
      { client, waitForReplicas: { timeoutMs: 0 } },
    ]
    for (const options of wrong)
      expect(() => redisStore(options as never), JSON.stringify(Object.keys(options))).toThrowError(/must be/)
  })
})
