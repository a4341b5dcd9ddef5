import {
  createIdempotency,
  type IdempotencyEvent,
  type IdempotencyStore,
  isRetrysafeError,
  RetrysafeError,
  systemClock,
} from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test, vi } from 'vitest'

const leaseMs = 200
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Stops the whole process for so long, as a garbage collection, a debugger or a paused machine would. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The store with some methods replaced. */
function withCalls(store: IdempotencyStore, calls: Partial<IdempotencyStore>): IdempotencyStore {
  return { ...store, ...calls }
}

const codeOf = (error: unknown): string => (isRetrysafeError(error) ? error.code : String(error))

test('work that takes longer than its lease is renewed and runs once', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store, leaseMs })
  const work = vi.fn(async () => {
    await sleep(leaseMs * 4)
    return 'done'
  })
  const first = run('key', work)
  await sleep(leaseMs * 2)
  expect(await run('key', work).catch(codeOf)).toBe('in_progress')
  expect(await first).toBe('done')
  expect(await run('key', work)).toBe('done')
  expect(work).toHaveBeenCalledTimes(1)
})

test('after a stall longer than the lease the completion is accepted where nobody took over', async () => {
  const { execute } = createIdempotency({ store: memoryStore(), leaseMs })
  const stalled = await execute('key', () => {
    stall(leaseMs * 2)
    return 'mine'
  })
  expect(stalled).toEqual({ response: 'mine', replayed: false, attempt: 1 })
  expect(await execute('key', () => 'other')).toEqual({ response: 'mine', replayed: true, attempt: 1 })
})

test('after a stall longer than the lease the completion is refused where somebody took over', async () => {
  const store = memoryStore()
  const events: string[] = []
  const { run } = createIdempotency({ store, leaseMs, observe: ({ type }) => events.push(type) })
  const late = run('key', async () => {
    stall(leaseMs * 2)
    const taken = await store.begin('key', { token: 'successor' })
    expect(taken).toMatchObject({ status: 'new', attempt: 2 })
    return 'late'
  })
  expect(await late.catch(codeOf)).toBe('lease_lost')
  await store.complete('key', 'successor', { token: 'successor' })
  expect(await run('key', () => 'never')).toBe('successor')
  expect(events).toContain('lost')
})

test('a late worker gives its caller the response that won', async () => {
  const store = memoryStore()
  const events: string[] = []
  const { execute } = createIdempotency({ store, leaseMs, observe: ({ type }) => events.push(type) })
  const late = await execute('key', async () => {
    stall(leaseMs * 2)
    await store.begin('key', { token: 'successor' })
    await store.complete('key', { by: 'successor' }, { token: 'successor' })
    return { by: 'late' }
  })
  expect(late).toEqual({ response: { by: 'successor' }, replayed: true, attempt: 2 })
  expect(events).toContain('late_response')
})

test('a late worker never gives its caller the response to another request', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store, leaseMs, retentionMs: 1000 })
  const late = run(
    'key',
    async () => {
      stall(leaseMs + 1100) // the record itself is over, and the key is used for something else
      await store.begin('key', { token: 'stranger', fingerprint: 'v1:other' })
      await store.complete('key', 'for the stranger', { token: 'stranger' })
      return 'mine'
    },
    { fingerprint: 1 },
  )
  expect(await late.catch(codeOf)).toBe('lease_lost')
})

test('after maxRunMs heartbeats stop, the signal aborts, and a retry takes over', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store, leaseMs, maxRunMs: 300 })
  let aborted: unknown
  const hung = run('key', async ({ signal }) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    aborted = signal.reason
    await sleep(leaseMs * 3)
    return 'hung'
  })
  await vi.waitFor(() => expect(aborted).toMatchObject({ name: 'TimeoutError' }), { timeout: 5000 })
  const next = await vi.waitFor(() => run('key', () => 'next'), { timeout: 5000, interval: 20 })
  expect(next).toBe('next')
  expect(await hung).toBe('next')
})

test('the signal aborts when the lease is lost, and no further step begins', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store, leaseMs })
  const step = vi.fn(() => 1)
  const late = run('key', async ({ signal, step: doStep }) => {
    stall(leaseMs * 2)
    await store.begin('key', { token: 'successor', leaseMs: 60_000 })
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    return doStep('late', step)
  })
  expect(await late.catch(codeOf)).toBe('lease_lost')
  expect(step).not.toHaveBeenCalled()
})

test('a completion whose answers are lost is repeated until it is acknowledged', async () => {
  const store = memoryStore()
  let calls = 0
  const losing = withCalls(store, {
    async complete(...args) {
      await store.complete(...args)
      if (++calls < 3) throw new Error('the answer was lost')
    },
  })
  const { run } = createIdempotency({ store: losing, leaseMs: 5000 })
  expect(await run('key', () => 'once')).toBe('once')
  expect(calls).toBe(3)
  expect(await run('key', () => 'twice')).toBe('once')
})

test('the caller has the true response when the lease ends, and storing goes on until it is acknowledged', async () => {
  const store = memoryStore()
  const events: IdempotencyEvent[] = []
  let down = true
  const flaky = withCalls(store, {
    complete: (...args) => (down ? Promise.reject(new Error('down')) : store.complete(...args)),
  })
  const { run, drain } = createIdempotency({ store: flaky, leaseMs, observe: (event) => events.push(event) })
  expect(await run('key', () => 'true')).toBe('true')
  expect(events.map(({ type }) => type)).toContain('response_not_stored')
  expect((await store.get('key'))?.status).toBe('in_progress')
  down = false
  await drain()
  expect(await run('key', () => 'never')).toBe('true')
})

