import { getEventListeners } from 'node:events'
import { RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { faultyStore } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { codeOf, gate, simulatedWorld, thrownBy, watched, withoutWake } from './simulated-world.js'

const leaseMs = 30_000
const whenInProgress = { waitMs: 600_000 }
const fails = (): Promise<string> => Promise.reject(new Error('failed'))

for (const [kind, shape] of [
  ['that pushes', (store: Parameters<typeof withoutWake>[0]) => store],
  ['that is polled', withoutWake],
] as const) {
  test(`another process's waiter gets the response, on a store ${kind}`, async () => {
    const { clock, memory, open, events } = simulatedWorld()
    const end = gate()
    const owner = open({ leaseMs }).run('key', () => end.passed.then(() => 'done'))
    const waiter = open({ store: shape(memory), leaseMs, whenInProgress })
    const seen = watched(waiter.execute('key', () => 'never'))
    await clock.advance(5000)
    expect(seen.outcome).toBe('pending')
    end.open()
    await owner
    await clock.advance(1000)
    expect(seen.outcome).toEqual({ response: 'done', replayed: true, attempt: 1 })
    const waited = events.filter(({ type }) => type === 'waited')
    expect(waited).toMatchObject([{ type: 'waited', storeKey: 'key' }])
    expect(waited[0]?.durationMs).toBeGreaterThanOrEqual(5000)
    expect(waited[0]?.durationMs).toBeLessThanOrEqual(6000)
  })

  test(`a waiter runs once the owner has released the key, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const end = gate()
    const owner = watched(open({ leaseMs }).run('key', () => end.passed.then(fails)))
    const waiter = open({ store: shape(memory), leaseMs, whenInProgress })
    const seen = watched(waiter.execute('key', () => 'mine'))
    await clock.advance(5000)
    end.open()
    await clock.advance(1000)
    expect(owner.outcome).toBe('Error: failed')
    expect(seen.outcome).toEqual({ response: 'mine', replayed: false, attempt: 1 })
  })

  test(`a waiter takes over when the lease of a crashed owner ends, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    await memory.begin('key', { leaseMs: 7000 })
    const seen = watched(open({ store: shape(memory), leaseMs, whenInProgress }).execute('key', () => 'mine'))
    await clock.advance(6990)
    expect(seen.outcome).toBe('pending')
    await clock.advance(50)
    expect(seen.outcome).toEqual({ response: 'mine', replayed: false, attempt: 2 })
  })

  test(`a waiter takes over when the renewed lease of a crashed owner ends, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    await memory.begin('key', { token: 'owner', leaseMs: 7000 })
    const seen = watched(open({ store: shape(memory), leaseMs, whenInProgress }).execute('key', () => 'mine'))
    await clock.advance(6000)
    await memory.renew('key', 'owner', { leaseMs: 100_123 })
    await clock.advance(100_113)
    expect(seen.outcome).toBe('pending')
    await clock.advance(50)
    expect(seen.outcome).toEqual({ response: 'mine', replayed: false, attempt: 2 })
  })

  test(`a waiter meets a key that was left uncertain at once, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const end = gate()
    const settings = { leaseMs, whenInProgress, afterCrash: 'uncertain' } as const
    const owner = watched(open(settings).run('key', () => end.passed.then(fails)))
    const seen = watched(open({ ...settings, store: shape(memory) }).run('key', () => 'never'))
    await clock.advance(5000)
    end.open()
    await clock.advance(1000)
    expect([owner.outcome, seen.outcome]).toEqual(['Error: failed', 'uncertain'])
  })

  test(`while an owner renews its lease for long, a waiter asks rarely, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const end = gate()
    const owner = open({ leaseMs }).run('key', () => end.passed.then(() => 'done'))
    const store = faultyStore(shape(memory))
    const seen = watched(open({ store, leaseMs, whenInProgress }).run('key', () => 'never'))
    await clock.advance(2 * leaseMs)
    const before = store.calls.length
    await clock.advance(60_000)
    const asked = store.calls.slice(before).filter(({ method }) => method === 'get')
    expect(asked.length).toBeGreaterThanOrEqual(11)
    expect(asked.length).toBeLessThanOrEqual(kind === 'that pushes' ? 13 : 61)
    if (kind === 'that is polled') expect(asked.length).toBeGreaterThanOrEqual(59)
    // A waiter neither writes nor begins while it waits.
    expect(store.calls.filter(({ method }) => method !== 'get' && method !== 'wake')).toHaveLength(1)
    end.open()
    await owner
    await clock.advance(1000)
    expect(seen.outcome).toBe('done')
  })

  test(`a waiter survives a store that cannot be read for a while, on a store ${kind}`, async () => {
    const { clock, memory, open } = simulatedWorld()
    await memory.begin('key', { token: 'owner', leaseMs })
    let down = true
    const store = faultyStore(shape(memory), ({ method }) =>
      down && (method === 'get' || method === 'wake') ? { kind: 'fail' } : undefined,
    )
    const seen = watched(open({ store, leaseMs, whenInProgress }).run('key', () => 'never'))
    await clock.advance(2 * leaseMs)
    expect(seen.outcome).toBe('pending')
    const asked = store.calls.filter(({ method }) => method === 'get').length
    expect(asked).toBeLessThan(90) // with backoff, also when the lease that was seen has ended
    down = false
    await memory.complete('key', 'done', { token: 'owner' })
    await clock.advance(5000)
    expect(seen.outcome).toBe('done')
  })
}

test('a store that is polled is asked soon at first, then ever more slowly', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const askedAt: number[] = []
  const startedAt = clock.now()
  const store = {
    ...withoutWake(memory),
    get: (key: string) => {
      askedAt.push(clock.now() - startedAt)
      return memory.get(key)
    },
  }
  void open({ store, whenInProgress }).run('key', () => 'never')
  await clock.advance(10_000)
  const gaps = askedAt.map((at, index) => Math.round(at - (askedAt[index - 1] ?? 0)))
  expect(gaps.slice(0, 4)).toEqual([10, 15, 23, 34])
  expect(Math.max(...gaps)).toBe(1000)
})

test('jitter takes up to half of the time between two polls away', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const store = faultyStore(withoutWake(memory))
  void open({ store, whenInProgress, random: () => 0 }).run('key', () => 'never')
  await clock.advance(5)
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'get'])
})

test('waiters of one process share the polling, and each asks for itself when the key has changed', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  await memory.begin('key', { token: 'owner', fingerprint: 'v1:other', leaseMs: 600_000 })
  await memory.begin('other', { token: 'other', leaseMs: 600_000 })
  const store = faultyStore(withoutWake(memory))
  const { run } = open({ store, whenInProgress })
  const seen = Array.from({ length: 20 }, () => watched(run('key', () => 'never')))
  const other = watched(run('other', () => 'never'))
  await clock.advance(10)
  expect(store.calls.filter(({ method, args }) => method === 'get' && args[0] === 'key')).toHaveLength(1)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(1000)
  expect(seen.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 20 }, () => 'done'))
  expect(store.calls.filter(({ method, args }) => method === 'begin' && args[0] === 'key')).toHaveLength(40)
  expect(events.filter(({ type }) => type === 'replayed')).toHaveLength(20)
  expect(other.outcome).toBe('pending')
})

test('of the waiters for a released key one runs, and the others wait on for it', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  const { execute } = open({ whenInProgress })
  let runs = 0
  const end = gate()
  const seen = Array.from({ length: 10 }, () => watched(execute('key', () => end.passed.then(() => ++runs))))
  await clock.advance(100)
  await memory.release('key', 'owner')
  await clock.advance(5000)
  expect(seen.every(({ outcome }) => outcome === 'pending')).toBe(true)
  end.open()
  await clock.advance(0)
  expect(runs).toBe(1)
  expect(seen.filter(({ outcome }) => (outcome as { replayed: boolean }).replayed)).toHaveLength(9)
})

for (const [what, work] of [
  ['completes', async () => 'done'],
  ['fails', fails],
] as const)
  test(`a waiter in the owner's process is woken at once when the owner ${what}, though the store cannot push`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const { run } = open({ store: withoutWake(memory), leaseMs })
    const end = gate()
    const owner = watched(run('key', () => end.passed.then(work)))
    const seen = watched(run('key', () => 'second', { whenInProgress }))
    await clock.advance(20_000) // polls are a second apart by now
    end.open()
    await clock.advance(0)
    await clock.advance(0)
    expect(owner.outcome).toBe(what === 'fails' ? 'Error: failed' : 'done')
    expect(seen.outcome).toBe(what === 'fails' ? 'second' : 'done')
  })

