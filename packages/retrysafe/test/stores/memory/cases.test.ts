import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRetrysafeError } from '../../../src/contract/errors.js'
import type { BeginOptions } from '../../../src/contract/types.js'
import { createExpiryQueue } from '../../../src/stores/memory/expiry.js'
import { type MemoryStore, memoryStore } from '../../../src/stores/memory.js'
import { compareBytes } from '../../../src/stores/shared/key-order.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'
import { runStoreCase, storeCases } from '../../../src/testkit/store-cases.js'

const decadeMs = 10 * 365 * 86_400_000

describe('the store contract', () => {
  async function open(): Promise<OpenedStore> {
    const clock = simulatedClock()
    const store = memoryStore({ clock })
    return {
      store,
      scratch: 'case/',
      frozen: true,
      again: async () => store,
      age: async (_key, ms) => clock.jump(ms),
      stored: async () => {
        // Seen from long ago nothing is past its retention.
        clock.jump(-decadeMs)
        const { records } = await store.list({ prefix: 'case/', limit: 1000 })
        clock.jump(decadeMs)
        return records.length
      },
      close: () => store.close(),
    }
  }

  for (const storeCase of storeCases)
    test(storeCase.name, async (context) => {
      const result = await runStoreCase(storeCase, open)
      if (result.status === 'skipped') context.skip(result.reason)
      if (result.status === 'broken') throw result.error
      expect(result.status).toBe('held')
    })
})

describe('bounds', () => {
  test('a full store refuses a new key and loses nothing', async () => {
    const store = memoryStore({ maxEntries: 2 })
    await store.begin('running', { token: 'mine' })
    await store.begin('done', { token: 'mine' })
    await store.complete('done', 'response', { token: 'mine' })
    await expect(store.begin('third')).rejects.toMatchObject({ code: 'store_full', key: 'third' })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress' })
    expect(await store.begin('done')).toMatchObject({ status: 'completed', response: 'response' })
    await store.release('running', 'mine')
    expect(await store.begin('third')).toMatchObject({ status: 'new' })
  })

  test('bytes are bounded too, and every claim that was given can be completed as not stored', async () => {
    const store = memoryStore({ maxBytes: 64 * 1024 })
    const claimed = await claimUntilFull(store)
    expect(claimed.length).toBeGreaterThan(10)
    expect(claimed.length).toBeLessThan(64)
    for (const key of claimed) await store.complete(key, null, { token: 'mine', kind: 'not_stored' })
    for (const key of claimed) expect(await store.begin(key)).toMatchObject({ status: 'completed', kind: 'not_stored' })
  })

  test('a response that does not fit is refused and changes nothing, and the note of it still fits', async () => {
    const store = memoryStore({ maxBytes: 64 * 1024 })
    const [first = ''] = await claimUntilFull(store)
    const before = await store.get(first)
    const large = 'x'.repeat(10_000)
    await expect(store.complete(first, large, { token: 'mine' })).rejects.toMatchObject({ code: 'value_too_large' })
    await expect(store.renew(first, 'mine', { checkpoint: large })).rejects.toMatchObject({ code: 'value_too_large' })
    expect(await store.get(first)).toEqual(before)
    await store.complete(first, null, { token: 'mine', kind: 'not_stored' })
    expect(await store.get(first)).toMatchObject({ status: 'completed', kind: 'not_stored' })
  })

  test('what is past retention makes room', async () => {
    const clock = simulatedClock()
    const store = memoryStore({ maxEntries: 3, clock })
    await store.begin('short', { token: 'mine', retentionMs: 1000 })
    await store.complete('short', 1, { token: 'mine' })
    await store.begin('long', { token: 'mine' })
    await store.complete('long', 1, { token: 'mine' })
    await store.begin('uncertain', { leaseMs: 100, retentionMs: 1000, afterCrash: 'uncertain' })
    await expect(store.begin('next')).rejects.toMatchObject({ code: 'store_full' })
    clock.jump(1000)
    expect(await store.begin('next')).toMatchObject({ status: 'new' })
    await expect(store.begin('another')).rejects.toMatchObject({ code: 'store_full' })
    expect(await store.begin('uncertain')).toMatchObject({ status: 'uncertain' })
    expect(await store.begin('long')).toMatchObject({ status: 'completed' })
  })

  test('each claim removes some of what is past retention', async () => {
    const clock = simulatedClock()
    const store = memoryStore({ clock })
    for (let number = 0; number < 100; number++) await store.begin(`old-${number}`, { leaseMs: 100, retentionMs: 1000 })
    clock.jump(1100)
    for (let number = 0; number < 10; number++) await store.begin(`new-${number}`)
    expect(await store.purge()).toBe(80)
    expect(await store.purge()).toBe(0)
  })

  test('a response makes as much room as it needs of what is past retention', async () => {
    const clock = simulatedClock()
    const store = memoryStore({ maxBytes: 64 * 1024, clock })
    await claimUntilFull(store, { leaseMs: 100, retentionMs: 1000 })
    clock.jump(1100)
    await store.begin('large', { token: 'mine' })
    await store.complete('large', 'x'.repeat(60_000), { token: 'mine' })
    expect(await store.get('large')).toMatchObject({ status: 'completed' })
  })

  test('a key that is now kept until settled does not keep others from going', async () => {
    const clock = simulatedClock()
    const store = memoryStore({ clock })
    await store.begin('first', { leaseMs: 100, retentionMs: 1000 })
    await store.begin('second', { leaseMs: 200, retentionMs: 1000 })
    clock.jump(100)
    expect(await store.begin('first', { afterCrash: 'uncertain' })).toMatchObject({ status: 'new', attempt: 2 })
    clock.jump(1100)
    expect(await store.purge()).toBe(1)
  })

  test('a value counts with its UTF-8 bytes, and what is deleted no longer counts', async () => {
    const store = memoryStore({ maxBytes: 64 * 1024 })
    await store.begin('key', { token: 'mine' })
    const over = '€'.repeat(22_000)
    await expect(store.complete('key', over, { token: 'mine' })).rejects.toMatchObject({ code: 'value_too_large' })
    for (let turn = 0; turn < 20; turn++) {
      await store.complete('key', '€'.repeat(20_000), { token: 'mine' })
      await store.delete('key')
      await store.begin('key', { token: 'mine' })
    }
  })

  async function claimUntilFull(store: MemoryStore, options: BeginOptions = {}): Promise<string[]> {
    const claimed: string[] = []
    for (let number = 0; number < 1000; number++) {
      const outcome = await store.begin(`key-${number}`, { token: 'mine', ...options }).catch((error: unknown) => error)
      if (isRetrysafeError(outcome, 'store_full')) return claimed
      claimed.push(`key-${number}`)
    }
    throw new Error('The store is never full.')
  }
})

