import { faultyStore } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { simulatedWorld, watched } from './simulated-world.js'

const whenInProgress = { waitMs: 600_000 }

for (const reads of [1, 2, 7])
  test(`a push that comes while poll ${reads} reads the key is not missed`, async () => {
    const { clock, memory, open } = simulatedWorld()
    await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
    let asked = 0
    const store = {
      ...memory,
      get: async (key: string) => {
        const record = await memory.get(key)
        if (++asked === reads) await memory.complete('key', 'done', { token: 'owner' })
        return record
      },
    }
    const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
    while (asked < reads) await clock.advance(10)
    await clock.advance(0)
    expect(seen.outcome).toBe('done')
    expect(asked).toBe(reads)
  })

test('a waiter listens once, however often it polls', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  const store = faultyStore(memory)
  const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
  await clock.advance(60_000)
  const asked = store.calls.map(({ method }) => method)
  expect(asked.slice(0, 3)).toEqual(['begin', 'wake', 'get'])
  expect(asked.filter((method) => method === 'wake')).toHaveLength(1)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(0)
  expect(seen.outcome).toBe('done')
})

test('while listening fails the store is polled like one that cannot push, and it is listened to again', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  let broken = true
  const store = faultyStore(memory, ({ method }) => (broken && method === 'wake' ? { kind: 'fail' } : undefined))
  const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
  const count = (method: string): number => store.calls.filter((call) => call.method === method).length
  await clock.advance(60_000)
  expect(count('get')).toBeGreaterThan(55)
  expect(count('wake')).toBeGreaterThan(55)
  broken = false
  await clock.advance(60_000)
  const [gets, wakes] = [count('get'), count('wake')]
  await clock.advance(60_000)
  expect(count('get') - gets).toBeLessThanOrEqual(13)
  expect(count('wake')).toBe(wakes)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(0)
  expect(seen.outcome).toBe('done')
})

test('a connection that breaks while a waiter listens costs it no more than a poll', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  let sever = (): void => {}
  const store = {
    ...memory,
    wake: () =>
      new Promise<void>((_resolve, reject) => {
        sever = () => reject(new Error('connection lost'))
      }),
  }
  const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
  await clock.advance(60_000)
  sever()
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(1000)
  expect(seen.outcome).toBe('done')
})
