import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'
import { faultyStore } from './faulty-store.js'
import { simulatedClock } from './simulated-clock.js'

const unavailable = expect.objectContaining({ code: 'store_unavailable' }) as Error

test('a call that fails never reaches the store', async () => {
  const sound = memoryStore()
  const store = faultyStore(sound, [{ method: 'begin', number: 1, fault: { kind: 'fail' } }])
  await expect(store.begin('key')).rejects.toEqual(unavailable)
  expect(await sound.get('key')).toBeUndefined()
  expect((await store.begin('key')).status).toBe('new')
})

test('a lost answer is of a call that took effect', async () => {
  const sound = memoryStore()
  const store = faultyStore(sound, [{ method: 'complete', number: 1, fault: { kind: 'lose_answer' } }])
  await store.begin('key', { token: 'mine' })
  await expect(store.complete('key', 'done', { token: 'mine' })).rejects.toEqual(unavailable)
  expect((await sound.get('key'))?.response).toBe('done')
  await store.complete('key', 'done', { token: 'mine' })
})

test('an error of one’s own is thrown as it is', async () => {
  const error = new Error('connection reset')
  const store = faultyStore(memoryStore(), [
    { method: 'get', number: 1, fault: { kind: 'fail', error } },
    { method: 'get', number: 2, fault: { kind: 'lose_answer', error } },
  ])
  for (let call = 0; call < 2; call++) await expect(store.get('key')).rejects.toBe(error)
})

test('a slow call waits on the clock, before the store or before its answer', async () => {
  const clock = simulatedClock()
  const sound = memoryStore({ clock })
  const store = faultyStore(
    sound,
    [
      { method: 'begin', number: 1, fault: { kind: 'slow', ms: 50 } },
      { method: 'begin', number: 2, fault: { kind: 'slow', ms: 50, after: true } },
    ],
    { clock },
  )
  let answered = 0
  const calls = ['before', 'after'].map(async (key) => {
    await store.begin(key)
    answered++
  })
  await clock.advance(49)
  expect([await sound.get('before'), (await sound.get('after'))?.status, answered]).toEqual([
    undefined,
    'in_progress',
    0,
  ])
  await clock.advance(1)
  await Promise.all(calls)
  expect(answered).toBe(2)
})

test('a call that is repeated reaches the store twice and answers once', async () => {
  const store = faultyStore(memoryStore(), [{ method: 'release', fault: { kind: 'repeat' } }])
  await store.begin('key', { token: 'mine' })
  await expect(store.release('key', 'mine')).rejects.toMatchObject({ code: 'lease_lost' })
  expect((await store.begin('key')).status).toBe('new')
})

test('a crash before or after the effect never answers', async () => {
  const sound = memoryStore()
  const store = faultyStore(sound, [
    { method: 'begin', number: 1, fault: { kind: 'hang' } },
    { method: 'begin', number: 2, fault: { kind: 'hang_after' } },
  ])
  let answered = false
  for (const key of ['before', 'after'])
    void store.begin(key).then(() => {
      answered = true
    })
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect([answered, await sound.get('before'), (await sound.get('after'))?.attempt]).toEqual([false, undefined, 1])
})

test('a plan may be a function, which sees each call before it is made', async () => {
  const store = faultyStore(memoryStore(), ({ method, args, order }) =>
    method === 'begin' && args[0] === 'bad' && order > 1 ? { kind: 'fail' } : undefined,
  )
  await store.begin('bad')
  await store.begin('good')
  await expect(store.begin('bad')).rejects.toEqual(unavailable)
})

test('every call is noted in its order, those that failed too', async () => {
  const store = faultyStore(memoryStore(), [{ method: 'get', number: 2, fault: { kind: 'fail' } }])
  await store.begin('a', { token: 'mine' })
  await store.get('a')
  await store.get('b').catch(() => undefined)
  expect(store.calls).toEqual([
    { method: 'begin', args: ['a', { token: 'mine' }], number: 1, order: 1 },
    { method: 'get', args: ['a'], number: 1, order: 2 },
    { method: 'get', args: ['b'], number: 2, order: 3 },
  ])
})

test('it offers what the store behind it offers', async () => {
  const store = faultyStore(memoryStore(), [{ method: 'list', number: 2, fault: { kind: 'fail' } }])
  await store.begin('a')
  expect((await store.list()).records).toHaveLength(1)
  await expect(store.list()).rejects.toEqual(unavailable)
  expect(await store.free('a', { attempt: 1 })).toBe(true)
  const { begin, complete, get, renew, release, purge, close } = memoryStore()
  expect('list' in faultyStore({ begin, complete, get, renew, release, purge, close })).toBe(false)
})