test('a waiter waits no longer than its limit, all its waits together', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  await memory.begin('key', { token: 'one', leaseMs: 4000 })
  const seen = watched(open({ whenInProgress: { waitMs: 10_000 } }).run('key', () => 'never'))
  await clock.advance(2000)
  await memory.release('key', 'one')
  await memory.begin('key', { token: 'two', leaseMs: 600_000 })
  await clock.advance(7980)
  expect(seen.outcome).toBe('pending')
  await clock.advance(40)
  expect(seen.outcome).toBe('in_progress')
  expect(events).toEqual([{ type: 'refused', storeKey: 'key', code: 'in_progress', attempt: 1 }])
})

test("a waiter that gives up leaves the owner's claim and the other waiters as they are", async () => {
  const { clock, open, memory } = simulatedWorld()
  const end = gate()
  const { run } = open({ leaseMs })
  const owner = run('key', () => end.passed.then(() => 'done'))
  const patient = watched(run('key', () => 'never', { whenInProgress }))
  const stop = new AbortController()
  const impatient = watched(run('key', () => 'never', { whenInProgress, signal: stop.signal }))
  await clock.advance(1000)
  stop.abort(new Error('enough'))
  await clock.advance(0)
  expect(impatient.outcome).toBe('Error: enough')
  await clock.advance(60_000)
  expect(patient.outcome).toBe('pending')
  expect(await memory.get('key')).toMatchObject({ status: 'in_progress', attempt: 1 })
  end.open()
  await owner
  await clock.advance(0)
  expect(patient.outcome).toBe('done')
})

