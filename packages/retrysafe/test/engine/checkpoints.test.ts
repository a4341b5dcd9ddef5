import type { Operation, StoredValue } from 'retrysafe'
import { type Fault, faultyStore } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { codeOf, gate, simulatedWorld, thrownBy, watched } from './simulated-world.js'

const crash = (): Promise<string> => Promise.reject(new Error('crash'))
const saves = ({ method, args }: { method: string; args: readonly unknown[] }): boolean =>
  method === 'renew' && (args[2] as { checkpoint?: unknown }).checkpoint !== undefined

test('what a step gave is resumed as it was: nothing, -0, bytes of each kind, and what a codec makes of it', async () => {
  const { run } = simulatedWorld().open()
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
  const seen: unknown[][] = []
  const dates = {
    encode: (date: Date): StoredValue => date.toISOString(),
    decode: (text: StoredValue) => new Date(String(text)),
  }
  const reversed = {
    encode: (value: Uint8Array): StoredValue => value.toReversed(),
    decode: (stored: StoredValue) => (stored as Uint8Array).toReversed(),
  }
  const work = async ({ step }: Operation): Promise<string> => {
    seen.push([
      await step('nothing', () => {}),
      await step('null', () => null),
      await step('minus', () => -0),
      await step('bytes', () => bytes),
      await step('empty', () => new Uint8Array()),
      await step('date', () => new Date(5), { codec: dates }),
      await step('reversed', () => new Uint8Array([1, 2, 200]), { codec: reversed }),
    ])
    return seen.length === 1 ? crash() : 'done'
  }
  await thrownBy(run('key', work))
  expect(await run('key', work)).toBe('done')
  const results = [undefined, null, -0, bytes, new Uint8Array(), new Date(5), new Uint8Array([1, 2, 200])]
  expect(seen).toStrictEqual([results, results])
})

test('bytes of any length are resumed as they were', async () => {
  const { run } = simulatedWorld().open()
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index * 7)
  let resumed: Uint8Array | undefined
  await thrownBy(run('key', ({ step }) => step('bytes', () => bytes).then(crash)))
  await run('key', async ({ step }) => {
    resumed = await step('bytes', () => new Uint8Array())
  })
  expect(Buffer.compare(bytes, resumed ?? new Uint8Array())).toBe(0)
})

test('a third attempt resumes what the first and the second have done', async () => {
  const { run } = simulatedWorld().open()
  const done: string[] = []
  const attempt =
    (names: string[], end: () => Promise<string>) =>
    async ({ step }: Operation) => {
      for (const name of names) await step(name, () => done.push(name))
      return end()
    }
  await thrownBy(run('key', attempt(['a'], crash)))
  await thrownBy(run('key', attempt(['a', 'b'], crash)))
  await run(
    'key',
    attempt(['a', 'b', 'c'], async () => 'done'),
  )
  expect(done).toEqual(['a', 'b', 'c'])
})

test('a step is given to the work only when it is saved', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', number: 1, fault: { kind: 'slow', ms: 100 } }], { clock })
  const { run } = open({ store })
  const seen = watched(run('key', ({ step }) => step('one', () => 1)))
  await clock.advance(99)
  expect(seen.outcome).toBe('pending')
  await clock.advance(1)
  expect(seen.outcome).toBe(1)
})

test('saves go one at a time, and what ended meanwhile shares the next', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', fault: { kind: 'slow', ms: 100 } }], { clock })
  const { run } = open({ store })
  const all = watched(run('key', ({ step }) => Promise.all([1, 2, 3, 4].map((each) => step(`s${each}`, () => each)))))
  await clock.advance(99)
  expect(store.calls.filter(saves)).toHaveLength(1)
  await clock.advance(500)
  expect(all.outcome).toEqual([1, 2, 3, 4])
  const asked = store.calls.filter(saves).map(({ args }) => args[2] as { checkpointNumber: number })
  expect(asked.length).toBeLessThanOrEqual(2)
  expect(asked.at(-1)?.checkpointNumber).toBe(4)
})

test('each save has a higher number, so that a delayed one takes nothing back', async () => {
  const { memory, open } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store })
  await run('key', async ({ step }) => {
    for (const name of ['a', 'b', 'c']) await step(name, () => name)
    return 'done'
  })
  const numbers = store.calls
    .filter(saves)
    .map(({ args }) => (args[2] as { checkpointNumber: number }).checkpointNumber)
  expect(numbers).toEqual([1, 2, 3])
})

