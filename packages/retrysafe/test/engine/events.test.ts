import { createIdempotency } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'
import { simulatedWorld, thrownBy } from './simulated-world.js'

test('an operation that succeeds: claimed, completed, and replayed', async () => {
  const { clock, open, events } = simulatedWorld()
  const { run } = open()
  const first = run('key', () => clock.sleep(250).then(() => 'done'), { scope: 'tenant' })
  await clock.advance(250)
  await first
  await run('key', () => 'never', { scope: 'tenant' })
  const storeKey = 'tenant/key'
  expect(events).toEqual([
    { type: 'claimed', storeKey, attempt: 1 },
    { type: 'completed', storeKey, attempt: 1, durationMs: 250 },
    { type: 'replayed', storeKey, attempt: 1 },
  ])
})

test('an operation that fails and one that takes over a crash', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const { run } = open()
  const error = new Error('failed')
  await memory.begin('key', { leaseMs: 100 })
  await clock.advance(100)
  const failing = thrownBy(run('key', () => clock.sleep(40).then(() => Promise.reject(error) as Promise<string>)))
  await clock.advance(40)
  await failing
  expect(events).toEqual([
    { type: 'taken_over', storeKey: 'key', attempt: 2 },
    { type: 'failed', storeKey: 'key', attempt: 2, error, durationMs: 40 },
    { type: 'released', storeKey: 'key', attempt: 2, durationMs: 40 },
  ])
})

test('a refusal says why and by whom, and a response that is late says whose it was', async () => {
  const { memory, open, events } = simulatedWorld()
  const { run } = open()
  await run('used', () => 1, { fingerprint: 1 })
  await memory.begin('held')
  events.length = 0
  await thrownBy(run('used', () => 2, { fingerprint: 2 }))
  await thrownBy(run('held', () => 2))
  await run('late', async () => {
    await memory.free('late', { attempt: 1 })
    await memory.begin('late', { token: 'successor' })
    await memory.complete('late', 3, { token: 'successor' })
    return 4
  })
  expect(events).toMatchObject([
    { type: 'refused', storeKey: 'used', code: 'mismatch' },
    { type: 'refused', storeKey: 'held', code: 'in_progress', attempt: 1 },
    { type: 'claimed', storeKey: 'late', attempt: 1 },
    { type: 'lost', storeKey: 'late', attempt: 1, error: { code: 'lease_lost' } },
    { type: 'late_response', storeKey: 'late', attempt: 1 },
  ])
  expect(events).toHaveLength(5)
  expect(Object.keys(events[0] ?? {})).not.toContain('attempt')
})

test('a store that fails in begin is a refusal without a code, with what was thrown', async () => {
  const { memory, open, events } = simulatedWorld()
  const error = new Error('down')
  const { run } = open({ store: { ...memory, begin: () => Promise.reject(error) } })
  await thrownBy(run('key', () => 'never'))
  expect(events).toEqual([{ type: 'refused', storeKey: 'key', error }])
})

test('no event carries a response, a result of a step or what was fingerprinted', async () => {
  const { open, events } = simulatedWorld()
  const { run } = open()
  const secret = 'the-secret'
  const work = async ({ step }: Parameters<Parameters<typeof run>[1]>[0]) => step('one', () => secret)
  for (let turn = 0; turn < 2; turn++) await run('key', work, { fingerprint: { secret } })
  expect(events).toHaveLength(3)
  expect(JSON.stringify(events)).not.toContain(secret)
})

test('without an observer everything works as well', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  expect(await run('key', () => 1)).toBe(1)
})