test('when the last waiter has gone, the store is asked no more', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const store = faultyStore(withoutWake(memory))
  const { run } = open({ store, whenInProgress: { waitMs: 500 } })
  expect(codeOf(await Promise.race([thrownBy(run('key', () => 'never')), clock.advance(1000)]))).toBe('in_progress')
  const asked = store.calls.length
  await clock.advance(60_000)
  expect(store.calls).toHaveLength(asked)
  expect(clock.pending).toBe(0)
  const again = watched(run('key', () => 'never'))
  await clock.advance(400)
  expect(again.outcome).toBe('pending')
  expect(store.calls.length).toBeGreaterThan(asked + 1)
})

test('more than maxWaiters of one key are refused at once; other keys and later waiters are not', async () => {
  const { clock, memory, open } = simulatedWorld()
  for (const key of ['key', 'other']) await memory.begin(key, { leaseMs: 600_000 })
  const { run } = open({ maxWaiters: 2 })
  const wait = (key: string, waitMs: number) => watched(run(key, () => 'never', { whenInProgress: { waitMs } }))
  const seen = [wait('key', 1000), wait('key', 9000), wait('key', 9000), wait('other', 9000)]
  await clock.advance(0)
  expect(seen.map(({ outcome }) => outcome)).toEqual(['pending', 'pending', 'in_progress', 'pending'])
  await clock.advance(1020)
  const later = wait('key', 9000)
  await clock.advance(0)
  expect([seen[0]?.outcome, later.outcome]).toEqual(['in_progress', 'pending'])
})

test('no waiters may be allowed at all', async () => {
  const { memory, open } = simulatedWorld()
  await memory.begin('key')
  const { run } = open({ maxWaiters: 0, whenInProgress })
  expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('in_progress')
})

test('a caller that does not wait is told at once, when to ask again, and by whom the key is held', async () => {
  const { memory, open, clock } = simulatedWorld()
  await memory.begin('tenant/key')
  const { run } = open({ whenInProgress })
  const refused = await thrownBy(run('key', () => 'never', { scope: 'tenant', whenInProgress: 'reject' }))
  expect(refused).toMatchObject({ code: 'in_progress', key: 'key', attempt: 1, retryAfterMs: 1000 })
  expect(clock.pending).toBe(0)
})

test('a caller whose signal has aborted begins nothing', async () => {
  const { memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const reason = new Error('gone')
  const { run } = open({ store })
  expect(await thrownBy(run('key', () => 'never', { signal: AbortSignal.abort(reason) }))).toBe(reason)
  expect(store.calls).toEqual([])
})

test('a signal that aborts while the first answer is on its way ends the waiting before it begins', async () => {
  const { memory, open } = simulatedWorld()
  await memory.begin('key')
  const stop = new AbortController()
  const store = {
    ...memory,
    begin: async (...args: Parameters<typeof memory.begin>) => {
      stop.abort(new Error('gone'))
      return memory.begin(...args)
    },
  }
  const { run } = open({ store, whenInProgress })
  expect(String(await thrownBy(run('key', () => 'never', { signal: stop.signal })))).toBe('Error: gone')
})

test('work that has begun goes on when its caller gives up', async () => {
  const { open } = simulatedWorld()
  const stop = new AbortController()
  const { run } = open()
  const first = run(
    'key',
    ({ signal }) => {
      stop.abort()
      return signal.aborted
    },
    { signal: stop.signal },
  )
  expect(await first).toBe(false)
})

test('waiters are told when the store is closed', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const seen = watched(open({ store: withoutWake(memory), whenInProgress }).run('key', () => 'never'))
  await clock.advance(100)
  await memory.close()
  await clock.advance(1000)
  expect(seen.outcome).toBe('store_closed')
})

