import { inspect } from 'node:util'
import { missing, startRedis } from '@retrysafe/engines'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { toRedisError } from '../../../src/stores/redis/errors.js'
import { redisStore } from '../../../src/stores/redis.js'
import { openIoredis, openIovalkey, openNodeRedis } from './open.js'

/* What the server refuses, and what of it the store tells. */

const ends: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})
beforeEach(async (context) => {
  const reason = await missing('redis')
  context.skip(reason !== undefined, reason)
})

async function startServer(settings: Readonly<Record<string, string>> = {}) {
  const engine = await startRedis({ settings: { appendonly: 'no', save: '', ...settings } })
  ends.push(engine.stop)
  const side = await openIoredis(engine.url)
  ends.push(side.close)
  return { url: engine.url, side: side.client }
}

const openers = { ioredis: openIoredis, iovalkey: openIovalkey, 'node-redis': openNodeRedis }

describe('an error', () => {
  for (const [name, open] of Object.entries(openers))
    test(`shows no key, token or response of the calls that shared it, through ${name}`, async () => {
      const { url, side } = await startServer()
      const { client, close } = await open(url)
      ends.push(close)
      const store = redisStore({ client })
      const keys = ['secret-one', 'secret-two']
      for (const key of keys) await store.begin(key, { token: 'secret-token' })
      await side.config('SET', 'maxmemory', '1')
      const refused = await Promise.allSettled(
        keys.map((key) => store.complete(key, 'secret-value', { token: 'secret-token' })),
      )
      for (const end of refused) {
        const error: unknown = end.status === 'rejected' ? end.reason : end
        expect(error).toMatchObject({ code: 'store_full', cause: { message: expect.stringContaining('OOM') } })
        expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('secret')
        // Where in the client it arose is told all the same.
        expect((error as { cause: Error }).cause.stack).toMatch(/node_modules/)
      }
    })
})

test('why the last node of a Cluster failed is told', () => {
  const command = { name: 'evalsha', args: ['secret'] }
  const lastNodeError = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', command })
  const error = toRedisError(Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError }), 'Redis')
  expect(error).toMatchObject({ code: 'store_unavailable', cause: { cause: { code: 'ECONNREFUSED' } } })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('secret')
})

describe('a user without the rights to tell others', () => {
  const lacking: Readonly<Record<string, readonly string[]>> = {
    'no channel': ['+pubsub', '+publish'],
    'no PUBSUB': ['&retrysafe:*', '+publish'],
    'no PUBLISH': ['&retrysafe:*', '+pubsub'],
  }
  for (const [name, rights] of Object.entries(lacking))
    test(`ends all the same what is waited for, all at once: ${name}`, async () => {
      const { url, side } = await startServer()
      const granted = ['+eval', '+evalsha', '+time', '+get', '+set', '+del', '+info', ...rights]
      await side.call('ACL', 'SETUSER', 'mute', 'on', '>word', '~*', ...granted)
      const login = { username: 'mute', password: 'word' }
      const [mute, listening] = [await openIoredis(url, login), await openIoredis(url)]
      ends.push(mute.close, listening.close)
      const store = redisStore({ client: mute.client, subscriber: listening.client })
      const [first, second, third] = ['first', 'second', 'third'] as const
      for (const key of [first, second, third]) await store.begin(key, { token: 'mine' })
      const over = new AbortController()
      const waits = [first, second, third].map((key) => store.wake(key, over.signal))
      await expect.poll(() => side.pubsub('CHANNELS')).toHaveLength(3)
      await Promise.all([first, second].map((key) => store.complete(key, key, { token: 'mine' })))
      await store.release(third, 'mine')
      expect(await store.begin(first)).toMatchObject({ status: 'completed', response: first })
      expect(await store.begin(second)).toMatchObject({ status: 'completed', response: second })
      expect(await store.get(third)).toBeUndefined()
      over.abort()
      await Promise.all(waits)
    })

  test('is told which rights listening takes', async () => {
    const { url, side } = await startServer()
    await side.call('ACL', 'SETUSER', 'deaf', 'on', '>word', '~*', '+@all')
    const own = await openIoredis(url)
    const listening = await openIoredis(url, { username: 'deaf', password: 'word' })
    ends.push(own.close, listening.close)
    const store = redisStore({ client: own.client, subscriber: listening.client })
    await expect(store.wake('key', new AbortController().signal)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/PUBLISH.*SUBSCRIBE.*channels/),
    })
  })
})
