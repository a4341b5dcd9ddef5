import { RetrysafeError, type StoredValue } from 'retrysafe'
import { type FaultPlan, faultyStore } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { codeOf, gate, simulatedWorld, thrownBy, watched } from './simulated-world.js'

const leaseMs = 30_000
const down = new Error('down')
const failsFirst =
  (times: number): FaultPlan =>
  ({ method, number }) =>
    method === 'complete' && number <= times ? { kind: 'fail', error: down } : undefined

test('a response is stored with its token, its kind and its retention', async () => {
  const { memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, retentionMs: 5000 })
  await run('value', () => ({ id: 1 }))
  await run('void', () => {})
  const completions = store.calls.filter(({ method }) => method === 'complete').map(({ args }) => args)
  const token = expect.any(String) as string
  expect(completions).toEqual([
    ['value', { id: 1 }, { token, kind: 'value', retentionMs: 5000 }],
    ['void', null, { token, kind: 'void', retentionMs: 5000 }],
  ])
})

test('a completion is repeated ever more rarely, through a drain too, and the caller waits one lease at most', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, failsFirst(12))
  const { run, drain } = open({ store, leaseMs })
  const seen = watched(run('key', () => 'true'))
  await clock.advance(leaseMs - 10)
  expect(seen.outcome).toBe('pending')
  await clock.advance(30)
  expect(seen.outcome).toBe('true')
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'response_not_stored'])
  expect(events[1]).toMatchObject({ storeKey: 'key', attempt: 1, error: down })
  const drained = watched(drain())
  await clock.advance(1000)
  // At 0, 50, 150, 350, 750, 1550, 3150, 6350, and then each 5 seconds.
  expect(store.calls.filter(({ method }) => method === 'complete')).toHaveLength(8 + 4)
  expect(drained.outcome).toBe('pending')
  await clock.advance(5000)
  expect(drained.outcome).toBeUndefined()
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'response_not_stored', 'completed'])
  expect(await run('key', () => 'never')).toBe('true')
})

test('a response whose lease was over when the work ended has a second all the same to be stored', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'complete', fault: { kind: 'slow', ms: 900, after: true } }], { clock })
  const { run } = open({ store, leaseMs })
  const seen = watched(
    run('key', () => {
      clock.jump(2 * leaseMs) // the machine slept
      return 'true'
    }),
  )
  await clock.advance(800)
  expect([seen.outcome, events.map(({ type }) => type)]).toEqual(['pending', ['claimed']])
  await clock.advance(100)
  expect([seen.outcome, events.map(({ type }) => type)]).toEqual(['true', ['claimed', 'completed']])
})

test('where the lease is shorter than a second, a response has as long as it to be stored', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'complete', fault: { kind: 'hang' } }])
  const { run } = open({ store, leaseMs: 300 })
  const seen = watched(
    run('key', () => {
      clock.jump(1000)
      return 'true'
    }),
  )
  await clock.advance(290)
  expect(seen.outcome).toBe('pending')
  await clock.advance(30)
  expect(seen.outcome).toBe('true')
})

test('a completion that turns out late to be lost is heard of', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, failsFirst(12))
  const { run, drain } = open({ store, leaseMs })
  void run('key', () => 'true')
  await clock.advance(leaseMs + 20)
  await memory.begin('key', { token: 'successor' })
  await clock.advance(20_000)
  await drain()
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'response_not_stored', 'lost'])
})

test.each(['unsupported', 'store_corrupt', 'invalid_key', 'invalid_option', 'store_closed'] as const)(
  'a completion that is refused with %s is not repeated, and neither its caller nor drain waits',
  async (code) => {
    const { clock, memory, open, events } = simulatedWorld()
    const error = new RetrysafeError(code, 'no')
    const store = faultyStore(memory, [{ method: 'complete', fault: { kind: 'fail', error } }])
    const { run, drain } = open({ store, leaseMs })
    const seen = watched(run('key', () => 'true'))
    await clock.advance(0)
    expect(seen.outcome).toBe('true')
    await drain()
    expect(events.at(-1)).toMatchObject({ type: 'response_not_stored', error })
    expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'complete'])
  },
)

test('while a completion is tried, no heartbeat touches the claim', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, failsFirst(9))
  const { run } = open({ store, leaseMs })
  void run('key', () => 'true')
  await clock.advance(20_000)
  expect(store.calls.some(({ method }) => method === 'renew')).toBe(false)
})

test('the caller waits only for what is left of the lease', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, ({ method }) => (method === 'complete' ? { kind: 'hang' } : undefined))
  const { run } = open({ store, leaseMs })
  const seen = watched(run('key', () => clock.sleep(8000).then(() => 'true')))
  await clock.advance(leaseMs - 10)
  expect(seen.outcome).toBe('pending')
  await clock.advance(30)
  expect(seen.outcome).toBe('true')
  expect(codeOf(events.at(-1)?.error)).toBe('store_unavailable')
})

