import { faultyStore } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { codeOf, simulatedWorld, thrownBy, watched } from './simulated-world.js'

const remember = (): boolean => true
const throwing = (error: unknown) => () => Promise.reject(error) as Promise<string>

test.each([
  ['a string', 'declined'],
  ['a number', 0],
  ['null', null],
  ['undefined', undefined],
  ['plain data', { code: 7, message: undefined }],
])('a remembered failure that is no Error is replayed as it is: %s', async (_what, failure) => {
  const { run } = simulatedWorld().open({ remember })
  const work = vi.fn(throwing(failure))
  expect(await thrownBy(run('key', work))).toBe(failure)
  expect(await thrownBy(run('key', work))).toEqual(failure)
  expect(work).toHaveBeenCalledTimes(1)
})

test('a replayed failure has its name and own properties, and neither an old stack nor what was undefined', async () => {
  const { run } = simulatedWorld().open({ remember })
  const failure = Object.assign(new Error('declined'), { code: 'card', none: undefined, cause: 1n })
  Object.defineProperty(failure, 'name', { value: 'CardError', enumerable: true })
  Object.defineProperty(failure, 'stack', { value: 'secret/path.ts:1', enumerable: true })
  await thrownBy(run('key', throwing(failure)))
  const replayed = (await thrownBy(run('key', () => 'never'))) as Error
  expect(replayed).toBeInstanceOf(Error)
  expect([replayed.name, replayed.message, String(replayed)]).toEqual(['CardError', 'declined', 'CardError: declined'])
  expect(replayed.stack).not.toContain('secret/path.ts')
  expect(Object.keys(replayed)).toEqual(['code'])
})

test('an empty message is an Error all the same', async () => {
  const { run } = simulatedWorld().open({ remember })
  await thrownBy(run('key', throwing(new RangeError())))
  expect(await thrownBy(run('key', () => 'never'))).toMatchObject({ name: 'RangeError', message: '' })
})

test('a remembered failure that cannot be stored is thrown once, and nobody runs again', async () => {
  const { open, events } = simulatedWorld()
  const { run } = open({ remember, maxStoredBytes: 1024 })
  const large = new Error('x'.repeat(2000))
  expect(await thrownBy(run('large', throwing(large)))).toBe(large)
  expect(codeOf(await thrownBy(run('large', () => 'never')))).toBe('response_not_stored')
  const odd = 1n
  expect(await thrownBy(run('odd', throwing(odd)))).toBe(odd)
  expect(codeOf(await thrownBy(run('odd', () => 'never')))).toBe('response_not_stored')
  expect(events.map(({ type }) => type)).toContain('response_not_stored')
})

test('a single run says for itself which failures are kept', async () => {
  const { run } = simulatedWorld().open({ remember })
  await thrownBy(run('key', throwing('first'), { remember: () => false }))
  expect(await run('key', () => 'second')).toBe('second')
  const other = simulatedWorld().open()
  await thrownBy(other.run('key', throwing('first'), { remember }))
  expect(await thrownBy(other.run('key', () => 'never'))).toBe('first')
})

for (const option of ['remember', 'notApplied'] as const)
  test(`${option} that throws hides nothing: the work's error is thrown, and the claim is left to its lease`, async () => {
    const { clock, memory, open, events } = simulatedWorld()
    const store = faultyStore(memory)
    const broken = new Error(`${option} is broken`)
    const rule = (): boolean => {
      throw broken
    }
    const { run, drain } = open({ store, leaseMs: 30_000, afterCrash: 'uncertain', [option]: rule })
    const failure = new Error('work')
    expect(await thrownBy(run('key', throwing(failure)))).toBe(failure)
    expect(events.map(({ type, error }) => [type, error])).toEqual([
      ['claimed', undefined],
      ['failed', failure],
      ['failed', broken],
    ])
    await drain()
    await clock.advance(29_999)
    expect(store.calls.map(({ method }) => method)).toEqual(['begin']) // neither ended nor renewed
    expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('in_progress')
    await clock.advance(1)
    expect(codeOf(await thrownBy(run('key', () => 'never')))).toBe('uncertain')
  })

