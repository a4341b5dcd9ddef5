import { readFileSync } from 'node:fs'
import { missing, startRedis } from '@retrysafe/engines'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type RedisStore, redisStore } from '../../../src/stores/redis.js'
import { clients, ioredis, iovalkey, nodeRedis, openIoredis, openRedis, openSide } from './open.js'

/* What stands in Redis, and for how long. */

const opened: { close(): Promise<unknown> }[] = []
afterAll(async () => {
  for (const one of opened) await one.close()
})
beforeEach(async (context) => {
  const reason = await missing('redis')
  context.skip(reason !== undefined, reason)
})

async function open(client = ioredis) {
  const found = await openRedis(client)
  const side = await openSide(client.engine)
  opened.push(found, { close: async () => side.disconnect() })
  return { ...found, side, at: (key: string): string => found.prefix + key }
}

describe('the string of a key', () => {
  test('its TTL ends with the record, so that Redis itself gives the memory back', async () => {
    const { store, side, at } = await open()
    await store.begin('key', { token: 'mine', leaseMs: 60_000, retentionMs: 3_600_000 })
    const ends = async (): Promise<number> => (await side.pexpiretime(at('key'))) + 1
    expect(await ends()).toBe((await store.get('key'))?.expiresAt?.getTime())
    await store.renew('key', 'mine', { leaseMs: 120_000, checkpoint: 1 })
    expect(await ends()).toBe((await store.get('key'))?.expiresAt?.getTime())
    await store.release('key', 'mine')
    expect(await ends()).toBe((await store.get('key'))?.expiresAt?.getTime())
    await store.begin('key', { token: 'next' })
    expect(await ends()).toBe((await store.get('key'))?.expiresAt?.getTime())
    await store.complete('key', 'done', { token: 'next', retentionMs: 1000 })
    const record = await store.get('key')
    expect(await ends()).toBe(record?.expiresAt?.getTime())
    expect((record?.expiresAt?.getTime() ?? 0) - (record?.updatedAt.getTime() ?? 0)).toBe(1000)
  })

  test('an uncertain claim has no end until it is settled', async () => {
    const { store, side, at } = await open()
    await store.begin('key', { token: 'mine', afterCrash: 'uncertain' })
    expect(await side.pttl(at('key'))).toBe(-1)
    await store.renew('key', 'mine', { checkpoint: { step: 1 } })
    expect(await side.pttl(at('key'))).toBe(-1)
    await store.renew('key', 'mine', { leaseMs: 0 })
    expect(await side.pttl(at('key'))).toBe(-1)
    await store.begin('key', { token: 'next', rerunAttempt: 1 })
    expect(await side.pttl(at('key'))).toBe(-1)
    await store.complete('key', 1, { token: 'next' })
    expect(await side.pttl(at('key'))).toBeGreaterThan(0)
  })

  test('a claim and a response whose TTL somebody took away are over all the same', async () => {
    const { store, side, at, age } = await open()
    for (const key of ['claimed', 'completed']) {
      await store.begin(key, { token: 'mine', leaseMs: 1000, retentionMs: 1000 })
      if (key === 'completed') await store.complete(key, 'done', { token: 'mine' })
      // Just before its end, so that it is still there to be kept.
      await side.persist(at(key))
      const text = (await side.get(at(key))) ?? ''
      await age(key, 1)
      const aged = text.replace(/\n\d{13}/, (instant) => `\n${Number(instant) - 10_000}`)
      await side.set(at(key), aged)
      expect(await store.get(key)).toBeUndefined()
      await expect(store.complete(key, 'late', { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
      await expect(store.renew(key, 'mine')).rejects.toMatchObject({ code: 'lease_lost' })
      await expect(store.release(key, 'mine')).rejects.toMatchObject({ code: 'lease_lost' })
      expect(await store.begin(key)).toMatchObject({ status: 'new', attempt: 1 })
    }
  })

  test('replays, waiting duplicates, mismatches and repeated claims write nothing', async () => {
    const { store, side, at } = await open()
    await store.begin('key', { token: 'mine', fingerprint: 'v1:a' })
    const untouched = async (asks: readonly (() => Promise<unknown>)[]): Promise<void> => {
      await side.watch(at('key'))
      for (const ask of asks) await ask().catch(() => undefined)
      // Redis gives nothing back where anybody has touched the key meanwhile, be it with the same value.
      expect(await side.multi().ping().exec()).not.toBeNull()
    }
    const asks = [
      () => store.begin('key'),
      () => store.begin('key', { token: 'mine', fingerprint: 'v1:a' }),
      () => store.begin('key', { fingerprint: 'v1:b' }),
      () => store.get('key'),
      () => store.complete('key', 'no', { token: 'stranger' }),
      () => store.renew('key', 'stranger', { checkpoint: 1 }),
      () => store.release('key', 'stranger'),
      () => store.free('key', { attempt: 7 }),
      () => store.list(),
    ]
    await untouched(asks)
    await store.complete('key', 'done', { token: 'mine' })
    await untouched([...asks, () => store.complete('key', 'again', { token: 'mine' })])
  })

  test('text is kept as it is, other bytes as base64, and both come back byte for byte', async () => {
    const { store, side, at } = await open()
    const values = {
      text: new TextEncoder().encode('\ufeff{"größe":1}\r\n\0\t€\u{1f600}'),
      binary: Uint8Array.from({ length: 256 }, (_, index) => index),
      surrogate: Uint8Array.of(0xed, 0xa0, 0x80),
      empty: new Uint8Array(),
    }
    for (const [key, value] of Object.entries(values)) {
      await store.begin(key, { token: 'mine' })
      await store.complete(key, value, { token: 'mine' })
      expect(await store.begin(key)).toMatchObject({ response: value })
    }
    expect(await side.get(at('text'))).toContain('größe')
    expect(await side.strlen(at('binary'))).toBeLessThan(256 * 1.34 + 200)
  })

  test('what one client wrote every other one reads', async () => {
    const values = ['text', { ünï: [1, -0] }, Uint8Array.of(0, 255), new TextEncoder().encode('text')]
    const { store, prefix } = await open(nodeRedis)
    for (const [index, value] of values.entries()) {
      await store.begin(`key-${index}`, { token: 'mine' })
      await store.complete(`key-${index}`, value, { token: 'mine' })
    }
    for (const client of [ioredis, iovalkey, ...clients.filter(({ name }) => name.includes('types of its own'))]) {
      const other = await openRedis(client, { prefix })
      opened.push(other)
      for (const [index, value] of values.entries())
        expect(await other.store.begin(`key-${index}`), client.name).toMatchObject({ response: value })
    }
  })

  test('records of format 1 are read as they were written', async () => {
    const { store, side, at } = await open()
    const fixture = readFileSync(new URL('../fixtures/redis-1.json', import.meta.url), 'utf8')
    const { records } = JSON.parse(fixture) as { records: Record<string, string> }
    for (const [key, text] of Object.entries(records)) await side.set(at(key), text)
    expect(await store.begin('binary')).toMatchObject({ status: 'completed', response: Uint8Array.of(0, 255, 7) })
    expect(await store.begin('text')).toMatchObject({ response: new TextEncoder().encode('\ufeffünï\n\t\0') })
    expect(await store.begin('tenant/{ünï}', { fingerprint: 'v1:abc' })).toEqual({
      status: 'completed',
      response: { paid: true, amount: -0 },
      kind: 'http',
      attempt: 2,
      completedAt: new Date(1_767_225_600_000),
      expiresAt: new Date(4_102_444_800_000),
    })
    expect(await store.begin('uncertain')).toEqual({ status: 'uncertain', attempt: 3, checkpoint: { step: 1 } })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await store.begin('withheld', { token: 't5' })).not.toHaveProperty('checkpoint')
    const next = await store.begin('released', { token: 'next' })
    expect(next).toMatchObject({ status: 'new', attempt: 3, checkpoint: [1] })
    await store.complete('running', 'done', { token: 't4' })
    expect(await store.get('running')).toMatchObject({ fingerprint: 'v1:abc', createdAt: new Date(1_767_225_600_000) })
  })
})

describe('what is not ours under a key', () => {
  const foreign: readonly (readonly [string, string, (store: RedisStore) => Promise<unknown>])[] = [
    ['begin', 'store_corrupt', (store) => store.begin('bad')],
    ['get', 'store_corrupt', (store) => store.get('bad')],
    ['complete', 'store_corrupt', (store) => store.complete('bad', 1, { token: 'mine' })],
    ['renew', 'store_corrupt', (store) => store.renew('bad', 'mine')],
    ['release', 'store_corrupt', (store) => store.release('bad', 'mine')],
    ['free', 'store_corrupt', (store) => store.free('bad', { attempt: 1 })],
    ['list', 'store_corrupt', (store) => store.list()],
  ]
  const texts = [
    '',
    '1',
    '1p',
    '1pmine\t',
    '1pmine\t\n',
    'something else',
    '1x\t\t1\t1\t1\tr\t0\t0\n1\t1\t1\t1\n\n',
    '{"a":1}',
  ]

  for (const client of [ioredis, nodeRedis])
    test(`is store_corrupt through ${client.name}, alone in its batch, and left as it is`, async () => {
      const { store, side, at } = await open(client)
      const judge = async (): Promise<void> => {
        for (const [name, code, ask] of foreign) await expect(ask(store), name).rejects.toMatchObject({ code })
        const ends = await Promise.allSettled([store.begin('a'), store.begin('bad'), store.begin('b')])
        expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      }
      for (const text of texts) {
        await side.set(at('bad'), text)
        await judge()
        expect(await side.get(at('bad'))).toBe(text)
      }
      await side.del(at('bad'))
      await side.hset(at('bad'), 'a', 1)
      await judge()
      expect(await side.hgetall(at('bad'))).toEqual({ a: '1' })
    })

  test('a record of a later version is refused alone, and nothing changes it', async () => {
    const { store, side, at } = await open()
    const text = '2pmine\tand something new'
    await side.set(at('late'), text)
    const ends = await Promise.allSettled([store.begin('a'), store.begin('late'), store.begin('b')])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    for (const call of [
      () => store.begin('late'),
      () => store.complete('late', 1, { token: 'mine' }),
      () => store.renew('late', 'mine'),
      () => store.release('late', 'mine'),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'unsupported', key: 'late' })
    expect(await side.get(at('late'))).toBe(text)
  })
})

describe('keys', () => {
  for (const client of clients.filter(({ name }) =>
    /^(ioredis|a Cluster of ioredis|a cluster of node|a pool)/.test(name),
  ))
    test(`of any characters are listed in the order of their bytes through ${client.name}`, async (context) => {
      const reason = await missing(client.engine)
      context.skip(reason !== undefined, reason)
      const { store, side, prefix } = await open(client)
      const keys = [
        '{',
        '{}',
        '{a}b',
        'a*',
        'a?',
        '[a]',
        'a\\',
        '\u00e9',
        'e\u0301',
        '\uffff',
        '\u{1f600}',
        'a',
        'ab',
        ' ',
        'A',
      ]
      await Promise.all(keys.map((key) => store.begin(key, { token: key })))
      // A prefix that is no pattern: this key is not under it.
      await side.set(prefix.replace('t-', 't?'), 'foreign')
      const sorted = keys.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      const seen: string[] = []
      for (let cursor: string | undefined; ; ) {
        const page = await store.list({ limit: 4, cursor })
        seen.push(...page.records.map(({ key }) => key))
        cursor = page.cursor
        if (cursor === undefined) break
      }
      expect(seen).toEqual(sorted)
      const starred = await store.list({ prefix: 'a*' })
      expect(starred.records.map(({ key }) => key)).toEqual(['a*'])
      await side.del(prefix.replace('t-', 't?'))
    })

  test('are listed without what they hold, however large it is', async () => {
    const engine = await startRedis({ settings: { appendonly: 'no', save: '' } })
    const [own, side] = [await openIoredis(engine.url), await openIoredis(engine.url)]
    opened.push({ close: engine.stop }, own, side)
    const store = redisStore({ client: own.client })
    const keys = Array.from({ length: 300 }, (_, index) => `key-${String(index).padStart(3, '0')}`)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine', fingerprint: 'ü'.repeat(255) })))
    const value = 'x'.repeat(256 * 1024)
    await Promise.all(keys.map((key) => store.complete(key, value, { token: 'mine' })))
    const sent = async (): Promise<number> =>
      Number(/total_net_output_bytes:(\d+)/.exec(await side.client.info('stats'))?.[1])
    const before = await sent()
    const { records } = await store.list({ limit: 1000 })
    expect(await sent()).toBeLessThan(before + 300 * 1024)
    expect(records.map(({ key, status }) => [key, status])).toEqual(keys.map((key) => [key, 'completed']))
    expect(records[299]).toMatchObject({ kind: 'value', fingerprint: 'ü'.repeat(255) })
  })

  test('more than one SCAN gives are listed once each', async () => {
    const { store } = await open()
    const keys = Array.from({ length: 3000 }, (_, index) => `key-${String(index).padStart(4, '0')}`)
    await Promise.all(keys.map((key) => store.begin(key)))
    const page = await store.list({ limit: 1000 })
    expect(page.records.map(({ key }) => key)).toEqual(keys.slice(0, 1000))
    const last = await store.list({ limit: 1000, cursor: 'key-2500' })
    expect(last.records.map(({ key }) => key)).toEqual(keys.slice(2501))
    expect(last.cursor).toBeUndefined()
  })
})
