import { createIdempotency, type IdempotencyStore, isRetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test, vi } from 'vitest'
import { simulatedWorld, thrownBy } from './simulated-world.js'

const codeOf = (error: unknown): string => (isRetrysafeError(error) ? error.code : String(error))
const crash = (): Promise<never> => Promise.reject(new Error('crash'))

test('the next attempt resumes behind the last saved step, with equal results', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  const charge = vi.fn(() => ({ id: 'ch_1', cents: -0 }))
  const notify = vi.fn((): undefined => undefined)
  const sign = vi.fn(() => new Uint8Array([1, 2, 255]))
  const attempts: unknown[] = []
  const work =
    (last: () => unknown) =>
    async ({ step, attempt }: Parameters<Parameters<typeof run>[1]>[0]) => {
      attempts.push([attempt, await step('charge', charge), await step('notify', notify), await step('sign', sign)])
      return (await last()) as string
    }
  await expect(run('key', work(crash))).rejects.toThrow('crash')
  expect(
    await run(
      'key',
      work(async () => 'done'),
    ),
  ).toBe('done')
  for (const step of [charge, notify, sign]) expect(step).toHaveBeenCalledTimes(1)
  const results = [{ id: 'ch_1', cents: -0 }, undefined, new Uint8Array([1, 2, 255])]
  expect(attempts).toStrictEqual([
    [1, ...results],
    [2, ...results],
  ])
})

test.each([
  ['another name', ['first', 'other']],
  ['another order', ['second', 'first']],
])('%s of steps is steps_changed and nothing runs', async (_name, names) => {
  const { run } = createIdempotency({ store: memoryStore() })
  await run('key', async ({ step }) => {
    await step('first', () => 1)
    await step('second', () => 2)
    return crash()
  }).catch(() => {})
  const work = vi.fn(() => 3)
  const changed = run('key', async ({ step }) => {
    for (const name of names) await step(name, work)
    return 'never'
  })
  expect(await changed.catch(codeOf)).toBe('steps_changed')
  expect(work).not.toHaveBeenCalled()
})

test('a step that was added behind the saved ones runs', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  await run('key', async ({ step }) => step('first', () => 1).then(crash)).catch(() => {})
  expect(await run('key', async ({ step }) => [await step('first', () => 0), await step('new', () => 2)])).toEqual([
    1, 2,
  ])
})

test('steps that run side by side are all kept, whichever ends first', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  const counts = { a: 0, b: 0, c: 0 }
  const work =
    (end: () => Promise<string>) =>
    async ({ step }: Parameters<Parameters<typeof run>[1]>[0]) => {
      await Promise.all(
        (['a', 'b', 'c'] as const).map((name, index) =>
          step(name, async () => {
            await new Promise((resolve) => setTimeout(resolve, 30 - index * 10))
            return ++counts[name]
          }),
        ),
      )
      return end()
    }
  await run('key', work(crash)).catch(() => {})
  expect(
    await run(
      'key',
      work(async () => 'done'),
    ),
  ).toBe('done')
  expect(counts).toEqual({ a: 1, b: 1, c: 1 })
})

test('a step name is used once, is a string, and there are not more than maxSteps', async () => {
  const { run } = createIdempotency({ store: memoryStore(), maxSteps: 2 })
  const tryStep = (names: unknown[]) =>
    run(`key-${String(names)}`, async ({ step }) => {
      for (const name of names) await step(name as string, () => 1)
      return 'done'
    }).catch(codeOf)
  expect(await tryStep(['a', 'a'])).toBe('invalid_option')
  expect(await tryStep([''])).toBe('invalid_option')
  expect(await tryStep([7])).toBe('invalid_option')
  expect(await tryStep(['a', 'b', 'c'])).toBe('value_too_large')
  expect(await tryStep(['a', 'b'])).toBe('done')
})

test('a done step whose save fails gives its result, and the attempt is not released', async () => {
  const store = memoryStore()
  const failing: IdempotencyStore = {
    ...store,
    renew: (key, token, options) =>
      options?.checkpoint === undefined ? store.renew(key, token, options) : Promise.reject(new Error('down')),
  }
  const { run } = createIdempotency({ store: failing, leaseMs: 60_000 })
  const seen: unknown[] = []
  await run('key', async ({ step }) => {
    seen.push(await step('charge', () => 'charged'))
    return crash()
  }).catch(() => {})
  expect(seen).toEqual(['charged'])
  expect(await run('key', () => 'never').catch(codeOf)).toBe('in_progress')
})

test('a step result that cannot be kept goes to the work, and later steps are still saved', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store, maxCheckpointBytes: 1024, leaseMs: 200 })
  const large = vi.fn(() => 'x'.repeat(2000))
  const small = vi.fn(() => 'small')
  const work =
    (end: () => Promise<string>) =>
    async ({ step }: Parameters<Parameters<typeof run>[1]>[0]) => {
      expect(await step('large', large)).toHaveLength(2000)
      expect(await step('small', small)).toBe('small')
      return end()
    }
  await run('key', work(crash)).catch(() => {})
  await vi.waitFor(
    async () =>
      expect(
        await run(
          'key',
          work(async () => 'done'),
        ),
      ).toBe('done'),
    { timeout: 5000 },
  )
  expect([large.mock.calls.length, small.mock.calls.length]).toEqual([2, 1])
})

test('a downstream key is equal on every attempt and different for every operation and name', async () => {
  const store = memoryStore()
  const { run } = createIdempotency({ store })
  const keys = async (key: string, scope: string): Promise<string[][]> => {
    const seen: string[][] = []
    const work =
      (end: () => Promise<string>) =>
      ({ keyFor }: Parameters<Parameters<typeof run>[1]>[0]) => {
        seen.push(['x', 'y'].map(keyFor))
        return end()
      }
    await run(key, work(crash), { scope }).catch(() => {})
    await run(
      key,
      work(async () => 'done'),
      { scope },
    )
    return seen
  }
  const all = [await keys('a', 't'), await keys('b', 't'), await keys('a', 'u')]
  for (const [first, second] of all) expect(first).toEqual(second)
  expect(new Set(all.flat(2)).size).toBe(6)
  for (const key of all.flat(2)) expect(key).toMatch(/^[\w-]{43}$/)
  // Downstream services remember these keys, so a release may never change them.
  expect(all[0]?.[0]?.[0]).toBe('n6MGhaSpeC3ly7HbMHgQbD8OfhPeI_0hdi_VUy8OF-w')
})

test('a step within a transaction, which no store offers yet, is refused and does not run', async () => {
  const { run } = createIdempotency({ store: memoryStore() })
  const work = vi.fn(() => 1)
  expect(await run('key', ({ step }) => step('charge', work, { within: {} })).catch(codeOf)).toBe('unsupported')
  expect(work).not.toHaveBeenCalled()
})

test('a checkpoint whose bytes were damaged is store_corrupt, and the step does not run again', async () => {
  const { memory, open, clock } = simulatedWorld()
  const steps = [{ at: 0, name: 'one', kind: 'bytes', value: 'no base64!' }]
  await memory.begin('key', { token: 'earlier', leaseMs: 1000 })
  await memory.renew('key', 'earlier', { leaseMs: 1000, checkpoint: { steps } })
  await clock.advance(1000)
  const work = vi.fn(() => new Uint8Array(1))
  expect(await thrownBy(open().run('key', ({ step }) => step('one', work)))).toMatchObject({
    code: 'store_corrupt',
    key: 'key',
  })
  expect(work).not.toHaveBeenCalled()
})
