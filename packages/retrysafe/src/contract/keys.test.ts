import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkStoreKey, type StoreKeyOptions, storeKey } from './keys.js'
import { maxKeyCodePoints, maxStoreKeyBytes } from './limits.js'

/** Parts of a key as callers may give them, with a liking for what the escape is about. */
const part = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom('/', '%', '%2F', '%25', 'a', ' ', 'é', '\u{1f600}'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 20,
  })
  .filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text))
const options = fc.record({ scope: part, space: part }, { requiredKeys: [] })

test('no two operations share a store key', () => {
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(part, options, (key, given) => {
      const stored = storeKey(key, given)
      const identity = JSON.stringify([key, given.scope ?? null, given.space ?? null])
      expect(seen.get(stored) ?? identity).toBe(identity)
      seen.set(stored, identity)
    }),
    { numRuns: 20_000 },
  )
})

test('the parts can be read back from a store key', () => {
  const readBack = (text: string): string => text.replaceAll('%2F', '/').replaceAll('%25', '%')
  fc.assert(
    fc.property(part, options, (key, given) => {
      const parts = storeKey(key, given).split('/').map(readBack)
      const { scope, space } = given
      if (space !== undefined) expect(parts).toEqual([space, scope ?? '', key])
      else expect(parts).toEqual(scope === undefined ? [key] : [scope, key])
    }),
  )
})

test('small alphabets, exhaustively: no two operations share a store key', () => {
  const letters = ['/', '%', '2', 'F', 'a']
  const words = letters.flatMap((a) => [a, ...letters.map((b) => a + b)])
  const seen = new Set<string>()
  let count = 0
  for (const key of words)
    for (const scope of [undefined, ...words])
      for (const space of [undefined, ...words]) {
        seen.add(storeKey(key, { ...(scope && { scope }), ...(space && { space }) }))
        count++
      }
  expect(seen.size).toBe(count)
})

test('a plain key stays what it is', () => {
  expect(storeKey('charge-42')).toBe('charge-42')
  expect(storeKey('charge-42', { scope: 'tenant-7' })).toBe('tenant-7/charge-42')
  expect(storeKey('charge-42', { scope: 'tenant-7', space: 'http' })).toBe('http/tenant-7/charge-42')
  expect(storeKey('charge-42', { space: 'http' })).toBe('http//charge-42')
  expect(storeKey('50%/a', { scope: 'a/b' })).toBe('a%2Fb/50%25%2Fa')
})

test('a scope is a prefix to list by, and reaches no other scope', () => {
  fc.assert(
    fc.property(part, part, part, (key, scope, other) => {
      fc.pre(scope !== other)
      expect(storeKey(key, { scope }).startsWith(storeKey('x', { scope }).slice(0, -1))).toBe(true)
      expect(storeKey(key, { scope: other }).startsWith(storeKey('x', { scope }).slice(0, -1))).toBe(false)
    }),
  )
})

test('every key of allowed parts is a store key, the longest ones too', () => {
  for (const unit of ['a', 'é', '€', '\u{1f600}']) {
    const key = unit.repeat(maxKeyCodePoints)
    const scope = unit.repeat(maxKeyCodePoints - 5)
    checkStoreKey(storeKey(key, { scope, space: unit.repeat(5) }))
  }
  const widest = '\u{1f600}'.repeat(maxKeyCodePoints)
  const longest = storeKey(widest, { scope: widest.slice(0, -2), space: '\u{1f600}' })
  expect(new TextEncoder().encode(longest).length).toBe(maxStoreKeyBytes)
  checkStoreKey(longest)
})

test('what is escaped never makes a key too long', () => {
  const slashes = '/'.repeat(maxKeyCodePoints)
  const longest = storeKey(slashes, { scope: slashes.slice(1), space: '/' })
  expect(longest.length).toBeLessThanOrEqual(maxStoreKeyBytes)
  checkStoreKey(longest)
})

const bad: readonly (readonly [what: string, part: unknown, says: string])[] = [
  ['empty', '', 'is empty'],
  ['undefined', undefined, 'is undefined'],
  ['null', null, 'is null'],
  ['a number', 42, 'is not a string but a number'],
  ['a list', ['a'], 'is not a string but an array'],
  ['a control character', 'a\nb', 'control character'],
  ['NUL', '\0', 'control character'],
  ['a C1 control character', '\u0085', 'control character'],
  ['a lone surrogate', 'a\ud83d', 'lone surrogate'],
  ['too long', 'a'.repeat(256), 'more than 255 code points'],
  ['too long in wide characters', '\u{1f600}'.repeat(256), 'more than 255 code points'],
]

for (const [what, given, says] of bad) {
  test(`a key that is ${what} is refused by its name`, () => {
    const call = (): string => storeKey(given as string)
    expect(call).toThrow(expect.objectContaining({ code: 'invalid_key' }))
    expect(call).toThrow(says)
    expect(call).toThrow('idempotency key')
  })

  for (const name of ['scope', 'space'] as const)
    test(`a ${name} that is ${what} is refused by its name`, () => {
      const call = (): string => storeKey('key', { [name]: given } as StoreKeyOptions)
      expect(call).toThrow(expect.objectContaining({ code: 'invalid_option' }))
      expect(call).toThrow(`${name} ${says === 'control character' || says === 'lone surrogate' ? 'has a' : ''}`)
      expect(call).toThrow(says)
    })
}

test('a missing tenant never becomes everybody’s', () => {
  const tenant: { id?: string } = {}
  expect(() => storeKey('key', { scope: tenant.id } as StoreKeyOptions)).toThrow('scope is undefined')
  expect(storeKey('key', {})).toBe('key')
})

test('space and scope together have a bound', () => {
  expect(() => storeKey('key', { scope: 'a'.repeat(255), space: 'b' })).toThrow('space and scope together')
  expect(storeKey('key', { scope: 'a'.repeat(254), space: 'b' })).toHaveLength(254 + 1 + 3 + 2)
})

test('a store key has a bound in bytes, not in characters', () => {
  checkStoreKey('a'.repeat(maxStoreKeyBytes))
  checkStoreKey('é'.repeat(maxStoreKeyBytes / 2))
  for (const key of ['a'.repeat(maxStoreKeyBytes + 1), `${'é'.repeat(maxStoreKeyBytes / 2)}a`])
    expect(() => checkStoreKey(key)).toThrow('more than 2042 bytes of UTF-8')
})

test('any key is accepted or refused with invalid_key, never anything else', () => {
  fc.assert(
    fc.property(fc.anything(), (key) => {
      try {
        storeKey(key as string)
      } catch (error) {
        expect(error).toMatchObject({ name: 'RetrysafeError', code: 'invalid_key' })
      }
    }),
  )
})
