import { RetrysafeError } from 'retrysafe'
import { faultyStore } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { codeOf, gate, simulatedWorld, watched } from './simulated-world.js'

const leaseMs = 30_000

test('heartbeats come each third of the lease, ask for the whole lease, and end with the work', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs })
  const end = gate()
  const first = run('key', () => end.passed.then(() => 'done'))
  const beatsAt: number[] = []
  for (let second = 1; second <= 95; second++) {
    const before = store.calls.length
    await clock.advance(1000)
    if (store.calls.length > before) beatsAt.push(second)
    expect((await memory.get('key'))?.leaseUntil?.getTime()).toBeGreaterThan(clock.now() + leaseMs / 2)
  }
  expect(beatsAt).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90])
  for (const { method, args } of store.calls.slice(1)) expect([method, args[2]]).toEqual(['renew', { leaseMs }])
  end.open()
  expect(await first).toBe('done')
  await clock.advance(10 * leaseMs)
  expect(store.calls.filter(({ method }) => method === 'renew')).toHaveLength(9)
})

test('the lease of a single run may differ, and the claim is renewed for it', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs: 60_000 })
  const end = gate()
  const first = run('key', () => end.passed, { leaseMs: 3000 })
  await clock.advance(1000)
  expect(store.calls.map(({ method, args }) => [method, (args.at(-1) as { leaseMs: number }).leaseMs])).toEqual([
    ['begin', 3000],
    ['renew', 3000],
  ])
  end.open()
  await first
})

test('a heartbeat that fails is tried again much sooner, and neither ends the claim nor aborts the work', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory, ({ method, number }) =>
    method === 'renew' && number <= 3 ? { kind: 'fail' } : undefined,
  )
  const { run } = open({ store, leaseMs })
  const end = gate()
  let signal: AbortSignal | undefined
  const first = run('key', (operation) => {
    signal = operation.signal
    return end.passed.then(() => 'done')
  })
  const renewals = (): number => store.calls.filter(({ method }) => method === 'renew').length
  await clock.advance(10_100)
  expect(renewals()).toBe(1)
  await clock.advance(9300)
  expect(renewals()).toBe(4)
  await clock.advance(9500)
  expect(renewals()).toBe(4) // the fourth was acknowledged: the next is due a third of the lease later
  await clock.advance(200)
  expect(renewals()).toBe(5)
  expect(signal?.aborted).toBe(false)
  end.open()
  expect(await first).toBe('done')
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'completed'])
})

test('with a long lease a failed heartbeat is tried again after five seconds', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', fault: { kind: 'fail' } }])
  const { run } = open({ store, leaseMs: 300_000 })
  const end = gate()
  const first = run('key', () => end.passed)
  await clock.advance(100_020)
  const renewals = (): number => store.calls.filter(({ method }) => method === 'renew').length
  expect(renewals()).toBe(1)
  await clock.advance(5020)
  expect(renewals()).toBe(2)
  end.open()
  await first
})

test('a heartbeat that is never answered is not the last one', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', number: 1, fault: { kind: 'hang' } }])
  const { run } = open({ store, leaseMs })
  const end = gate()
  const first = run('key', () => end.passed.then(() => 'done'))
  await clock.advance(10 * leaseMs)
  expect(await memory.begin('key')).toMatchObject({ status: 'in_progress', attempt: 1 })
  end.open()
  expect(await first).toBe('done')
})

test('heartbeats that are never answered do not keep the signal from aborting after maxRunMs', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', fault: { kind: 'hang' } }])
  const { run } = open({ store, leaseMs, maxRunMs: 45_000 })
  const reasons: unknown[] = []
  void run(
    'key',
    ({ signal }) =>
      new Promise<string>(() => signal.addEventListener('abort', () => reasons.push((signal.reason as Error).name))),
  )
  await clock.advance(44_990)
  expect(reasons).toEqual([])
  await clock.advance(30)
  expect(reasons).toEqual(['TimeoutError'])
})

test('heartbeats go on for maxRunMs and no longer; the claim holds one lease more', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs, maxRunMs: 45_000 })
  const aborts: number[] = []
  const startedAt = clock.now()
  void run('key', ({ signal }) => {
    signal.addEventListener('abort', () => aborts.push(clock.now() - startedAt))
    return new Promise<string>(() => {})
  })
  await clock.advance(300_000)
  expect(aborts).toHaveLength(1)
  expect(aborts[0]).toBeGreaterThanOrEqual(45_000)
  expect(aborts[0]).toBeLessThan(45_050)
  expect(store.calls.filter(({ method }) => method === 'renew')).toHaveLength(4) // at 10, 20, 30 and 40 seconds
  expect((await memory.begin('key')).status).toBe('new')
})

