import { createIdempotency } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test, vi } from 'vitest'
import { engineOf } from '../../src/engine/index.js'
import { codeOf, simulatedWorld, thrownBy } from './simulated-world.js'

test.each([
  ['no options', undefined, /options is undefined/],
  ['null', null, /options is null/],
  ['no store', {}, /store is undefined.*begin/],
  ['observe', { observe: 1 }, /observe is 1: it must be a function/],
  ['random', { random: 0.5 }, /random is 0.5: it must be a function/],
  ['notApplied', { notApplied: 'never' }, /notApplied is "never"/],
  ['maxRunMs', { maxRunMs: 99 }, /maxRunMs is 99/],
  ['maxSteps', { maxSteps: 4097 }, /maxSteps is 4097/],
  ['maxStoredBytes', { maxStoredBytes: 1 }, /maxStoredBytes is 1/],
  ['maxCheckpointBytes', { maxCheckpointBytes: 2 ** 25 }, /maxCheckpointBytes is 33554432/],
  ['maxWaiters', { maxWaiters: -1 }, /maxWaiters is -1/],
  ['whenInProgress', { whenInProgress: 'wait' }, /whenInProgress is "wait": it must be 'reject' or { waitMs }/],
  ['whenInProgress', { whenInProgress: null }, /whenInProgress is null/],
  ['waitMs', { whenInProgress: { waitMs: undefined } }, /whenInProgress.waitMs is NaN/],
])('createIdempotency refuses %s and names it', (_name, options, message) => {
  const given = options && Object.keys(options).length > 0 ? { store: memoryStore(), ...(options as object) } : options
  expect(() => createIdempotency(given as never)).toThrow(message)
})

test.each([
  ['leaseMs', { leaseMs: 1 }],
  ['afterCrash', { afterCrash: 'maybe' }],
  ['scope', { scope: '' }],
  ['codec without encode', { codec: { decode: () => 1 } }],
  ['codec without decode', { codec: { encode: () => 1 } }],
  ['codec', { codec: 'json' }],
  ['fingerprint', { fingerprint: () => 1 }],
  ['fingerprint', { fingerprint: new Map() }],
])('a run with a wrong %s begins nothing', async (_name, options) => {
  const { open, events } = simulatedWorld()
  const work = vi.fn(() => 1)
  expect(codeOf(await thrownBy(open().run('key', work, options as never)))).toBe('invalid_option')
  expect(work).not.toHaveBeenCalled()
  expect(events).toEqual([])
})

test('work that is no function begins nothing', async () => {
  const { open, events } = simulatedWorld()
  expect(String(await thrownBy(open().run('key', 'work' as never)))).toContain('work is "work"')
  expect(events).toEqual([])
})

test('execute and run reject; they never throw before there is a promise', () => {
  const { run, execute } = simulatedWorld().open()
  for (const call of [run, execute]) void thrownBy(call('', () => 1))
})

test.each([
  [0, 1],
  ['', 'a'],
  [false, true],
  [null, 0],
  [[], {}],
  [-0, 1],
  [
    [1, 2],
    [2, 1],
  ],
  [{ a: 1 }, { a: '1' }],
])('the fingerprint of %j is compared, and %j is another', async (fingerprint, another) => {
  const { run } = simulatedWorld().open()
  await run('key', () => 'first', { fingerprint })
  expect(codeOf(await thrownBy(run('key', () => 'never', { fingerprint: another })))).toBe('mismatch')
  expect(await run('key', () => 'never', { fingerprint })).toBe('first')
  expect(await run('key', () => 'never')).toBe('first') // where nothing is given, nothing is compared
})

test('scope and space make keys of their own', async () => {
  const { memory, open } = simulatedWorld()
  const { run } = open()
  await run('key', () => 1)
  await run('key', () => 2, { scope: 'a' })
  await run('key', () => 3, { space: 'b' } as never)
  await run('key', () => 4, { scope: 'a', space: 'b' } as never)
  const { records } = await memory.list()
  expect(records.map(({ key }) => key)).toEqual(['a/key', 'b//key', 'b/a/key', 'key'])
})