test('the error is thrown only when the key is free again', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'release', fault: { kind: 'slow', ms: 100 } }], { clock })
  const seen = watched(open({ store }).run('key', throwing('first')))
  await clock.advance(99)
  expect(seen.outcome).toBe('pending')
  await clock.advance(1)
  expect(seen.outcome).toBe('first')
  expect(await memory.get('key')).toBeUndefined()
})

test('where a release is not answered, the claim is left to its lease and not renewed', async () => {
  const { clock, memory, open, events } = simulatedWorld()
  const down = new Error('down')
  const store = faultyStore(memory, [{ method: 'release', fault: { kind: 'fail', error: down } }])
  const { run, drain } = open({ store, leaseMs: 30_000 })
  expect(await thrownBy(run('key', throwing('first')))).toBe('first')
  await drain()
  await clock.advance(30_000)
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'release'])
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'failed', 'failed'])
  expect(events[2]?.error).toBe(down)
  expect(await run('key', () => 'second')).toBe('second')
})

test('under uncertain a failure gives the lease up: others are told at once, and no attempt is counted twice', async () => {
  const { memory, open, events } = simulatedWorld()
  const store = faultyStore(memory)
  const { run } = open({ store, afterCrash: 'uncertain' })
  await thrownBy(run('key', throwing('first')))
  expect(store.calls.map(({ method }) => method)).toEqual(['begin', 'renew'])
  expect(await thrownBy(run('key', () => 'never'))).toMatchObject({ code: 'uncertain', attempt: 1 })
  expect(events.map(({ type }) => type)).toEqual(['claimed', 'failed', 'uncertain'])
  expect(events[2]).toEqual({ type: 'uncertain', storeKey: 'key', code: 'uncertain', attempt: 1 })
})

for (const [what, hasStep] of [
  ['a heartbeat that is on its way', false],
  ['a heartbeat that a saved step has overtaken', true],
] as const)
  test(`under uncertain a lease is given up only after ${what}, which would extend it again`, async () => {
    const { clock, memory, open } = simulatedWorld()
    const store = faultyStore(memory, [{ method: 'renew', number: 1, fault: { kind: 'slow', ms: 3000 } }], { clock })
    const { run, drain } = open({ store, leaseMs: 30_000, afterCrash: 'uncertain' })
    const seen = watched(
      run('key', async ({ step }) => {
        await clock.sleep(10_500)
        if (hasStep) await step('one', () => 1)
        throw new Error('failed')
      }),
    )
    await clock.advance(12_900)
    expect(seen.outcome).toBe('pending')
    await clock.advance(200)
    expect(seen.outcome).toBe('Error: failed')
    expect(await memory.begin('key')).toMatchObject({ status: 'uncertain', attempt: 1 })
    await drain()
  })

test('under uncertain a heartbeat that is never answered delays a failure no longer than the lease lasts', async () => {
  const { clock, memory, open } = simulatedWorld()
  const store = faultyStore(memory, [{ method: 'renew', number: 1, fault: { kind: 'hang' } }])
  const { run } = open({ store, leaseMs: 30_000, afterCrash: 'uncertain' })
  const seen = watched(run('key', () => clock.sleep(11_000).then(throwing('first'))))
  await clock.advance(29_000)
  expect(seen.outcome).toBe('pending')
  await clock.advance(1100)
  expect(seen.outcome).toBe('first')
  expect(await memory.begin('key')).toMatchObject({ status: 'uncertain', attempt: 1 })
})

test('a single run says for itself what proves that nothing happened', async () => {
  const { open } = simulatedWorld()
  const { run } = open({ afterCrash: 'uncertain' })
  await thrownBy(run('key', throwing('refused'), { notApplied: (error) => error === 'refused' }))
  expect(await run('key', () => 'second')).toBe('second')
})

test('notApplied means nothing under rerun: every failure releases', async () => {
  const notApplied = vi.fn(() => false)
  const { run } = simulatedWorld().open({ notApplied })
  await thrownBy(run('key', throwing('first')))
  expect(await run('key', () => 'second')).toBe('second')
  expect(notApplied).not.toHaveBeenCalled()
})