test('a completion is given up when the retention has passed, and drain ends', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'complete', fault: { kind: 'fail' } }])
  const { run, drain } = open({ store, leaseMs, retentionMs: 100_000 })
  const first = watched(run('key', () => 'true'))
  await clock.advance(1000)
  const drained = watched(drain())
  await clock.advance(98_000)
  expect([first.outcome, drained.outcome]).toEqual(['true', 'pending'])
  await clock.advance(6000)
  expect(drained.outcome).toBeUndefined()
  const asked = store.calls.length
  await clock.advance(1_000_000)
  expect(store.calls).toHaveLength(asked)
})

test('a completion is given up when the store is closed, and the caller has its response', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const { run, drain } = open()
  const seen = watched(run('key', () => memory.close().then(() => 'true')))
  await clock.advance(0)
  expect(seen.outcome).toBe('true')
  expect(codeOf(events.at(-1)?.error)).toBe('store_closed')
  await drain()
})

test('a completion that is stored in time is heard of once, and leaves no alarm behind', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const { run } = open({ store: faultyStore(memory, failsFirst(2)), leaseMs })
  const seen = watched(run('key', () => 'true'))
  await clock.advance(200)
  expect(seen.outcome).toBe('true')
  await clock.advance(10 * leaseMs)
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'completed'])
  expect(clock.pending).toBe(0)
})

test.each(['value_too_large', 'value_not_serialisable'] as const)(
  'a response that the store refuses with %s is asked of it once, and the key is completed without it',
  async (code) => {
    const { memory, open, events } = simulatedWorld()
    const refusal = new RetrysafeError(code, 'no')
    const store = faultyStore(memory, [{ method: 'complete', number: 1, fault: { kind: 'fail', error: refusal } }])
    const { run } = open({ store })
    expect(await run('key', () => 'large')).toBe('large')
    expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'complete', 'complete'])
    expect(events.map(({ type }) => type)).toEqual(['claimed', 'response_not_stored'])
    expect(events[1]?.error).toBe(refusal)
    expect(await thrownBy(run('key', () => 'never'))).toMatchObject({ code: 'response_not_stored', key: 'key' })
  },
)

test('a store that refuses even the note that a response was not stored is asked with pauses, not without', async () => {
  const { clock, memory, open } = simulatedWorld()
  const error = new RetrysafeError('value_too_large', 'no')
  const store = faultyStore(memory, [{ method: 'complete', fault: { kind: 'fail', error } }])
  const { run } = open({ store, leaseMs })
  const seen = watched(run('key', () => 'large'))
  await clock.advance(leaseMs + 20)
  expect(seen.outcome).toBe('large')
  expect(store.calls.length).toBeLessThan(20)
})

test('a response at maxStoredBytes is kept, and one byte more is not', async () => {
  const { open, memory } = simulatedWorld()
  const { run } = open({ maxStoredBytes: 1024 })
  await run('fits', () => new Uint8Array(1024))
  await run('text', () => 'x'.repeat(1022))
  await run('above', () => new Uint8Array(1025))
  const kinds = await Promise.all(['fits', 'text', 'above'].map(async (key) => (await memory.get(key))?.kind))
  expect(kinds).toEqual(['value', 'value', 'not_stored'])
})

test('what a codec throws in encode is an event; the caller has its result, and nobody runs again', async () => {
  const { open, events } = simulatedWorld()
  const { run } = open()
  const error = new Error('cannot encode')
  const codec = {
    encode: (_value: Date): StoredValue => {
      throw error
    },
    decode: (): Date => new Date(0),
  }
  const work = vi.fn(() => new Date(1))
  expect(await run('key', work, { codec })).toEqual(new Date(1))
  expect(events.map(({ type }) => type)).not.toContain('completed')
  expect(events[1]).toEqual({ type: 'response_not_stored', storeKey: 'key', attempt: 1, error })
  expect(codeOf(await thrownBy(run('key', work, { codec })))).toBe('response_not_stored')
  expect(work).toHaveBeenCalledTimes(1)
})

test('a codec is asked for undefined too, and reads null', async () => {
  const { run } = simulatedWorld().open()
  const codec = {
    encode: (value: string | undefined): StoredValue => value ?? null,
    decode: (stored: StoredValue): string | undefined => (stored === null ? 'was nothing' : String(stored)),
  }
  expect(await run('key', () => undefined, { codec })).toBeUndefined()
  expect(await run('key', () => undefined, { codec })).toBe('was nothing')
})

test('a stored response that a codec cannot read says why', async () => {
  const { run } = simulatedWorld().open()
  await run('key', () => 'text')
  const cause = new Error('no date')
  const codec = {
    encode: (): StoredValue => null,
    decode: (): string => {
      throw cause
    },
  }
  expect(await thrownBy(run('key', () => 'never', { codec }))).toMatchObject({ code: 'mismatch', key: 'key', cause })
})

