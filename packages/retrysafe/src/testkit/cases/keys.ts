/* Which keys are one, which are two, and which are none. Promise 6. */
import { type IdempotencyStore, maxStoreKeyBytes, storeKey } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus } from '../expect.js'
import { type Scene, storeCase } from '../scene.js'
import { isInspectable, type StoreCase } from '../store-case.js'

const one = 'Two operations would share one record: the second is answered with the response of the first.'

/** Pairs that a weak comparison equates: collations, padding, normal forms, numeric reading. */
const pairs: readonly (readonly [why: string, a: string, b: string])[] = [
  ['case', 'order-a', 'order-A'],
  ['the case of a letter outside ASCII', 'ÉTÉ', 'été'],
  ['an accent', 'resume', 'résumé'],
  ['an accent in another place', 'résume', 'resumé'],
  ['a trailing space', 'order', 'order '],
  ['two trailing spaces', 'order ', 'order  '],
  ['a leading space', 'order', ' order'],
  ['a no-break space', 'a b', 'a\u00a0b'],
  ['full width', 'order', 'ｏｒｄｅｒ'],
  ['composed and decomposed form', 'caf\u00e9', 'cafe\u0301'],
  ['a ligature', 'ﬁle', 'file'],
  ['sharp s', 'straße', 'strasse'],
  ['dotless i', 'ısı', 'isi'],
  ['capital dotted i', 'İ', 'i\u0307'],
  ['hiragana and katakana', 'か', 'カ'],
  ['the final sigma', 'ς', 'σ'],
  ['the Kelvin sign', 'K', '\u212a'],
  ['two emoji', '\u{1f600}', '\u{1f601}'],
  ['two letters outside the basic plane', '\u{10400}', '\u{10428}'],
  ['a replacement character', '\ufffd', '\u{1f600}'],
  ['an invisible joiner', 'ab', 'a\u200db'],
  ['a byte order mark', 'ab', '\ufeffab'],
  ['a soft hyphen', 'ab', 'a\u00adb'],
  ['a leading zero', '1', '01'],
  ['a decimal point', '1', '1.0'],
  ['an exponent', '10', '1e1'],
  ['a hexadecimal form', '16', '0x10'],
  ['a percent sign', 'a%', 'ab'],
  ['an underscore', 'a_', 'ab'],
  ['an escaped slash', 'a/b', 'a%2Fb'],
  ['a doubled slash', 'a/b', 'a//b'],
  ['a backslash', 'a\\b', 'a\\\\b'],
  ['a quote', "a'b", "a''b"],
  ['a star', 'a*', 'a'],
  ['braces', '{a}b', '{a}c'],
  ['a colon', 'a:b', 'a::b'],
  ['a name of an object’s own', '__proto__', 'constructor'],
]

const refused: readonly (readonly [why: string, key: unknown])[] = [
  ['empty', ''],
  ['NUL', 'a\u0000b'],
  ['a line feed', 'a\n'],
  ['a tab', '\ta'],
  ['DEL', 'a\u007f'],
  ['a C1 control', 'a\u0085b'],
  ['a lone high surrogate', 'a\ud800'],
  ['a lone low surrogate', '\udc00a'],
  ['surrogates in the wrong order', '\udc00\ud800'],
  ['one byte too long', 'a'.repeat(maxStoreKeyBytes + 1)],
  ['one byte too long in wide characters', `${'é'.repeat(maxStoreKeyBytes / 2)}a`],
  ['undefined', undefined],
  ['null', null],
  ['a number', 42],
  ['an object', {}],
]

async function expectTwo({ store, claim, begin }: Scene, a: string, b: string): Promise<void> {
  await claim({ token: 'a', fingerprint: 'v1:a' }, a)
  await store.complete(a, 'response of a', { token: 'a' })
  expectEqual(await store.get(b), undefined, 'get of the other key')
  await claim({ token: 'b', fingerprint: 'v1:b' }, b)
  await expectRejection(() => store.complete(b, 'x', { token: 'a' }), 'lease_lost', 'the token of the one on the other')
  await store.complete(b, 'response of b', { token: 'b' })
  for (const [key, response] of [
    [a, 'response of a'],
    [b, 'response of b'],
  ] as const) {
    expectEqual(expectStatus(await begin({}, key), 'completed', 'begin').response, response, 'response')
    expectEqual((await store.get(key))?.key, key, 'the key that get shows')
  }
}

function everyCall(store: IdempotencyStore, key: string): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    begin: () => store.begin(key),
    complete: () => store.complete(key, 1),
    'complete with a token': () => store.complete(key, 1, { token: 'mine' }),
    get: () => store.get(key),
    renew: () => store.renew(key, 'mine'),
    release: () => store.release(key, 'mine'),
    ...(isInspectable(store) ? { delete: () => store.delete(key), free: () => store.free(key, { attempt: 1 }) } : {}),
  }
}

/** A key of exactly that many bytes, most of them of the filler. */
function fill(prefix: string, filler: string, bytes: number, end: string): string {
  const encoder = new TextEncoder()
  const room = bytes - encoder.encode(prefix + end).length
  const count = Math.floor(room / encoder.encode(filler).length)
  return prefix + filler.repeat(count) + 'x'.repeat(room - count * encoder.encode(filler).length) + end
}

export const keyCases: readonly StoreCase[] = [
  ...pairs.map(([why, a, b]) =>
    storeCase(`keys that differ by ${why} are two`, one, (scene) =>
      expectTwo(scene, `${scene.opened.scratch}${a}`, `${scene.opened.scratch}${b}`),
    ),
  ),

  ...['a', 'é', '€', '\u{1f600}'].map((filler) =>
    storeCase(`the longest keys, of ${filler}, that differ in the last byte are two`, one, (scene) =>
      expectTwo(
        scene,
        fill(scene.opened.scratch, filler, maxStoreKeyBytes, '1'),
        fill(scene.opened.scratch, filler, maxStoreKeyBytes, '2'),
      ),
    ),
  ),

  storeCase('the longest key and one that is a byte shorter are two', one, (scene) =>
    expectTwo(
      scene,
      fill(scene.opened.scratch, 'a', maxStoreKeyBytes, 'a'),
      fill(scene.opened.scratch, 'a', maxStoreKeyBytes - 1, 'a'),
    ),
  ),

  storeCase('the same key in two scopes is two', one, (scene) =>
    expectTwo(
      scene,
      `${scene.opened.scratch}${storeKey('key', { scope: 'tenant-1' })}`,
      `${scene.opened.scratch}${storeKey('key', { scope: 'tenant-2' })}`,
    ),
  ),

  storeCase('a scope’s key and a key that spells it are two', one, (scene) =>
    expectTwo(
      scene,
      `${scene.opened.scratch}${storeKey('key', { scope: 'tenant' })}`,
      `${scene.opened.scratch}${storeKey('tenant/key')}`,
    ),
  ),

  ...refused.map(([why, key]) =>
    storeCase(
      `a key that is no key (${why}) is refused by every call`,
      'An engine would cut it, or keep another.',
      async (scene) => {
        for (const [name, call] of Object.entries(everyCall(scene.store, key as string)))
          await expectRejection(call, 'invalid_key', name)
      },
    ),
  ),
]
