import { RetrysafeError } from 'retrysafe'
import { faultyStore } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { codeOf, simulatedWorld, thrownBy, watched } from './simulated-world.js'

const leaseMs = 30_000
const lost = new Error('lost')

test('a begin without an answer is given back for two leases, ever more rarely, and drain waits for an answer', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', number: 1, fault: { kind: 'fail', error: lost } }])
  const { run, drain } = open({ store, leaseMs })
  expect(String(await thrownBy(run('key', () => 'never')))).toBe('Error: lost')
  await drain()
  await clock.advance(2 * leaseMs - 1)
  const releases = store.calls.filter(({ method }) => method === 'release')
  expect(new Set(releases.map(({ args }) => args[1])).size).toBe(1)
  expect(releases).toHaveLength(7 + Math.floor((60_000 - 6350) / 5000) + 1) // 0, 50, 150, 350, … 6350, then each 5 s
  const asked = store.calls.length
  await clock.advance(10 * leaseMs)
  expect(store.calls).toHaveLength(asked)
  expect(clock.pending).toBe(0)
})

test('under uncertain drain waits as long as a begin without an answer may still land', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', number: 1, fault: { kind: 'fail', error: lost } }])
  const { run, drain } = open({ store, leaseMs, afterCrash: 'uncertain' })
  await thrownBy(run('key', () => 'never'))
  const drained = watched(drain())
  await clock.advance(2 * leaseMs - 1)
  expect(drained.outcome).toBe('pending')
  await clock.advance(20)
  expect(drained.outcome).toBeUndefined()
})

test('what an outage leaves is given back a few at a time, and drain ends with the first answer about each', async () => {
  const { clock, memory, open } = simulatedWorld()
  let down = true
  const store = faultyStore(
    memory,
    ({ method, args }) => {
      if (method !== 'begin' && method !== 'release') return undefined
      // Each second one reaches the store, and its answer is lost.
      if (method === 'begin') return { kind: Number(args[0]) % 2 === 0 ? 'lose_answer' : 'fail' }
      return down ? { kind: 'fail' } : { kind: 'slow', ms: 1 }
    },
    { clock },
  )
  let [inFlight, most] = [0, 0]
  const counted = {
    ...store,
    release: (...args: Parameters<typeof store.release>) => {
      most = Math.max(most, ++inFlight)
      return store.release(...args).finally(() => inFlight--)
    },
  }
  const { run, drain } = open({ store: counted, leaseMs })
  const keys = Array.from({ length: 1000 }, (_, index) => String(index))
  await Promise.all(keys.map((key) => thrownBy(run(key, () => 'never'))))
  const drained = watched(drain())
  const releases = (): number => store.calls.filter(({ method }) => method === 'release').length
  await clock.advance(20_000)
  expect(drained.outcome).toBe('pending')
  expect(releases()).toBeLessThan(60) // a few at each of the ever rarer attempts
  down = false
  await clock.advance(6000)
  expect(drained.outcome).toBeUndefined()
  expect(most).toBe(4)
  const records = await Promise.all(keys.map((key) => memory.get(key)))
  expect(records.filter((record) => record !== undefined)).toEqual([])
})

test('of more begins without an answer than are kept, the oldest are left to their leases', async () => {
  const { clock, memory, open } = simulatedWorld()
  let down = true
  const store = faultyStore(memory, ({ method }) =>
    down ? { kind: method === 'begin' ? 'lose_answer' : 'fail' } : undefined,
  )
  const { run } = open({ store, leaseMs })
  for (let index = 0; index < 10_010; index++) await thrownBy(run(String(index), () => 'never'))
  down = false
  await clock.advance(6000)
  const left = await memory.list({ limit: 100 })
  expect(left.records.map(({ key }) => Number(key)).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('releases that never end keep neither the others nor a drain waiting for ever', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, ({ method, number }) => {
    if (method === 'begin') return number <= 6 ? { kind: 'lose_answer' } : undefined
    return method === 'release' && number <= 4 ? { kind: 'hang' } : undefined
  })
  const { run, drain } = open({ store, leaseMs })
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await thrownBy(run(key, () => 'never'))
  const drained = watched(drain())
  await clock.advance(leaseMs + 5000)
  expect(drained.outcome).toBeUndefined()
  expect((await memory.list()).records).toEqual([])
})

test('a begin without an answer is asked about at once, though older ones are waited for', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, ({ method, number }) =>
    method !== 'begin'
      ? undefined
      : number === 1
        ? { kind: 'fail' }
        : number === 2
          ? { kind: 'lose_answer' }
          : undefined,
  )
  const { run } = open({ store, leaseMs })
  await thrownBy(run('older', () => 'never'))
  await clock.advance(20_000)
  await thrownBy(run('newer', () => 'never'))
  await clock.advance(0)
  expect(await memory.get('newer')).toBeUndefined()
})

test('a claim that reaches the store after the caller has an error is given back within the two leases', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = {
    ...memory,
    begin: async (...args: Parameters<typeof memory.begin>) => {
      void clock.sleep(1.8 * leaseMs).then(() => memory.begin(...args))
      throw new Error('lost')
    },
  }
  const { run, drain } = open({ store, leaseMs })
  await thrownBy(run('key', () => 'never'))
  await clock.advance(1.8 * leaseMs)
  expect(await memory.get('key')).toMatchObject({ status: 'in_progress' })
  await clock.advance(5000)
  expect(await memory.get('key')).toBeUndefined()
  await clock.advance(5000)
  await drain()
})

test('a token without an answer is never used again: the retry has one of its own', async () => {
  const { memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', number: 1, fault: { kind: 'lose_answer' } }])
  const { run, drain } = open({ store })
  expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('store_unavailable')
  await drain() // its release was acknowledged at once
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'release'])
  expect(await run('key', () => 'done')).toBe('done')
  const tokens = store.calls.filter(({ method }) => method === 'begin').map(({ args }) => args[1])
  expect(new Set(tokens.map((asked) => (asked as { token: string }).token)).size).toBe(2)
})

test.each(['invalid_key', 'invalid_option', 'store_full', 'store_closed', 'unsupported'] as const)(
  'a begin that is refused with %s has claimed nothing, and nothing is given back',
  async (code) => {
    const { memory, open, events, clock } = simulatedWorld()
    const error = new RetrysafeError(code, 'no')
    const store = faultyStore(memory, [{ method: 'begin', fault: { kind: 'fail', error } }])
    const { run, drain } = open({ store })
    expect(await thrownBy(run('key', () => 'never'))).toBe(error)
    await clock.advance(1000)
    await drain()
    expect(store.calls.map(({ method }) => method)).toEqual(['begin'])
    expect(events).toEqual([{ type: 'refused', storeKey: 'key', error, code }])
  },
)

test('giving back ends when the store is closed', async () => {
  const { memory, open, clock } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', fault: { kind: 'fail' } }])
  const { run, drain } = open({ store })
  await thrownBy(run('key', () => 'never'))
  await clock.advance(100)
  await memory.close()
  await clock.advance(1000)
  await drain()
})
