import { faultyStore } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { gate, simulatedWorld, thrownBy, watched } from './simulated-world.js'

const leaseMs = 30_000

test('the store is asked with what the settings and the run say', async () => {
  const { memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs: 1000, retentionMs: 2000, afterCrash: 'uncertain' })
  await run('one', () => 1)
  await run('two', () => 2, { leaseMs: 3000, retentionMs: 4000, afterCrash: 'rerun', fingerprint: 0 })
  const asked = store.calls.filter(({ method }) => method === 'begin').map(({ args }) => args[1])
  const token = expect.stringMatching(/^[0-9a-f-]{36}$/) as string
  expect(asked).toEqual([
    { token, leaseMs: 1000, retentionMs: 2000, afterCrash: 'uncertain' },
    {
      token,
      leaseMs: 3000,
      retentionMs: 4000,
      afterCrash: 'rerun',
      fingerprint: expect.stringMatching(/^v1:[\w-]{43}$/) as string,
    },
  ])
  const [one, two] = await Promise.all([memory.get('one'), memory.get('two')])
  for (const [record, retentionMs] of [
    [one, 2000],
    [two, 4000],
  ] as const)
    expect((record?.expiresAt?.getTime() ?? 0) - (record?.updatedAt.getTime() ?? 0)).toBe(retentionMs)
})

test('the work sees the key as the caller gave it, its attempt, and the token that holds the claim', async () => {
  const { memory, open, clock } = simulatedWorld()
  await memory.begin('tenant/key', { leaseMs: 100 })
  await clock.advance(100)
  const { run } = open()
  const seen = await run(
    'key',
    async ({ key, attempt, token }) => {
      await memory.renew('tenant/key', token)
      return { key, attempt, token: token.length }
    },
    { scope: 'tenant' },
  )
  expect(seen).toEqual({ key: 'key', attempt: 2, token: 36 })
})

for (const [percent, renewals] of [
  [49, 0],
  [51, 1],
] as const)
  test(`work that begins ${percent} % of a lease after its begin was sent is renewed ${renewals} times first`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const store = faultyStore(
      memory,
      [{ method: 'begin', fault: { kind: 'slow', ms: (leaseMs * percent) / 100, after: true } }],
      { clock },
    )
    const { run } = open({ store, leaseMs })
    const before: unknown[] = []
    const first = run('key', () => before.push(...store.calls.slice(1).map(({ method }) => method)))
    await clock.advance(leaseMs)
    await first
    expect(before).toEqual(Array.from({ length: renewals }, () => 'renew'))
  })

for (const [percent, renewals] of [
  [49, 0],
  [51, 1],
] as const)
  test(`a step that begins ${percent} % of a lease after the last acknowledgement is renewed ${renewals} times first`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const store = faultyStore(memory, ({ method, args }) =>
      method === 'renew' && 'checkpoint' in (args[2] as object) ? undefined : undefined,
    )
    const { run } = open({ store, leaseMs })
    const before: unknown[] = []
    // The machine sleeps: only the wall clock shows it, and no heartbeat came.
    await run('key', async ({ step }) => {
      clock.jump((leaseMs * percent) / 100)
      await step('one', () => before.push(...store.calls.slice(1).map(({ method }) => method)))
    })
    expect(before).toEqual(Array.from({ length: renewals }, () => 'renew'))
  })

test('a wall clock that was set back does not make a stale claim look fresh', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', number: 1, fault: { kind: 'hang' } }])
  const { run } = open({ store, leaseMs })
  const go = gate()
  const before: unknown[] = []
  const first = run('key', async ({ step }) => {
    await go.passed
    clock.jump(-3_600_000)
    await step('one', () => before.push(...store.calls.slice(1).map(({ method }) => method)))
    return 'done'
  })
  await clock.advance(19_000)
  go.open()
  await first
  expect(before).toEqual(['renew', 'renew'])
})

for (const afterCrash of ['rerun', 'uncertain'] as const) {
  test(`under ${afterCrash}: a stale claim whose renewal fails is released, for nothing ran`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const store = faultyStore(
      memory,
      [
        { method: 'begin', fault: { kind: 'slow', ms: 20_000, after: true } },
        { method: 'renew', fault: { kind: 'fail', error: new Error('down') } },
      ],
      { clock },
    )
    const { run, drain } = open({ store, leaseMs, afterCrash })
    const work = vi.fn(() => 'late')
    const seen = watched(run('key', work))
    await clock.advance(20_000)
    expect(seen.outcome).toBe('Error: down')
    expect(work).not.toHaveBeenCalled()
    expect((await memory.begin('key')).status).toBe('new')
    await drain()
  })

  test(`under ${afterCrash}: a stale claim whose renewal is too slow is released, for nothing ran`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const store = faultyStore(
      memory,
      [
        { method: 'begin', fault: { kind: 'slow', ms: 20_000, after: true } },
        { method: 'renew', fault: { kind: 'slow', ms: 20_000 } },
      ],
      { clock },
    )
    const { run, drain } = open({ store, leaseMs, afterCrash })
    const work = vi.fn(() => 'late')
    const seen = watched(run('key', work))
    await clock.advance(40_000)
    expect(seen.outcome).toBe('lease_lost')
    expect(work).not.toHaveBeenCalled()
    expect((await memory.begin('key')).status).toBe('new')
    await drain()
  })
}

