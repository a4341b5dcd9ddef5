import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxJsonDepth } from './limits.js'
import type { Storable } from './types.js'
import { decodeValue, encodedBytes, encodeValue, giveAway, isBytes, utf8Length } from './values.js'

test('every JSON value comes back as it was, -0 and the order of members included', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const back = decodeValue(encodeValue(value as Storable))
      expect(back).toStrictEqual(value)
      expect(JSON.stringify(back)).toBe(JSON.stringify(value))
    }),
    { numRuns: 500 },
  )
})

test('any strings and names come back as they were, lone surrogates and NUL included', () => {
  const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) })
  fc.assert(
    fc.property(
      fc.dictionary(anyText, fc.oneof(anyText, fc.constant(-0), fc.double({ noNaN: true, noDefaultInfinity: true }))),
      (value) => {
        expect(decodeValue(encodeValue(value))).toStrictEqual({ ...value })
      },
    ),
    { numRuns: 500 },
  )
})

test('what is kept is plain Unicode without NUL and without lone surrogates', () => {
  const encoded = encodeValue(['\0', '\ud800', { '\udfff': '\0\0' }, -0])
  expect(encoded).toBe('["\\u0000","\\ud800",{"\\udfff":"\\u0000\\u0000"},-0]')
})

test('bytes come back byte for byte, and as a copy', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const given = bytes.slice()
      const encoded = encodeValue(given)
      const back = decodeValue(encoded)
      expect(back).toStrictEqual(bytes)
      given.fill(1)
      ;(back as Uint8Array).fill(2)
      expect(encoded).toStrictEqual(bytes)
    }),
  )
})

test('a Buffer, a part of a buffer and bytes of another realm are bytes', () => {
  const foreign = runInNewContext('Uint8Array.of(1, 2)') as Uint8Array
  for (const bytes of [Buffer.from([1, 2]), Uint8Array.of(0, 1, 2, 3).subarray(1, 3), foreign]) {
    expect(isBytes(bytes)).toBe(true)
    const back = decodeValue(encodeValue(bytes))
    expect(back).toStrictEqual(Uint8Array.of(1, 2))
    expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype)
  }
  for (const other of [new DataView(new ArrayBuffer(1)), new Uint16Array(1), new ArrayBuffer(1), [1], 'a', null])
    expect(isBytes(other)).toBe(false)
})

test('plain objects of any origin are data: without a prototype, of another realm, rows of a database', () => {
  class Row {
    declare readonly id: number
  }
  const row = Object.assign(new Row(), { id: 1 })
  const bare = Object.assign(Object.create(null) as object, { id: 1 })
  const foreign = runInNewContext('({ id: 1, list: [{ a: 1 }] })') as object
  expect(encodeValue(row)).toBe('{"id":1}')
  expect(encodeValue(bare)).toBe('{"id":1}')
  expect(encodeValue(foreign)).toBe('{"id":1,"list":[{"a":1}]}')
})

test('members that are undefined are left out, with a -0 beside them too', () => {
  expect(encodeValue({ a: undefined, b: 1 })).toBe('{"b":1}')
  expect(encodeValue({ a: undefined, b: -0 })).toBe('{"b":-0}')
})

test('a member that is named __proto__ stays a member', () => {
  const value = JSON.parse('{"__proto__":{"admin":true},"zero":-0}') as object
  const back = decodeValue(encodeValue(value)) as object
  expect(Object.keys(back)).toEqual(['__proto__', 'zero'])
  expect('admin' in back).toBe(false)
})

test('the same object in two places is no cycle', () => {
  const shared = { a: 1 }
  expect(encodeValue([shared, { shared }])).toBe('[{"a":1},{"shared":{"a":1}}]')
})

class Money {
  amount = 1
  add(): number {
    return this.amount
  }
}
class Cents extends Money {}
const cycle: { list: unknown[] } = { list: [] }
cycle.list.push({ cycle })
const named = Object.assign([1], { total: 1 })
const holes = [1, 2]
delete holes[0]

