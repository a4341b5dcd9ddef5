import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isRetrysafeError } from '../contract/index.js'
import { canonicalNumber, canonicalValue } from './canonical.js'

const forms: readonly [canonical: string, ...spellings: string[]][] = [
  ['0', '0', '-0', '0.0', '-0.000', '0e0', '0e99999999999999999999', '-0e-5', '0E+5'],
  ['1', '1.0', '1e0', '10e-1', '0.1e1', '1.000', '1E+0', '1e-0', '100e-2', '0.001e3', '1e00000000000000000000'],
  ['-15e-1', '-1.5', '-15e-1', '-0.15e1', '-1.50'],
  ['1e2', '100', '1e2', '1E2', '1e+02', '0.1e3', '1000e-1'],
  ['9007199254740992', '9007199254740992', '9007199254740992.0', '9.007199254740992e15'],
  ['9007199254740993', '9007199254740993', '9007199254740993.0', '9.007199254740993e15'],
  ['1e400', '1e400', '10e399', '0.1e401'],
  ['1e-400', '1e-400', '0.1e-399', '10e-401'],
  ['1e999999999', '1e999999999', '0.001e1000000002'],
  ['1e999999999999999', '0.1e1000000000000000', '1e999999999999999', '1e0999999999999999'],
  ['1e1000000000000000', '10e999999999999999', '1e1000000000000000'],
  ['1e-1000000000000000', '0.1e-999999999999999', '1e-1000000000000000', '10e-1000000000000001'],
  ['1e-999999999999999', '10e-1000000000000000', '1e-999999999999999'],
  ['1e99999999999999999999', '1e99999999999999999999', '0.1e100000000000000000000', '10e99999999999999999998'],
  ['1e100000000000000000000', '10e99999999999999999999', '0.1e100000000000000000001', '1e+000100000000000000000000'],
  ['-1e-100000000000000000000', '-0.1e-99999999999999999999', '-10e-100000000000000000001'],
  ['1e-99999999999999999999', '10e-100000000000000000000', '0.1e-99999999999999999998'],
]

for (const [canonical, ...spellings] of forms)
  test(`${canonical} is one number, however it is spelt`, () => {
    for (const spelling of spellings) expect([spelling, canonicalNumber(spelling)]).toEqual([spelling, canonical])
  })

test('no two numbers have one form', () => {
  const canonical = forms.map(([form]) => form)
  expect(new Set(canonical).size).toBe(forms.length)
  expect(canonicalNumber('9007199254740992')).not.toBe(canonicalNumber('9007199254740993'))
})

test('a canonical number is its own canonical form', () => {
  for (const [canonical] of forms) expect(canonicalNumber(canonical)).toBe(canonical)
})

/** A number as digits and a power of ten, with a spelling of it. */
const spelt = fc
  .record({
    negative: fc.boolean(),
    digits: fc.bigInt({ min: 0n, max: 10n ** 40n }),
    zeros: fc.nat(20),
    point: fc.nat(60),
    exponent: fc.integer({ min: -50, max: 50 }),
    big: fc.constantFrom(0n, 0n, 10n ** 15n, 10n ** 22n, -(10n ** 15n), -(10n ** 22n)),
  })
  .map(({ negative, digits, zeros, point, exponent, big }) => {
    const text = `${digits}${'0'.repeat(zeros)}`
    const places = Math.min(point, 60)
    const padded = text.padStart(places + 1, '0')
    const decimal = places === 0 ? text : `${padded.slice(0, -places)}.${padded.slice(-places)}`
    const power = BigInt(exponent) + big
    return {
      text: `${negative ? '-' : ''}${decimal}${power === 0n ? '' : `e${power}`}`,
      value: digits * 10n ** BigInt(zeros) * (negative ? -1n : 1n),
      power: power - BigInt(places),
    }
  })

test('numbers agree exactly where their values do', () => {
  fc.assert(
    fc.property(spelt, (number) => {
      const canonical = canonicalNumber(number.text)
      const [digits = '', power = '0'] = canonical.split('e')
      expect(canonical).toMatch(/^(0|-?[1-9]\d*?(e-?[1-9]\d*)?)$/)
      expect(canonical).not.toMatch(/^-?\d+0(e|$)/)
      // Both sides as integers times the smaller power of ten.
      const least = BigInt(power) < number.power ? BigInt(power) : number.power
      if (number.value === 0n) expect(canonical).toBe('0')
      else expect(BigInt(digits) * 10n ** (BigInt(power) - least)).toBe(number.value * 10n ** (number.power - least))
    }),
  )
})

test('an exponent of a million digits is neither expanded nor parsed', () => {
  const nines = '9'.repeat(1e6)
  expect(canonicalNumber(`1e${nines}`)).toBe(`1e${nines}`)
  expect(canonicalNumber(`10e${nines}`)).toBe(`1e1${'0'.repeat(1e6)}`)
  expect(canonicalNumber(`0.1e1${'0'.repeat(1e6)}`)).toBe(`1e${nines}`)
  expect(canonicalNumber(`${'0.'}${'0'.repeat(1e6)}1`)).toBe('1e-1000001')
})