test('a signal that outlives its waits keeps nothing of them', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  const { signal } = new AbortController()
  const { run } = open()
  const wait = (waitMs: number) => watched(run('key', () => 'never', { whenInProgress: { waitMs }, signal }))
  const seen = [wait(1000), wait(60_000)]
  await clock.advance(2000)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(0)
  expect(seen.map(({ outcome }) => outcome)).toEqual(['in_progress', 'done'])
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a push that is lost is made good by asking', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  const store = { ...memory, wake: () => new Promise<void>(() => {}) }
  const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
  await clock.advance(60_000)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(5000)
  expect(seen.outcome).toBe('done')
})

test('a pushed wake-up comes at once, and the connection of a wait that is over is given back', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'owner', leaseMs: 600_000 })
  const signals: AbortSignal[] = []
  const store = {
    ...memory,
    wake: (key: string, signal: AbortSignal) => {
      signals.push(signal)
      return memory.wake(key, signal)
    },
  }
  const seen = watched(open({ store, whenInProgress }).run('key', () => 'never'))
  await clock.advance(60_000)
  await memory.complete('key', 'done', { token: 'owner' })
  await clock.advance(0)
  expect(seen.outcome).toBe('done')
  expect(signals.every(({ aborted }) => aborted)).toBe(true)

  await memory.begin('left', { leaseMs: 600_000 })
  const stop = new AbortController()
  const left = watched(open({ store, whenInProgress }).run('left', () => 'never', { signal: stop.signal }))
  await clock.advance(1000)
  stop.abort(new RetrysafeError('busy', 'enough'))
  await clock.advance(0)
  expect(left.outcome).toBe('busy')
  expect(signals.every(({ aborted }) => aborted)).toBe(true)
})

test('a wake that fails at once does not make the store be asked without pause', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { leaseMs: 600_000 })
  const store = faultyStore(memory, [{ method: 'wake', fault: { kind: 'fail' } }])
  void open({ store, whenInProgress }).run('key', () => 'never')
  await clock.advance(60_000)
  expect(store.calls.length).toBeLessThan(2 * 75) // each time it is listened to again, and polled
  expect(store.calls.filter(({ method }) => method === 'begin')).toHaveLength(1)
})

test('where the clock of the store is behind, waiters ask ever more rarely until the lease is over there too', async () => {
  const { clock, open } = simulatedWorld()
  const behind = memoryStore({ clock: { ...clock, now: () => clock.now() - 60_000, monotonic: clock.monotonic } })
  await behind.begin('key', { leaseMs })
  const store = faultyStore(withoutWake(behind))
  const seen = watched(open({ store, whenInProgress }).execute('key', () => 'mine'))
  await clock.advance(leaseMs - 10)
  expect(seen.outcome).toBe('pending')
  expect(store.calls.length).toBeLessThan(100)
  await clock.advance(1100)
  expect(seen.outcome).toEqual({ response: 'mine', replayed: false, attempt: 2 })
})

test('a key that was taken over is another wait: the new owner is waited for', async () => {
  const { clock, memory, open } = simulatedWorld()
  await memory.begin('key', { token: 'one', leaseMs: 4000 })
  const store = faultyStore(withoutWake(memory))
  const seen = watched(open({ store, whenInProgress }).execute('key', () => 'never'))
  await clock.advance(3000)
  await memory.renew('key', 'one', { leaseMs: 0, checkpoint: 1 })
  await memory.begin('key', { token: 'two', leaseMs: 600_000 })
  await clock.advance(1100)
  expect(store.calls.filter(({ method }) => method === 'begin')).toHaveLength(2)
  await memory.complete('key', 'two', { token: 'two' })
  await clock.advance(1000)
  expect(seen.outcome).toEqual({ response: 'two', replayed: true, attempt: 2 })
})