test('a completion that never answers holds the caller no longer than the lease', async () => {
  const store = withCalls(memoryStore(), { complete: () => new Promise(() => {}) })
  const { run } = createIdempotency({ store, leaseMs })
  expect(await run('key', () => 'true')).toBe('true')
})

test('a response that the store refuses is completed as not stored, and nobody runs again', async () => {
  const store = memoryStore()
  const small = withCalls(store, {
    complete: (key, response, options) =>
      options?.kind === 'not_stored'
        ? store.complete(key, response, options)
        : Promise.reject(new RetrysafeError('value_too_large', 'more than this engine holds')),
  })
  const { run } = createIdempotency({ store: small })
  expect(await run('key', () => 'large')).toBe('large')
  expect(await run('key', () => 'never').catch(codeOf)).toBe('response_not_stored')
})

test('a begin without an answer gives its claim back, so that a retry need not wait for the lease', async () => {
  const store = memoryStore()
  let lose = true
  const losing = withCalls(store, {
    async begin(...args) {
      const outcome = await store.begin(...args)
      if (!lose) return outcome
      lose = false
      throw new Error('the answer was lost')
    },
  })
  const { run } = createIdempotency({ store: losing, leaseMs: 60_000 })
  const work = vi.fn(() => 'done')
  await expect(run('key', work)).rejects.toThrow('the answer was lost')
  expect(work).not.toHaveBeenCalled()
  expect(await vi.waitFor(() => run('key', work), { timeout: 5000 })).toBe('done')
})

test('a begin that arrives late is given back too', async () => {
  const store = memoryStore()
  let late: Promise<unknown> | undefined
  const slow = withCalls(store, {
    async begin(...args) {
      setTimeout(() => {
        late = store.begin(...args) // on its way while the caller already has an error
      }, 100)
      throw new Error('no answer')
    },
  })
  const { run } = createIdempotency({ store: slow, leaseMs: 2000 })
  await expect(run('key', () => 'never')).rejects.toThrow('no answer')
  await vi.waitFor(() => expect(late).toBeDefined(), { timeout: 5000 })
  expect(await late).toMatchObject({ status: 'new' })
  await vi.waitFor(async () => expect(await store.get('key')).toBeUndefined(), { timeout: 5000 })
})

test('work does not start on a claim that was acknowledged too late and taken over', async () => {
  const store = memoryStore()
  const slow = withCalls(store, {
    async begin(...args) {
      const outcome = await store.begin(...args)
      await sleep(leaseMs * 1.5)
      await store.begin('key', { token: 'successor', leaseMs: 60_000 })
      return outcome
    },
  })
  const { run } = createIdempotency({ store: slow, leaseMs })
  const work = vi.fn(() => 'late')
  expect(await run('key', work).catch(codeOf)).toBe('lease_lost')
  expect(work).not.toHaveBeenCalled()
})

test('a claim that was acknowledged too late is renewed before the work starts', async () => {
  const store = memoryStore()
  const renew = vi.fn(store.renew)
  const slow = withCalls(store, {
    renew,
    async begin(...args) {
      const outcome = await store.begin(...args)
      stall(leaseMs)
      return outcome
    },
  })
  const { run } = createIdempotency({ store: slow, leaseMs })
  expect(await run('key', () => 'done')).toBe('done')
  expect(renew).toHaveBeenCalledTimes(1)
})

test('a machine that slept is noticed by the wall clock, though the monotonic one stood still', async () => {
  const store = memoryStore()
  let asleepMs = 0
  const clock = { ...systemClock, now: () => Date.now() + asleepMs }
  const renew = vi.fn(store.renew)
  const { run } = createIdempotency({ store: withCalls(store, { renew }), clock, leaseMs: 60_000 })
  await run('key', async ({ step }) => {
    asleepMs = 45_000
    return step('after', () => 1)
  })
  expect(renew).toHaveBeenCalledTimes(2) // before the step, and with its checkpoint
})

test('an error of the work wins over an error of its release', async () => {
  const events: IdempotencyEvent[] = []
  const store = withCalls(memoryStore(), { release: () => Promise.reject(new Error('release failed')) })
  const { run } = createIdempotency({ store, observe: (event) => events.push(event) })
  await expect(run('key', () => Promise.reject(new Error('work failed')) as Promise<string>)).rejects.toThrow(
    'work failed',
  )
  expect(events.map(({ error }) => (error as Error | undefined)?.message)).toContain('release failed')
})

test('under uncertain a failure leaves the key uncertain at once, unless it proves that nothing happened', async () => {
  const { run } = createIdempotency({
    store: memoryStore(),
    afterCrash: 'uncertain',
    notApplied: (error) => (error as Error).message === 'refused',
  })
  const failWith = (message: string) => () => Promise.reject(new Error(message)) as Promise<string>
  await run('proved', failWith('refused')).catch(() => {})
  expect(await run('proved', () => 'second')).toBe('second')
  await run('unknown', failWith('timeout')).catch(() => {})
  expect(await run('unknown', () => 'never').catch(codeOf)).toBe('uncertain')
})