const same: readonly [name: string, one: unknown, other: unknown][] = [
  ['the order of members', { a: 1, b: { d: 2, c: 3 } }, { b: { c: 3, d: 2 }, a: 1 }],
  ['members that are undefined', { a: 1, b: undefined }, { a: 1 }],
  ['a bigint and the number that it is', { n: 10n }, { n: 10 }],
  ['-0 and 0', -0, 0],
  ['a Date and its text', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a URL and its text', new URL('https://example.com/'), 'https://example.com/'],
  ['a row of a class without behaviour', Object.assign(new (class Row {})(), { a: 1 }), { a: 1 }],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ['a Buffer and its bytes', Buffer.from('abc'), Uint8Array.of(97, 98, 99)],
  ['a value that is there twice', [{ a: 1 }, { a: 1 }], Array(2).fill({ a: 1 })],
]

for (const [name, one, other] of same)
  test(`${name} makes no difference`, () => expect(canonicalValue(one)).toBe(canonicalValue(other)))

test('everything else makes a difference', () => {
  const values = [
    ...[null, true, false, 0, 1, 1.5, '', '1', 'null', '\ud800', '\udc00', [], {}, [null], [[]], [0], ['0']],
    ...[{ a: 1 }, { a: '1' }, { a: null }, { a: 2 }, { b: 1 }, { a: 1, b: 1 }, [1, 2], [2, 1], ['1,2'], [[1], 2]],
    ...[2n ** 53n, 2n ** 53n + 1n, new Uint8Array(), Uint8Array.of(0), Uint8Array.of(0, 0), 'bytes""'],
    ...[canonicalValue(new Uint8Array()), { '': 0 }, JSON.parse('{"__proto__":1}'), { 'a"': 1 }],
  ]
  expect(new Set(values.map(canonicalValue)).size).toBe(values.length)
})

test('members stand in the order of their code units', () => {
  expect(canonicalValue({ '\uffff': 1, '\u{1f600}': 2, b: 3, B: 4, é: 5, '10': 6, '9': 7, '': 8 })).toBe(
    '{"":8,"10":6,"9":7,"B":4,"b":3,"é":5,"😀":2,"\uffff":1}',
  )
})

const cycle: { self?: unknown } = {}
cycle.self = [cycle]
const refused: readonly [name: string, value: unknown, path: string][] = [
  ['undefined', undefined, 'fingerprint is undefined'],
  ['undefined in an array', { a: [1, undefined] }, 'fingerprint.a[1] is undefined'],
  ['a hole in an array', { a: Array(2) }, 'fingerprint.a is an array with holes'],
  ['a named member of an array', Object.assign([1], { a: 1 }), 'fingerprint is an array with holes or named members'],
  ['NaN', { a: { b: Number.NaN } }, 'fingerprint.a.b is NaN'],
  ['Infinity', [Number.NEGATIVE_INFINITY], 'fingerprint[0] is -Infinity'],
  ['a function', { a: () => 1 }, 'fingerprint.a is a function'],
  ['a symbol', [Symbol('a')], 'fingerprint[0] is a symbol'],
  ['a member named by a symbol', { [Symbol('a')]: 1 }, 'fingerprint has members named by symbols'],
  ['a Map', { a: new Map([[1, 2]]) }, 'fingerprint.a is a Map'],
  ['a Set', new Set([1]), 'fingerprint is a Set'],
  ['an Error', new Error('a'), 'fingerprint is a Error'],
  ['a RegExp', /a/, 'fingerprint is a RegExp'],
  ['a Promise', Promise.resolve(1), 'fingerprint is a Promise'],
  ['an ArrayBuffer', new ArrayBuffer(1), 'fingerprint is a ArrayBuffer'],
  ['another typed array', Uint16Array.of(1), 'fingerprint is a Uint16Array'],
  ['a form', new URLSearchParams('a=1'), 'fingerprint is a URLSearchParams'],
  ['a boxed string', Object('a'), 'fingerprint is a String'],
  ['an invalid Date', { a: new Date(Number.NaN) }, 'fingerprint.a is an invalid Date'],
  [
    'an object that may hide its state',
    new (class Money {
      #cents = 1
      plus(): number {
        return this.#cents
      }
    })(),
    'fingerprint is an object with behaviour',
  ],
  ['a cycle', cycle, 'fingerprint.self[0] refers to itself'],
]

for (const [name, value, path] of refused)
  test(`${name} is refused, and the path says where`, () => {
    const error = catchError(() => canonicalValue(value))
    expect(isRetrysafeError(error, 'invalid_option')).toBe(true)
    expect(String(error)).toContain(path)
  })

test('a thousand levels are taken, and one more is refused', () => {
  const nested = (levels: number): unknown => {
    let value: unknown = 1
    for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value }
    return value
  }
  expect(canonicalValue(nested(1000))).toContain('1')
  expect(() => canonicalValue(nested(1001))).toThrow('nested deeper than 1000 levels')
})

test('what makes ever new values of itself is refused and not followed', () => {
  class Endless {
    toJSON(): unknown {
      return { next: new Endless() }
    }
  }
  expect(() => canonicalValue(new Endless())).toThrow('nested deeper')
})

function catchError(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
