/* Promise 3, the bytes of it: what is given back equals what was given, or it was refused. */
import { isRetrysafeError, type Storable } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const altered = 'A replay would differ from the first answer.'
const poisoned = 'A value that cannot be kept would be kept altered, or would take its claim with it.'
const mib = 1024 * 1024

const json: readonly (readonly [name: string, value: Storable | null])[] = [
  ['null', null],
  ['false', false],
  ['true', true],
  ['0', 0],
  ['-0', -0],
  ['-0 inside', { balance: -0, list: [-0, 0] }],
  ['an empty string', ''],
  ['an empty list', []],
  ['an empty object', {}],
  ['a string that looks like JSON', '{"a":1}'],
  ['a string that says null', 'null'],
  ['numbers at the edges', [5e-324, 1.7976931348623157e308, -1e-7, 9007199254740991, 0.1 + 0.2, 1e21]],
  ['Unicode', ['é', 'e\u0301', '日本語', '\u{1f600}', '\u2028\u2029', '\ufeff', '\uffff', '\u{10ffff}']],
  ['control characters', { text: 'a\tb\r\nc\u0001\u001f\u007f\u0085' }],
  ['quotes and backslashes', ['"', "'", '\\', '\\u0000', '`', '$1', '?', '%s', ':a', '$\x7ba}', '{{a}}']],
  ['names of all kinds', { '': 1, ' ': 2, 'a.b': 3, $set: 4, '\u{1f600}': 5, constructor: 6, "a'b": 7 }],
  ['a member named __proto__', JSON.parse('{"__proto__":{"admin":true},"a":1}') as object],
  ['nested lists', [[], [[]], [[[1], null]], { a: [{ b: [] }] }]],
]

/** Kept as they are, or refused; never altered. */
const doubtful: readonly (readonly [name: string, value: Storable])[] = [
  ['NUL in a string', 'a\u0000b'],
  ['NUL in a name', { 'a\u0000': '\u0000' }],
  ['a lone surrogate', ['\ud800', 'a\udfffb']],
  ['a lone surrogate in a name', { '\udc00': 1 }],
]

const unserialisable: readonly (readonly [name: string, make: () => unknown])[] = [
  ['undefined', () => undefined],
  ['undefined in a list', () => [1, undefined]],
  ['NaN', () => ({ total: Number.NaN })],
  ['Infinity', () => [Number.POSITIVE_INFINITY]],
  ['a BigInt', () => ({ id: 1n })],
  ['a function', () => ({ run: () => 1 })],
  ['a symbol', () => [Symbol('a')]],
  ['a Date', () => ({ at: new Date(0) })],
  ['a Map', () => new Map([['a', 1]])],
  ['a Set', () => [new Set([1])]],
  ['an Error', () => new Error('a')],
  ['bytes inside a value', () => ({ body: new Uint8Array(1) })],
  ['a promise', () => Promise.resolve(1)],
  [
    'a cycle',
    () => {
      const cycle: unknown[] = []
      cycle.push({ cycle })
      return cycle
    },
  ],
]

/** Keeps the value as a response and as a checkpoint, and has both back in every way there is. */
async function expectRoundTrip(scene: Scene, value: Storable | null): Promise<void> {
  const { store, key, keyOf, claim, begin } = scene
  await claim({ token: 'mine' })
  await store.complete(key, value as Storable, { token: 'mine' })
  const replay = expectStatus(await begin(), 'completed', 'begin')
  expectSame(replay.response, value, 'the replay')
  expectSame((await store.get(key))?.response, value, 'get')
  expectSame(
    expectStatus(await (await scene.again()).begin(key), 'completed', 'begin').response,
    value,
    'another handle',
  )
  const saved = keyOf('saved')
  await claim({ token: 'first' }, saved)
  await store.renew(saved, 'first', { checkpoint: value as Storable })
  expectSame((await store.get(saved))?.checkpoint, value, 'the checkpoint that get shows')
  await store.release(saved, 'first')
  expectSame((await claim({}, saved)).checkpoint, value, 'the checkpoint of the next claim')
}