async function withSaves(fault: (number: number) => Fault | undefined, options: object = {}) {
  const world = simulatedWorld()
  let number = 0
  const store = faultyStore(world.memory, (call) => (saves(call) ? fault(++number) : undefined))
  const { run } = world.open({ store, leaseMs: 30_000, ...options })
  const first = watched(
    run('key', ({ step }) => step('one', () => 'charged').then((value) => (value === 'charged' ? crash() : value))),
  )
  await world.clock.advance(1000)
  return { ...world, store, first, run, tries: () => store.calls.filter(saves).length }
}

test('a save that fails is tried three times in all', async () => {
  const { tries, run, first } = await withSaves((number) => (number < 3 ? { kind: 'fail' } : undefined))
  expect([first.outcome, tries()]).toEqual(['Error: crash', 3])
  const work = vi.fn(() => 'again')
  expect(await run('key', ({ step }) => step('one', work))).toBe('charged')
  expect(work).not.toHaveBeenCalled()
})

test('a save that fails three times is given up; the attempt is left to its lease, and an event says why', async () => {
  const down = new Error('down')
  const { tries, first, events, run, store } = await withSaves(() => ({ kind: 'fail', error: down }))
  expect([first.outcome, tries()]).toEqual(['Error: crash', 3])
  expect(events.filter(({ type }) => type === 'failed')).toMatchObject([
    { storeKey: 'key', attempt: 1, error: down },
    { error: { message: 'crash' } },
  ])
  expect(store.calls.some(({ method }) => method === 'release')).toBe(false)
  expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('in_progress')
})

test('under uncertain an attempt whose save failed is uncertain at once', async () => {
  const { run } = await withSaves(() => ({ kind: 'fail' }), { afterCrash: 'uncertain' })
  expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('uncertain')
})

test('a save of a lost claim is tried once, and the loss is told once', async () => {
  const { memory, open, events } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store })
  const second = vi.fn(() => 2)
  const results: unknown[] = []
  const lost = run('key', async ({ step }) => {
    results.push(
      await step('one', async () => {
        await memory.free('key', { attempt: 1 })
        return 'charged'
      }),
    )
    return step('two', second)
  })
  expect(codeOf(await thrownBy(lost))).toBe('lease_lost')
  expect([results, second.mock.calls.length, store.calls.filter(saves).length]).toEqual([['charged'], 0, 1])
  expect(store.calls.filter(({ method }) => method === 'renew')).toHaveLength(1) // what is known is not asked again
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'lost', 'failed'])
})

test('a checkpoint at maxCheckpointBytes is saved, and one byte more is not; what the store finds too large is asked once', async () => {
  const { memory, open, clock } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, maxCheckpointBytes: 1024 })
  const frame = JSON.stringify({ steps: [{ at: 0, name: 'one', kind: 'value', value: '' }] }).length
  await run('fits', ({ step }) => step('one', () => 'x'.repeat(1024 - frame)))
  expect(store.calls.filter(saves)).toHaveLength(1)
  await run('above', ({ step }) => step('one', () => 'x'.repeat(1025 - frame)))
  expect(store.calls.filter(saves)).toHaveLength(1)
  expect(clock.pending).toBeLessThanOrEqual(1)
})

test('of steps that end together, those are saved that there was room for', async () => {
  const { open, clock } = simulatedWorld()
  const { run } = open({ maxCheckpointBytes: 1024, leaseMs: 1000 })
  const texts = ['x'.repeat(600), 'y'.repeat(600), 'z'.repeat(100)]
  const steps = texts.map((text) => vi.fn(() => text))
  const work =
    (end: () => Promise<string>) =>
    async ({ step }: Operation) => {
      expect(await Promise.all(steps.map((one, index) => step(`step-${index}`, one)))).toEqual(texts)
      return end()
    }
  await thrownBy(run('key', work(crash)))
  await clock.advance(1000)
  expect(
    await run(
      'key',
      work(async () => 'done'),
    ),
  ).toBe('done')
  expect(steps.map(({ mock }) => mock.calls.length)).toEqual([1, 2, 1])
})

