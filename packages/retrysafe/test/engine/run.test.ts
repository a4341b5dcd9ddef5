import { createIdempotency, type IdempotencyEvent, isRetrysafeError, type RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'

const code = (expected: string) => (error: unknown) => {
  expect(isRetrysafeError(error), String(error)).toBe(true)
  expect((error as RetrysafeError).code).toBe(expected)
  return true
}

async function rejects(promise: Promise<unknown>, expected: string): Promise<RetrysafeError> {
  const error = await promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)} instead of ${expected}`),
    (thrown: unknown) => thrown,
  )
  code(expected)(error)
  return error as RetrysafeError
}

test('a retry has the response of the first run and does not run', async () => {
  const { execute } = createIdempotency({ store: memoryStore() })
  const work = vi.fn(async () => ({ id: 'ch_1', parts: [1, 2] }))
  expect(await execute('charge-42', work)).toEqual({
    response: { id: 'ch_1', parts: [1, 2] },
    replayed: false,
    attempt: 1,
  })
  expect(await execute('charge-42', work)).toEqual({
    response: { id: 'ch_1', parts: [1, 2] },
    replayed: true,
    attempt: 1,
  })
  expect(work).toHaveBeenCalledTimes(1)
})

test.each([
  ['undefined', undefined],
  ['null', null],
  ['false', false],
  ['0', 0],
  ['-0', -0],
  ["''", ''],
  ['bytes', new Uint8Array([0, 255, 10, 13])],
  ['no bytes', new Uint8Array()],
  ['a -0 inside', { at: [-0] }],
  ['a lone surrogate', 'a\ud800b'],
  ['NUL', '\u0000'],
])('%s is replayed as it is and does not run again', async (_name, value) => {
  const { run } = createIdempotency({ store: memoryStore() })
  const work = vi.fn((): typeof value => value)
  await run('key', work as never)
  expect(await run('key', work as never)).toStrictEqual(value)
  expect(work).toHaveBeenCalledTimes(1)
})

test('of 500 concurrent calls one runs and the others are told that it is running', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  let runs = 0
  const calls = Array.from({ length: 500 }, () =>
    run('key', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return ++runs
    }),
  )
  const results = await Promise.allSettled(calls)
  expect(runs).toBe(1)
  const refused = results.filter((result) => result.status === 'rejected')
  expect(refused).toHaveLength(499)
  for (const { reason } of refused) expect(code('in_progress')(reason)).toBe(true)
})

test('duplicates that may wait all get the one response', async () => {
  const { execute } = createIdempotency({ store: memoryStore(), whenInProgress: { waitMs: 10_000 } })
  let runs = 0
  const results = await Promise.all(
    Array.from({ length: 300 }, () =>
      execute('key', async () => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        return ++runs
      }),
    ),
  )
  expect(runs).toBe(1)
  expect(results.filter((result) => result.replayed)).toHaveLength(299)
  expect(new Set(results.map((result) => result.response))).toEqual(new Set([1]))
})

test('a key used with another fingerprint is a mismatch, also while the first still runs', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  let end = (): void => {}
  const first = run('key', () => new Promise<string>((resolve) => (end = () => resolve('done'))), {
    fingerprint: { a: 1 },
  })
  await rejects(
    run('key', () => 'other', { fingerprint: { a: 2 } }),
    'mismatch',
  )
  await rejects(
    run('key', () => 'same', { fingerprint: { a: 1 } }),
    'in_progress',
  )
  end()
  await first
  await rejects(
    run('key', () => 'other', { fingerprint: { a: 2 } }),
    'mismatch',
  )
  expect(await run('key', () => 'again', { fingerprint: { a: 1.0 } })).toBe('done')
})

test('keys of one scope are invisible to another, and a missing tenant is refused', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  expect(await run('key', () => 'a', { scope: 'tenant-a' })).toBe('a')
  expect(await run('key', () => 'b', { scope: 'tenant-b' })).toBe('b')
  expect(await run('key', () => 'none')).toBe('none')
  for (const scope of [undefined, null, ''])
    await rejects(
      run('key', () => 'never', { scope: scope as never }),
      'invalid_option',
    )
})

test('a failure releases the key, and a retry runs again', async () => {
  const { execute } = createIdempotency({ store: memoryStore() })
  const failure = new Error('declined')
  await expect(execute('key', () => Promise.reject(failure) as Promise<string>)).rejects.toBe(failure)
  expect(await execute('key', () => 'paid')).toEqual({ response: 'paid', replayed: false, attempt: 1 })
})

test('a remembered failure is replayed with its name, message and own JSON properties', async () => {
  const { run } = createIdempotency({
    store: memoryStore(),
    remember: (error) => (error as { final?: boolean }).final === true,
  })
  const failure = Object.assign(new TypeError('declined'), { final: true, at: { step: 2 }, big: 1n })
  const work = vi.fn(() => Promise.reject(failure) as Promise<string>)
  await expect(run('key', work)).rejects.toBe(failure)
  const replayed = await run('key', work).catch((error: unknown) => error as Record<string, unknown>)
  expect(work).toHaveBeenCalledTimes(1)
  expect(replayed).toBeInstanceOf(Error)
  expect(replayed).toMatchObject({ name: 'TypeError', message: 'declined', final: true, at: { step: 2 } })
  expect(replayed).not.toHaveProperty('big')
})

test.each([
  ['a BigInt', () => 1n],
  ['a Map', () => new Map()],
  ['a Date', () => new Date()],
  ['undefined inside an array', () => [undefined]],
  [
    'a cycle',
    () => {
      const ring: { self?: unknown } = {}
      ring.self = ring
      return ring
    },
  ],
  ['a Buffer', () => Buffer.from('x')],
  ['NaN', () => Number.NaN],
  ['a response beyond maxStoredBytes', () => 'x'.repeat(2000)],
])('%s goes to the first caller, and nobody runs again', async (_name, make) => {
  const events: IdempotencyEvent[] = []
  const { run } = createIdempotency({
    store: memoryStore(),
    maxStoredBytes: 1024,
    observe: (event) => events.push(event),
  })
  const value = make()
  const work = vi.fn(() => value)
  expect(await run('key', work as never)).toBe(value)
  await rejects(run('key', work as never), 'response_not_stored')
  await rejects(run('key', work as never), 'response_not_stored')
  expect(work).toHaveBeenCalledTimes(1)
  expect(events.map((event) => event.type)).toContain('response_not_stored')
})

test('a codec gives results their type back, and a Zod schema is one', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  const codec = { encode: (date: Date) => date.toISOString(), decode: (stored: unknown) => new Date(String(stored)) }
  const date = new Date('2026-01-02T03:04:05Z')
  await run('date', () => date, { codec })
  expect(await run('date', () => new Date(0), { codec })).toEqual(date)
  const schema = z.codec(z.string(), z.bigint(), { decode: (text) => BigInt(text), encode: (big) => big.toString() })
  await run('big', () => 2n ** 70n, { codec: schema as never })
  expect(await run('big', () => 0n, { codec: schema as never })).toBe(2n ** 70n)
})

test('a response that the codec cannot read is a mismatch, not another run', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  await run('key', () => 'text')
  const broken = {
    encode: (value: number) => value,
    decode: (): number => {
      throw new Error('no number')
    },
  }
  await rejects(
    run('key', () => 1, { codec: broken }),
    'mismatch',
  )
})

test('wrapped functions have keys of their own', async () => {
  const idempotency = createIdempotency({ store: memoryStore() })
  const add = vi.fn((a: number, b: number) => a + b)
  const once = idempotency.wrap(add, { name: 'add', key: (a) => `k${a}`, fingerprint: (...args) => args })
  const other = idempotency.wrap(() => 'other', { name: 'other', key: () => 'k1' })
  expect([await once(1, 2), await once(1, 2), await other()]).toEqual([3, 3, 'other'])
  expect(add).toHaveBeenCalledTimes(1)
  await rejects(once(1, 3), 'mismatch')
  for (const name of ['', 'http', 'proxy', 'serve'])
    expect(() => idempotency.wrap(add, { name, key: () => 'k' })).toThrow(/name is/)
})

test.each([
  ['store', { store: {} }, /store is .*begin/],
  ['leaseMs', { leaseMs: 99 }, /leaseMs is 99: it must be a whole number from 100/],
  ['leaseMs', { leaseMs: '30s' }, /leaseMs is "30s"/],
  ['retentionMs', { retentionMs: Number.NaN }, /retentionMs is NaN/],
  ['afterCrash', { afterCrash: 'again' }, /afterCrash is "again"/],
  ['whenInProgress', { whenInProgress: { waitMs: -1 } }, /whenInProgress.waitMs is -1/],
  ['remember', { remember: true }, /remember is true: it must be a function/],
])('an option of the wrong kind names itself: %s', (_name, options, message) => {
  expect(() => createIdempotency({ store: memoryStore(), ...(options as object) })).toThrow(message)
})

test.each(['', 'a\u0000b', '\ud800', 'x'.repeat(256)])(
  'a malformed key %j is refused and nothing runs',
  async (key) => {
    const { run } = createIdempotency({ store: memoryStore() })
    const work = vi.fn(() => 1)
    await rejects(run(key, work), 'invalid_key')
    expect(work).not.toHaveBeenCalled()
  },
)

test('an observer is told each thing that happens, and cannot hurt the work', async () => {
  const types: string[] = []
  const { run } = createIdempotency({
    store: memoryStore(),
    observe(event) {
      types.push(event.type)
      throw new Error('an observer that fails')
    },
  })
  await run('key', () => 1)
  await run('key', () => 1)
  await run('bad', () => Promise.reject(new Error('x')) as Promise<number>).catch(() => {})
  expect(types).toEqual(['claimed', 'completed', 'replayed', 'claimed', 'failed', 'released'])
})

test("waiting ends at its limit, at the caller's signal, and for more waiters than are allowed", async () => {
  const { run, drain } = createIdempotency({ store: memoryStore(), maxWaiters: 2 })
  let end = (): void => {}
  const owner = run('key', () => new Promise<string>((resolve) => (end = () => resolve('done'))))
  const wait = { whenInProgress: { waitMs: 60_000 } }
  await rejects(
    run('key', () => 'never', { whenInProgress: { waitMs: 30 } }),
    'in_progress',
  )
  const stop = new AbortController()
  const stopped = run('key', () => 'never', { ...wait, signal: stop.signal })
  const patient = run('key', () => 'never', wait)
  await rejects(
    run('key', () => 'never', wait),
    'in_progress',
  )
  stop.abort(new Error('enough'))
  await expect(stopped).rejects.toThrow('enough')
  end()
  expect([await owner, await patient]).toEqual(['done', 'done'])
  await drain()
})