test('a wrapped function has its name as space, and its scope and fingerprint from its arguments', async () => {
  const { memory, open } = simulatedWorld()
  const work = vi.fn((tenant: string, id: string, amount: number) => `${tenant} ${id} ${amount}`)
  const once = open().wrap(work, {
    name: 'charge',
    key: (_tenant, id) => id,
    scope: (tenant) => tenant,
    fingerprint: (_tenant, _id, amount) => amount,
    retentionMs: 5000,
  })
  expect(await once('a', '1', 10)).toBe('a 1 10')
  expect(await once('b', '1', 20)).toBe('b 1 20')
  expect(await once('a', '1', 10)).toBe('a 1 10')
  expect(codeOf(await thrownBy(once('a', '1', 11)))).toBe('mismatch')
  expect(work).toHaveBeenCalledTimes(2)
  const { records } = await memory.list()
  expect(records.map(({ key }) => key)).toEqual(['charge/a/1', 'charge/b/1'])
  const { expiresAt, updatedAt } = records[0] ?? {}
  expect(Number(expiresAt) - Number(updatedAt)).toBe(5000)
})

test('a wrapped function whose tenant is missing does not run', async () => {
  const once = simulatedWorld()
    .open()
    .wrap((id: string) => id, { name: 'f', key: (id) => id, scope: () => undefined as never })
  expect(codeOf(await thrownBy(once('1')))).toBe('invalid_option')
})

test.each([
  ['name', { name: 7 }, /name is 7/],
  ['name', { name: '' }, /name is "".*non-empty/],
  ['name', { name: 'serve' }, /http, proxy, serve are taken/],
  ['key', { key: 'id' }, /key is "id"/],
  ['scope', { scope: 'tenant' }, /scope is "tenant"/],
  ['fingerprint', { fingerprint: 1 }, /fingerprint is 1/],
  ['leaseMs', { leaseMs: 1 }, /leaseMs is 1/],
])('wrap refuses a wrong %s when it is called, not with the first operation', (_name, options, message) => {
  const idempotency = simulatedWorld().open()
  const given = { name: 'f', key: () => 'k', ...(options as object) }
  expect(() => idempotency.wrap(() => 1, given as never)).toThrow(message)
})

test('carriers refuse what createIdempotency did not make', () => {
  const idempotency = simulatedWorld().open()
  expect(engineOf(idempotency).settings.run.leaseMs).toBe(30_000)
  expect(() => engineOf({ ...idempotency })).toThrow(/idempotency is .*createIdempotency gave/)
})

test('the defaults are those that are documented', () => {
  const { settings } = engineOf(createIdempotency({ store: memoryStore() }))
  expect(settings).toMatchObject({
    run: { leaseMs: 30_000, retentionMs: 86_400_000, maxRunMs: 900_000, waitMs: 0, afterCrash: 'rerun' },
    maxStoredBytes: 10 * 1024 * 1024,
    maxSteps: 256,
    maxCheckpointBytes: 1024 * 1024,
    maxWaiters: 1000,
  })
  expect([settings.run.remember(1), settings.run.notApplied(1)]).toEqual([false, false])
})

test('what a run does not set comes from createIdempotency', () => {
  const given = {
    leaseMs: 101,
    retentionMs: 1001,
    maxRunMs: 102,
    whenInProgress: { waitMs: 7 },
    afterCrash: 'uncertain' as const,
    remember: () => true,
    notApplied: () => true,
  }
  const { run } = engineOf(createIdempotency({ store: memoryStore(), ...given })).settings
  const { whenInProgress, ...same } = given
  expect(run).toEqual({ ...same, waitMs: whenInProgress.waitMs })
})