test('a signal that is looked at after maxRunMs has aborted already', async () => {
  const { clock, open } = simulatedWorld()
  const { run } = open({ leaseMs, maxRunMs: 1000 })
  const seen = run('key', async ({ ...rest }) => rest.attempt).catch(codeOf)
  expect(await seen).toBe(1)
  const end = gate()
  const late = run('late', async (operation) => {
    await end.passed
    return [operation.signal.aborted, (operation.signal.reason as Error).message]
  })
  await clock.advance(1020)
  end.open()
  expect(await late).toEqual([true, 'The work ran longer than maxRunMs (1000 ms).'])
})

test('a lost lease aborts the signal with its error, ends the heartbeats, and is told once', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs })
  const end = gate()
  let signal: AbortSignal | undefined
  const lost = run('key', (operation) => {
    signal = operation.signal
    return end.passed.then(() => 'late')
  })
  await clock.advance(1000)
  await memory.free('key', { attempt: 1 })
  await clock.advance(100_000)
  expect(signal?.aborted).toBe(true)
  expect(codeOf(signal?.reason)).toBe('lease_lost')
  expect(store.calls.filter(({ method }) => method === 'renew')).toHaveLength(1)
  end.open()
  expect(codeOf(await lost.catch((error: unknown) => error))).toBe('lease_lost')
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'lost', 'late_response'])
  expect(events[1]).toEqual({ type: 'lost', storeKey: 'key', attempt: 1, error: signal?.reason })
})

test('a claim that is lost is not released when its work fails, and the error of the work is thrown', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const store = faultyStore(memory)
  const { run, drain } = open({ store, leaseMs })
  const end = gate()
  const lost = run('key', () => end.passed.then(() => Promise.reject(new Error('work')) as Promise<string>))
  const seen = watched(lost)
  await clock.advance(1000)
  await memory.free('key', { attempt: 1 })
  await clock.advance(10_000)
  end.open()
  await clock.advance(0)
  expect(seen.outcome).toBe('Error: work')
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew'])
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'lost', 'failed'])
  await drain()
})

test('a renewal that ends after the work changes nothing any more', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const answer = gate()
  const store = {
    ...memory,
    renew: () => answer.passed.then(() => Promise.reject(new RetrysafeError('lease_lost', 'completed by now'))),
  }
  const { run } = open({ store, leaseMs })
  const end = gate()
  const onAbort = vi.fn()
  const first = run('key', ({ signal }) => {
    signal.addEventListener('abort', onAbort)
    return end.passed.then(() => 'done')
  })
  await clock.advance(10_020)
  end.open()
  expect(await first).toBe('done')
  answer.open()
  await clock.advance(60_000)
  expect(onAbort).not.toHaveBeenCalled()
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'completed'])
})

test('an old renewal that is answered late does not make the lease look older than it is', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(
    memory,
    [{ method: 'renew', number: 1, fault: { kind: 'slow', ms: 14_000, after: true } }],
    { clock },
  )
  const { run } = open({ store, leaseMs })
  const end = gate()
  const first = run('key', () => end.passed.then(() => 'done'))
  const beatsAt: number[] = []
  for (let second = 1; second <= 35; second++) {
    const before = store.calls.length
    await clock.advance(1000)
    if (store.calls.length > before) beatsAt.push(second)
  }
  // The first is answered at 24, when the second, of 20, has long been acknowledged: the next is due at 30.
  expect(beatsAt).toEqual([10, 20, 30])
  end.open()
  expect(await first).toBe('done')
})

test('a lease counts from when its renewal was sent, not from when that was answered', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', fault: { kind: 'slow', ms: 8000, after: true } }], { clock })
  const { run } = open({ store, leaseMs })
  const end = gate()
  const first = run('key', () => end.passed.then(() => 'done'))
  await clock.advance(20_020)
  expect(store.calls.filter(({ method }) => method === 'renew')).toHaveLength(2)
  end.open()
  expect(await first).toBe('done')
})

test('a step that was saved renews the lease, so that the next heartbeat comes later', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, leaseMs })
  const [go, end] = [gate(), gate()]
  const first = run('key', async ({ step }) => {
    await go.passed
    await step('one', () => 1)
    await end.passed
    return 'done'
  })
  await clock.advance(8000)
  go.open()
  await clock.advance(9500) // 17.5 s: the heartbeat that was due at 10 s has seen the save of 8 s
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew'])
  await clock.advance(600)
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew', 'renew'])
  end.open()
  expect(await first).toBe('done')
})