describe('eviction', () => {
  test('the oldest completed key goes first; live claims and uncertain keys stay', async () => {
    const clock = simulatedClock()
    const store = memoryStore({ maxEntries: 5, whenFull: 'evict', clock })
    await store.begin('live', { token: 'mine', leaseMs: 1000 })
    await store.begin('uncertain', { leaseMs: 100, afterCrash: 'uncertain' })
    clock.jump(100)
    for (const key of ['b', 'a', 'c']) await store.begin(key, { token: 'mine' })
    for (const key of ['b', 'a', 'c']) await store.complete(key, key, { token: 'mine' })
    const keys = async (): Promise<string[]> => (await store.list()).records.map(({ key }) => key)
    await store.begin('d', { token: 'mine' })
    expect(await keys()).toEqual(['a', 'c', 'd', 'live', 'uncertain'])
    await store.begin('e', { token: 'mine' })
    expect(await keys()).toEqual(['c', 'd', 'e', 'live', 'uncertain'])
    await store.begin('f', { token: 'mine' })
    await expect(store.begin('g')).rejects.toMatchObject({ code: 'store_full' })
    expect(await keys()).toEqual(['d', 'e', 'f', 'live', 'uncertain'])
    await store.complete('e', 'e', { token: 'mine' })
    expect(await store.begin('g')).toMatchObject({ status: 'new' })
    expect(await keys()).toEqual(['d', 'f', 'g', 'live', 'uncertain'])
  })

  test('a response that would not fit anyway evicts nobody', async () => {
    const store = memoryStore({ maxBytes: 64 * 1024, whenFull: 'evict' })
    for (const key of ['a', 'b', 'big']) await store.begin(key, { token: 'mine' })
    for (const key of ['a', 'b']) await store.complete(key, 'x'.repeat(1000), { token: 'mine' })
    const large = 'x'.repeat(70_000)
    await expect(store.complete('big', large, { token: 'mine' })).rejects.toMatchObject({ code: 'value_too_large' })
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['a', 'b', 'big'])
    await store.complete('big', 'x'.repeat(62_500), { token: 'mine' })
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['b', 'big'])
  })

  test('eviction goes on for ever', async () => {
    const store = memoryStore({ maxEntries: 100, whenFull: 'evict' })
    for (let number = 0; number < 5000; number++) {
      await store.begin(`key-${number}`, { token: 'mine' })
      await store.complete(`key-${number}`, number, { token: 'mine' })
    }
    const held = (await store.list()).records.map(({ key }) => Number(key.slice(4)))
    expect(held.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => 4900 + index))
  })
})