/** Equal in what it holds and, for JSON, in the order of members. */
function expectSame(seen: unknown, value: unknown, what: string): void {
  expectEqual(seen, value, what)
  if (!(value instanceof Uint8Array)) expectEqual(JSON.stringify(seen), JSON.stringify(value), `${what}, as JSON`)
}

function nest(depth: number): Storable {
  let value: Storable = 'deep'
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { level: value }
  return value
}

function allBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = index * 167 + (index >> 8)
  return bytes
}

export const valueCases: readonly StoreCase[] = [
  ...json.map(([name, value]) =>
    storeCase(`a value is given back as it was: ${name}`, altered, (scene) => expectRoundTrip(scene, value)),
  ),

  storeCase('a value is given back as it was: 900 levels', altered, (scene) => expectRoundTrip(scene, nest(900))),

  storeCase('members keep their order', 'A body that is built from it would differ byte for byte.', async (scene) => {
    await expectRoundTrip(scene, { zebra: 1, apple: { y: 1, x: 2 }, Mango: 3, é: 4, a: [{ c: 1, b: 2 }] })
  }),

  storeCase('members that are undefined are left out', altered, async ({ store, key, claim, begin }) => {
    await claim({ token: 'mine' })
    await store.complete(key, { a: 1, b: undefined }, { token: 'mine' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, { a: 1 }, 'response')
  }),

  ...doubtful.map(([name, value]) =>
    storeCase(`a doubtful value is kept as it is or refused: ${name}`, altered, async (scene) => {
      const { store, key, claim, begin } = scene
      await claim({ token: 'mine' })
      try {
        await store.complete(key, value, { token: 'mine' })
      } catch (error) {
        if (!isRetrysafeError(error, 'value_not_serialisable')) throw error
        expectStatus(await begin(), 'in_progress', 'begin after the refusal')
        return
      }
      expectSame(expectStatus(await begin(), 'completed', 'begin').response, value, 'response')
    }),
  ),

  ...[
    ['every value', Uint8Array.from({ length: 256 }, (_, index) => index)] as const,
    ['none', new Uint8Array(0)] as const,
    ['a single NUL', Uint8Array.of(0)] as const,
    ['what looks like text', new TextEncoder().encode('{"a":1}')] as const,
    ['broken UTF-8', Uint8Array.of(0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80)] as const,
    ['a part of a larger buffer', Uint8Array.from({ length: 64 }, (_, index) => index).subarray(10, 20)] as const,
  ].map(([name, bytes]) =>
    storeCase(`bytes are given back byte for byte: ${name}`, altered, async (scene) => {
      await expectRoundTrip(scene, bytes)
      const replay = expectStatus(await scene.begin(), 'completed', 'begin').response
      expectThat(Object.getPrototypeOf(replay) === Uint8Array.prototype, 'the replay is a Uint8Array and no subclass')
    }),
  ),

  storeCase('large values are given back whole', altered, async (scene) => {
    const most = Math.min(scene.opened.limits?.maxValueBytes ?? mib, mib)
    const texts = ['a'.repeat(most - 2), '€'.repeat(Math.floor((most - 2) / 3))]
    for (const [index, value] of [allBytes(most), ...texts].entries()) {
      const key = scene.keyOf(`large-${index}`)
      await scene.claim({ token: 'mine' }, key)
      await scene.store.complete(key, value, { token: 'mine' })
      expectEqual(expectStatus(await scene.begin({}, key), 'completed', 'begin').response, value, 'response')
    }
  }),

  storeCase(
    'a value over the store’s limit is refused, at the limit it is kept',
    poisoned,
    async (scene) => {
      const most = scene.opened.limits?.maxValueBytes ?? 0
      if (most > 64 * mib) return
      const { store, key, claim, begin } = scene
      await claim({ token: 'mine' })
      const before = await store.get(key)
      // Each is made when it is needed, since a store may take tens of megabytes.
      const over: readonly (readonly [what: string, make: () => Storable])[] = [
        ['bytes', () => allBytes(most + 1)],
        ['text', () => 'a'.repeat(most - 1)],
        ['text of three bytes a character', () => '€'.repeat(Math.ceil((most - 1) / 3))],
      ]
      for (const [what, make] of over) {
        const value = make()
        await expectRejection(() => store.complete(key, value, { token: 'mine' }), 'value_too_large', what)
        await expectRejection(() => store.renew(key, 'mine', { checkpoint: value }), 'value_too_large', what)
      }
      expectEqual(await store.get(key), before, 'the record')
      await store.complete(key, allBytes(most), { token: 'mine' })
      expectEqual(expectStatus(await begin(), 'completed', 'begin').response, allBytes(most), 'response')
    },
    'limited',
  ),

  ...unserialisable.map(([name, make]) =>
    storeCase(`what JSON would change is refused and nothing is changed: ${name}`, poisoned, async (scene) => {
      const { store, key, claim } = scene
      const value = make() as Storable
      await claim({ token: 'mine' })
      await store.renew(key, 'mine', { checkpoint: 'kept' })
      const before = await store.get(key)
      const complete = (): Promise<void> => store.complete(key, value, { token: 'mine' })
      await expectRejection(complete, 'value_not_serialisable', 'complete')
      if (value !== undefined)
        await expectRejection(
          () => store.renew(key, 'mine', { checkpoint: value }),
          'value_not_serialisable',
          'renew with a checkpoint',
        )
      expectEqual(await store.get(key), before, 'the record')
      await store.complete(key, 'done', { token: 'mine' })
    }),
  ),

  storeCase('the caller’s own copy may change without changing the stored one', altered, async (scene) => {
    const { store, key, keyOf, claim, begin } = scene
    const [value, bytes] = [{ list: [1] }, Uint8Array.of(1, 2, 3)]
    await claim({ token: 'mine' })
    const completing = store.complete(key, value, { token: 'mine' })
    value.list.push(2)
    await completing
    value.list.push(3)
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, { list: [1] }, 'response')
    const binary = keyOf('bytes')
    await claim({ token: 'mine' }, binary)
    const storing = store.complete(binary, bytes, { token: 'mine' })
    bytes[0] = 9
    await storing
    bytes[1] = 9
    const stored = expectStatus(await begin({}, binary), 'completed', 'begin').response
    expectEqual(stored, Uint8Array.of(1, 2, 3), 'bytes')
  }),

  storeCase('what a caller does to a replay reaches nobody else', altered, async (scene) => {
    const { store, key, keyOf, claim, begin, lapse } = scene
    await claim({ token: 'mine' })
    await store.complete(key, { list: [1] }, { token: 'mine' })
    const replay = expectStatus(await begin(), 'completed', 'begin')
    const record = await store.get(key)
    for (const response of [replay.response, record?.response]) (response as { list: number[] }).list.push(2)
    for (const instant of [replay.expiresAt, replay.completedAt, record?.expiresAt]) instant?.setTime(0)
    const next = expectStatus(await begin(), 'completed', 'begin')
    expectEqual(next.response, { list: [1] }, 'response')
    expectThat(next.expiresAt.getTime() > 0 && next.completedAt.getTime() > 0, 'the instants are as they were')
    const saved = keyOf('saved')
    await claim({ token: 'first' }, saved)
    await store.renew(saved, 'first', { checkpoint: Uint8Array.of(1) })
    await lapse(saved)
    const second = await claim({ token: 'second' }, saved)
    const checkpoint = second.checkpoint as Uint8Array
    checkpoint[0] = 9
    second.leaseUntil.setTime(0)
    const again = await claim({ token: 'second' }, saved)
    expectEqual(again.checkpoint, Uint8Array.of(1), 'checkpoint')
    expectThat(again.leaseUntil.getTime() > 0, 'the lease is as it was')
  }),
]