test('a record of a kind that this caller cannot read is a mismatch', async () => {
  const { memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'server' })
  await memory.complete('key', {}, { token: 'server', kind: 'http' })
  expect(await thrownBy(open().run('key', () => 'never'))).toMatchObject({ code: 'mismatch', key: 'key' })
})

async function late(
  after: (world: ReturnType<typeof simulatedWorld>) => Promise<unknown>,
  store: (world: ReturnType<typeof simulatedWorld>) => object = () => ({}),
): Promise<{ outcome: unknown; types: string[] }> {
  const world = simulatedWorld()
  const { run } = world.open({ leaseMs, store: { ...world.memory, ...store(world) } })
  const end = gate()
  const seen = watched(run('key', () => end.passed.then(() => 'late')))
  await world.clock.advance(0)
  await world.memory.free('key', { attempt: 1 })
  await after(world)
  end.open()
  await world.clock.advance(0)
  return { outcome: seen.outcome, types: world.events.map(({ type }) => type) }
}

test('a late worker is told lease_lost while its successor still runs', async () => {
  const { outcome, types } = await late(({ memory }) => memory.begin('key', { token: 'successor' }))
  expect(outcome).toBe('lease_lost')
  expect(types).toEqual(['claimed', 'lost', 'late_response'])
})

test('a late worker with a fingerprint adopts the response to the same request, and to no other', async () => {
  const { memory, open } = simulatedWorld()
  const { run } = open()
  const lateTo = (key: string, successor: unknown): Promise<string> =>
    run(
      key,
      async () => {
        await memory.free(key, { attempt: 1 })
        await run(key, () => 'successor', { fingerprint: successor })
        return 'late'
      },
      { fingerprint: { amount: 1 } },
    )
  expect(await lateTo('same', { amount: 1 })).toBe('successor')
  expect(codeOf(await thrownBy(lateTo('other', { amount: 2 })))).toBe('lease_lost')
})

test('a late worker is told lease_lost where the winner cannot be read', async () => {
  const { outcome } = await late(
    ({ memory }) => memory.begin('key', { token: 'successor' }),
    () => ({ get: () => Promise.reject(new Error('down')) }),
  )
  expect(outcome).toBe('lease_lost')
})

test('a late worker adopts what its successor left: nothing, a failure, or that it was not stored', async () => {
  const completedAs = (kind: string, response: object | null) =>
    late(async ({ memory }) => {
      await memory.begin('key', { token: 'successor' })
      await memory.complete('key', response, { token: 'successor', kind })
    })
  expect((await completedAs('void', null)).outcome).toBeUndefined()
  expect((await completedAs('not_stored', null)).outcome).toBe('response_not_stored')
  const failure = { name: 'TypeError', message: 'declined', properties: {} }
  expect((await completedAs('failure', failure)).outcome).toBe('TypeError: declined')
})

test('drain resolves at once when nothing is open, and for everybody who waits for it', async () => {
  const { clock, open } = simulatedWorld()
  const { run, drain } = open()
  await drain()
  const end = gate()
  const first = run('one', () => end.passed)
  const second = run('two', () => 'done')
  await clock.advance(0)
  const third = run('three', () => clock.sleep(10).then(() => 'done'))
  await clock.advance(0)
  const [one, two] = [watched(drain()), watched(drain())]
  await clock.advance(10)
  expect([await second, await third]).toEqual(['done', 'done'])
  expect([one.outcome, two.outcome]).toEqual(['pending', 'pending'])
  end.open()
  await first
  await clock.advance(0)
  expect([one.outcome, two.outcome]).toEqual([undefined, undefined])
  await drain()
})

test('drain waits for a begin that is on its way, and for the work that it becomes', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', fault: { kind: 'slow', ms: 100 } }], { clock })
  const { run, drain } = open({ store })
  const first = watched(run('key', () => clock.sleep(100).then(() => 'done')))
  const drained = watched(drain())
  await clock.advance(199)
  expect([first.outcome, drained.outcome]).toEqual(['pending', 'pending'])
  await clock.advance(1)
  expect([first.outcome, drained.outcome]).toEqual(['done', undefined])
})

test("drain does not wait for those who wait for another process's work", async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const { run, drain } = open({ whenInProgress: { waitMs: 600_000 } })
  const waiting = watched(run('key', () => 'never'))
  await clock.advance(1000)
  await drain()
  expect(waiting.outcome).toBe('pending')
})

test.each([
  ['completes', () => 'done'],
  ['fails', () => Promise.reject(new Error('x'))],
  ['is replayed', () => 'done'],
])('after a run that %s nothing is open, and nothing sleeps for long', async (_what, work) => {
  const { clock, open } = simulatedWorld()
  const { run, drain } = open({ leaseMs })
  for (let turn = 0; turn < 2; turn++) await run('key', work as () => string).catch(() => {})
  await drain()
  await clock.advance(leaseMs)
  expect(clock.pending).toBe(0)
})