test('after a step that could not be kept, an attempt never releases', async () => {
  const { open, memory } = simulatedWorld()
  const { run } = open({ maxCheckpointBytes: 1024 })
  await thrownBy(run('key', ({ step }) => step('large', () => 'x'.repeat(2000)).then(crash)))
  expect(await memory.begin('key')).toMatchObject({ status: 'in_progress', attempt: 1 })
})

test('a step that fails is not saved, its error goes to the work, and the next attempt runs it again', async () => {
  const { run } = simulatedWorld().open()
  const failure = new Error('declined')
  const charge = vi.fn((): Promise<string> => Promise.reject(failure))
  expect(await thrownBy(run('key', ({ step }) => step('charge', charge)))).toBe(failure)
  charge.mockResolvedValue('charged')
  expect(await run('key', ({ step }) => step('charge', charge))).toBe('charged')
})

test('a failed step is done again, though a later one was saved', async () => {
  const { run } = simulatedWorld().open()
  const work =
    (first: () => Promise<string>, second: () => string, end: () => Promise<string>) =>
    async ({ step }: Operation) => {
      await step('first', first).catch(() => 'failed')
      await step('second', second)
      return end()
    }
  const [first, second] = [vi.fn(async () => 'first'), vi.fn(() => 'never')]
  await thrownBy(
    run(
      'key',
      work(crash, () => 'second', crash),
    ),
  )
  await run(
    'key',
    work(first, second, async () => 'done'),
  )
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 0])
})

test('a step that comes before the place where it was saved is refused, and the error says what was saved', async () => {
  const { run } = simulatedWorld().open()
  await thrownBy(
    run('key', async ({ step }) => {
      await step('lost', crash).catch(() => {})
      await step('kept', () => 1)
      return crash()
    }),
  )
  const error = await thrownBy(run('key', ({ step }) => step('kept', () => 2)))
  expect(error).toMatchObject({ code: 'steps_changed', key: 'key' })
  expect(String(error)).toContain(
    'Step 1 is "kept", but an earlier attempt at this key saved that name at another place',
  )
})

test('a name of 100 characters is a step, and one of 101 is not', async () => {
  const { run } = simulatedWorld().open()
  expect(await run('fits', ({ step }) => step('x'.repeat(100), () => 1))).toBe(1)
  expect(codeOf(await thrownBy(run('above', ({ step }) => step('x'.repeat(101), () => 1))))).toBe('invalid_option')
})

test.each(['', undefined, null, 7, {}])('%j is no name for a downstream key', async (name) => {
  const { run } = simulatedWorld().open()
  const error = await thrownBy(run('key', ({ keyFor }) => keyFor(name as string)))
  expect(error).toMatchObject({ code: 'invalid_option' })
  expect(String(error)).toContain('The name of keyFor')
})

test('under two keys of one name a downstream key differs by scope and space', async () => {
  const { open } = simulatedWorld()
  const { run } = open()
  const keyOf = (options: object): Promise<string> => run('key', ({ keyFor }) => keyFor('x'), options)
  const keys = [await keyOf({}), await keyOf({ scope: 'a' }), await keyOf({ space: 'a' }), await keyOf({ scope: 'b' })]
  expect(new Set(keys).size).toBe(4)
})

test('a claim that was withheld its checkpoint does its steps itself', async () => {
  const { run } = simulatedWorld().open()
  const charge = vi.fn(() => 'charged')
  await thrownBy(run('key', ({ step }) => step('charge', charge).then(crash), { fingerprint: 1 }))
  expect(await run('key', ({ step }) => step('charge', charge))).toBe('charged')
  expect(charge).toHaveBeenCalledTimes(2)
})

test('steps that were begun side by side are saved while others still run', async () => {
  const { clock, memory, open } = simulatedWorld()
  const end = gate()
  const { run } = open()
  const all = run('key', ({ step }) =>
    Promise.all([step('slow', () => end.passed.then(() => 1)), step('fast', () => 2)]),
  )
  await clock.advance(0)
  expect(await memory.get('key')).toMatchObject({ checkpoint: { steps: [{ at: 1, name: 'fast', value: 2 }] } })
  end.open()
  expect(await all).toEqual([1, 2])
})