test('where the release of a stale claim fails too, its caller still learns why the work did not start', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(
    memory,
    [
      { method: 'begin', fault: { kind: 'slow', ms: 20_000, after: true } },
      { method: 'renew', fault: { kind: 'fail', error: new Error('renew is down') } },
      { method: 'release', fault: { kind: 'fail', error: new Error('release is down') } },
    ],
    { clock },
  )
  const { run, drain } = open({ store, leaseMs })
  const seen = watched(run('key', () => 'late'))
  await clock.advance(20_000)
  expect(seen.outcome).toBe('Error: renew is down')
  await drain()
  await clock.advance(10 * leaseMs)
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew', 'release']) // no heartbeats either
})

test('under uncertain the release of a stale claim is repeated until it is answered, and drain waits for it', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(
    memory,
    ({ method, number }) => {
      if (method === 'begin') return { kind: 'slow', ms: 20_000, after: true }
      return method === 'renew' || number <= 3 ? { kind: 'fail' } : undefined
    },
    { clock },
  )
  const { run, drain } = open({ store, leaseMs, afterCrash: 'uncertain' })
  const seen = watched(run('key', () => 'late'))
  await clock.advance(20_000)
  expect(seen.outcome).toBe('store_unavailable')
  const drained = watched(drain())
  await clock.advance(40)
  expect(drained.outcome).toBe('pending')
  await clock.advance(leaseMs)
  expect(drained.outcome).toBeUndefined()
  expect(await memory.begin('key')).toMatchObject({ status: 'new' })
})

test('under uncertain, where a stale claim that could not be released is lost, its release is not repeated', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(
    memory,
    ({ method, number }) => {
      if (method === 'begin') return { kind: 'slow', ms: 20_000, after: true }
      return method === 'renew' || number === 1 ? { kind: 'fail' } : undefined
    },
    { clock },
  )
  const { run, drain } = open({ store, leaseMs, afterCrash: 'uncertain' })
  const seen = watched(run('key', () => 'late'))
  await clock.advance(10_000)
  await memory.free('key', { attempt: 1 })
  await clock.advance(10_000)
  expect(seen.outcome).toBe('store_unavailable')
  await drain()
  await clock.advance(10 * leaseMs)
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew', 'release', 'release'])
})

test('a stale claim that was taken over is not released, and others are not told of it', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'begin', fault: { kind: 'slow', ms: 20_000, after: true } }], { clock })
  const { run, drain } = open({ store, leaseMs })
  const seen = watched(run('key', () => 'late'))
  await clock.advance(0)
  await memory.free('key', { attempt: 1 })
  await memory.begin('key', { token: 'successor' })
  await clock.advance(20_000)
  expect(seen.outcome).toBe('lease_lost')
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew'])
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'lost'])
  await drain()
  await memory.complete('key', 'successor', { token: 'successor' })
})

test('two instances on one store never both run, and the second replays what the first stored', async () => {
  const { open, clock } = simulatedWorld()
  const end = gate()
  const [one, two] = [open(), open()]
  let runs = 0
  const work = async (): Promise<number> => {
    runs++
    await end.passed
    return runs
  }
  const [first, second] = [watched(one.execute('key', work)), watched(two.execute('key', work))]
  await clock.advance(0)
  expect([first.outcome, second.outcome]).toEqual(['pending', 'in_progress'])
  end.open()
  await clock.advance(0)
  expect(first.outcome).toEqual({ response: 1, replayed: false, attempt: 1 })
  expect(await two.execute('key', work)).toEqual({ response: 1, replayed: true, attempt: 1 })
})

test('each way in which a key is refused says so with its code, its key and what else is known', async () => {
  const { memory, open, clock } = simulatedWorld()
  await memory.begin('stuck', { leaseMs: 100, afterCrash: 'uncertain', token: 'dead' })
  await memory.begin('used', { fingerprint: 'v1:other' })
  await clock.advance(100)
  const expiredAt = new Date(0)
  const store = {
    ...memory,
    begin: async (...args: Parameters<typeof memory.begin>) =>
      args[0] === 'over' ? ({ status: 'expired', expiredAt } as const) : memory.begin(...args),
  }
  const { run } = open({ store })
  const refused = (key: string): Promise<unknown> => thrownBy(run(key, () => 'never', { fingerprint: 1 }))
  expect(await refused('stuck')).toMatchObject({ code: 'uncertain', key: 'stuck', attempt: 1 })
  expect(await refused('used')).toMatchObject({ code: 'mismatch', key: 'used' })
  expect(await refused('over')).toMatchObject({ code: 'expired', key: 'over', expiresAt: expiredAt })
})