describe('waking', () => {
  test('a waiter is woken by whatever ends the claim, and by closing', async () => {
    const store = memoryStore({ maxEntries: 1, whenFull: 'evict' })
    const ends: (() => Promise<unknown>)[] = [
      () => store.complete('key', 1, { token: 'mine' }),
      () => store.release('key', 'mine'),
      () => store.renew('key', 'mine', { leaseMs: 0 }),
      () => store.free('key', { attempt: 1 }),
      () => store.delete('key'),
      async () => {
        await store.complete('key', 1, { token: 'mine' })
        const evicted = wakes(store)
        await store.begin('other')
        await store.delete('other')
        return evicted
      },
      () => store.close(),
    ]
    for (const end of ends) {
      await store.begin('key', { token: 'mine' })
      const woken = wakes(store)
      await end()
      await woken
      await store.delete('key').catch(() => false)
    }
  })

  test('a heartbeat and other keys wake nobody; a waiter that gives up leaves nothing behind', async () => {
    const store = memoryStore()
    await store.begin('key', { token: 'mine' })
    await store.begin('other', { token: 'mine' })
    const given = new AbortController()
    let woken = false
    const waiting = store.wake('key', given.signal).then(() => {
      woken = true
    })
    await store.renew('key', 'mine')
    await store.complete('other', 1, { token: 'mine' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(woken).toBe(false)
    given.abort()
    await waiting
    await store.wake('key', given.signal)
  })

  function wakes(store: MemoryStore): Promise<void> {
    return store.wake('key', new AbortController().signal)
  }
})

test('options that would do nothing good are refused by name', () => {
  for (const [options, name] of [
    [{ maxEntries: 0 }, 'maxEntries'],
    [{ maxEntries: 1.5 }, 'maxEntries'],
    [{ maxBytes: 1000 }, 'maxBytes'],
    [{ whenFull: 'drop' as never }, 'whenFull'],
  ] as const)
    expect(() => memoryStore(options)).toThrowError(new RegExp(`^${name} is`))
})

test('keys are ordered as their UTF-8 bytes are', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'é', '\u{d7ff}', '\u{e000}', '\u{ffff}', '😀', '\u{10ffff}'),
  })
  fc.assert(
    fc.property(text, text, (left, right) => {
      expect(Math.sign(compareBytes(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
    }),
  )
})

test('the queue of expiries gives what ends first, whatever was put, moved and removed', () => {
  const step = fc.record({ index: fc.nat(20), expiresAt: fc.nat(50), removes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = createExpiryQueue<{ expiresAt: number; place: number }>()
      const items = Array.from({ length: 21 }, () => ({ expiresAt: 0, place: -1 }))
      const held = new Set<(typeof items)[number]>()
      for (const { index, expiresAt, removes } of steps) {
        const item = items[index]
        if (item === undefined) continue
        if (removes) {
          queue.remove(item)
          held.delete(item)
        } else {
          item.expiresAt = expiresAt
          queue.put(item)
          held.add(item)
        }
        expect(queue.first()?.expiresAt ?? Infinity).toBe(Math.min(...[...held].map((one) => one.expiresAt)))
      }
    }),
  )
})