const refused: readonly (readonly [what: string, value: unknown, says: string])[] = [
  ['undefined', undefined, 'The value is undefined'],
  ['undefined in a list', { list: [1, undefined] }, 'The value.list[1] is undefined'],
  ['NaN', { a: [{ total: Number.NaN }] }, 'The value.a[0].total is NaN'],
  ['Infinity', [[Number.NEGATIVE_INFINITY]], 'The value[0][0] is -Infinity'],
  ['a BigInt', { id: 10n }, 'The value.id is a bigint'],
  ['a function', { run: () => 1 }, 'The value.run is a function'],
  ['a symbol', [Symbol('a')], 'The value[0] is a symbol'],
  ['a Date', { at: new Date(0) }, 'The value.at is an instance of Date'],
  ['a Map', new Map(), 'The value is an instance of Map'],
  ['a Set', [new Set()], 'The value[0] is an instance of Set'],
  ['a RegExp', [/a/], 'The value[0] is an instance of RegExp'],
  ['an Error', new TypeError('a'), 'The value is an instance of TypeError'],
  ['a promise', Promise.resolve(1), 'The value is an instance of Promise'],
  ['a class with methods', { price: new Money() }, 'The value.price is an instance of Money'],
  ['a class that inherits methods', new Cents(), 'The value is an instance of Cents'],
  ['a boxed number', [Object(1)], 'The value[0] is an instance of Number'],
  ['bytes inside', { body: new Uint8Array(1) }, 'The value.body is Uint8Array: bytes are kept only as the whole value'],
  ['other views', new Float64Array(1), 'The value is Float64Array'],
  ['an ArrayBuffer', new ArrayBuffer(1), 'The value is an instance of ArrayBuffer'],
  ['a toJSON method', { a: { toJSON: () => 1 } }, 'The value.a has a toJSON method'],
  ['members named by symbols', { [Symbol('a')]: 1 }, 'The value has members named by symbols'],
  ['a list with holes', { holes }, 'The value.holes is an array with holes'],
  ['a list with named members', named, 'The value is an array with holes or named members'],
  ['a cycle', cycle, 'The value.list[0].cycle refers to itself'],
]

for (const [what, value, says] of refused)
  test(`what JSON would change is refused with its path: ${what}`, () => {
    const call = (): unknown => encodeValue(value as Storable)
    expect(call).toThrow(expect.objectContaining({ code: 'value_not_serialisable' }))
    expect(call).toThrow(says)
  })

test('depth has a bound, and the deepest value comes back', () => {
  const nest = (depth: number, core: Storable): Storable => {
    let value = core
    for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value }
    return value
  }
  for (const core of [1, -0]) {
    const deepest = nest(maxJsonDepth, core)
    expect(decodeValue(encodeValue(deepest))).toStrictEqual(deepest)
    expect(() => encodeValue(nest(maxJsonDepth + 1, core))).toThrow('nested deeper than 1000 levels')
  }
})

test('whatever is accepted comes back equal, and all else is value_not_serialisable', () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        withSparseArray: true,
        withNullPrototype: true,
      }),
      (value) => {
        let encoded: ReturnType<typeof encodeValue>
        try {
          encoded = encodeValue(value as Storable)
        } catch (error) {
          expect(error).toMatchObject({ code: 'value_not_serialisable' })
          return
        }
        // toEqual looks past prototypes and members that are undefined, as the contract does.
        expect(decodeValue(encoded)).toEqual(value)
      },
    ),
    { numRuns: 1000 },
  )
})

test('bytes are counted as they are kept', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length)
    }),
  )
  for (const text of ['', 'a', 'é', '€', '\u{1f600}', 'aé€\u{1f600}'.repeat(3000)])
    expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length)
  expect(encodedBytes(encodeValue('é'))).toBe(4)
  expect(encodedBytes(encodeValue(new Uint8Array(7)))).toBe(7)
})

test('bytes are copied, unless whoever made them gave them away, and what is read is a copy all the same', () => {
  const mine = Uint8Array.of(1, 2)
  const kept = encodeValue(mine)
  mine[0] = 9
  expect(kept).toEqual(Uint8Array.of(1, 2))
  const given = giveAway(Uint8Array.of(1, 2))
  expect(encodeValue(given)).toBe(given)
  const read = decodeValue(encodeValue(given))
  expect(read).not.toBe(given)
  expect(encodeValue(read)).not.toBe(read)
})
