import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, canonicalParsed } from './json.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const canonical = (text: string): string | undefined => canonicalJson(bytesOf(text))

const same: readonly [form: string, ...spellings: string[]][] = [
  [
    '{"a":1,"b":[true,false,null]}',
    '{"a":1,"b":[true,false,null]}',
    ' { "b" : [ true,\tfalse,\r\nnull ] , "a" : 1.0 } ',
  ],
  ['[0,0,1,15e-1,1e2]', '[0,-0,1e0,1.5,100]', '[0.0,-0e3,10e-1,0.15e1,1E+2]'],
  ['9007199254740993', '9007199254740993', '9007199254740993.0', '\n9007199254740993 '],
  ['1e400', '1e400', '10E399'],
  [
    '"aé😀\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\u2028"',
    '"\\u0061\\u00e9\\uD83D\\uDE00\\u0022\\u005c\\/\\u0008\\u000c\\u000A\\u000d\\u0009\\u0000\\u001F\\u007f\\u2028"',
  ],
  ['{}', '{}', ' { } '],
  ['[]', '[]', '[\n]'],
  ['[[],{},[[]],""]', '[ [ ] , { } , [ [ ] ] , "" ]'],
  ['{"":0,"\\"":3,"a":{"x":1,"y":2},"b":1}', '{"b":1,"a":{"y":2,"x":1},"\\u0022":3,"":0}'],
  ['{"__proto__":1,"toJSON":2}', '{"toJSON":2,"__proto__":1}'],
]

for (const [form, ...spellings] of same)
  test(`${form} is one value, however it is spelt`, () => {
    for (const spelling of [form, ...spellings]) expect(canonical(spelling)).toBe(form)
  })

test('members stand in the order of their UTF-16 code units, not of their code points', () => {
  const names = [
    '',
    ' ',
    '!',
    '"',
    '#',
    '[',
    '\\',
    ']',
    'a',
    'a"',
    'aa',
    '\n',
    '\u0000',
    '\u007f',
    'é',
    '\ud7ff',
    '\u{10000}',
    '\u{10ffff}',
    '\ue000',
    '\uffff',
  ]
  fc.assert(
    fc.property(fc.shuffledSubarray(names), (shuffled) => {
      const members = shuffled.map((name) => `${JSON.stringify(name)}:1`)
      const sorted = [...shuffled].sort().map((name) => `${JSON.stringify(name)}:1`)
      expect(canonical(`{${members.join(',')}}`)).toBe(`{${sorted.join(',')}}`)
    }),
  )
})

const notStrict: readonly [name: string, text: string | Uint8Array][] = [
  ['nothing', ''],
  ['white space', ' \n'],
  ['a member name that is there twice', '{"a":1,"b":2,"a":1}'],
  ['a member name that is there twice side by side', '{"a":1,"a":2}'],
  ['a member name that is there twice under an escape', '{"a":1,"\\u0061":1}'],
  ['an escaped member name that is there twice', '{"\\n":1,"b":1,"\\u000a":1}'],
  ['a member name that is there twice, deep down', '[{"b":{"a":1,"b":2,"a":3}}]'],
  ['a lone surrogate', '"\\ud800"'],
  ['a lone low surrogate', '"\\udc00"'],
  ['a high surrogate before something else', '"\\ud800\\u0061"'],
  ['a high surrogate before another one', '"\\ud83d\\ud83d\\ude00"'],
  ['a high surrogate before the end', '"\\ud800\\'],
  ['a lone surrogate in a name', '{"\\ud800":1}'],
  ['a byte order mark', '\ufeff{}'],
  ['UTF-16', new Uint8Array(Buffer.from('{}', 'utf16le'))],
  ['Latin-1', Uint8Array.of(0x22, 0xe9, 0x22)],
  ['an overlong encoding', Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)],
  ['a surrogate in UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
  ['UTF-8 that breaks off', Uint8Array.of(0x22, 0xf0, 0x9f, 0x98)],
  ['a trailing comma', '[1,]'],
  ['a trailing comma in an object', '{"a":1,}'],
  ['a leading comma', '[,1]'],
  ['two commas', '[1,,2]'],
  ['no comma', '[1 2]'],
  ['no colon', '{"a" 1}'],
  ['two colons', '{"a"::1}'],
  ['no value', '{"a":}'],
  ['no name', '{:1}'],
  ['a name without quotes', '{a:1}'],
  ['a number as a name', '{1:1}'],
  ['single quotes', "'a'"],
  ['a comment', '[1/**/]'],
  ['something after the value', '{} {}'],
  ['a NUL after the value', '{}\u0000'],
  ['a closing bracket too many', '[]]'],
  ['a closing bracket too few', '[[]'],
  ['the wrong bracket', '[1}'],
  ['the wrong brace', '{"a":1]'],
  ['an open object', '{"a":1'],
  ['an open name', '{"a'],
  ['an open string', '"a'],
  ['a string that ends in a backslash', '"a\\"'],
  ['a control character in a string', '"a\nb"'],
  ['an escape that there is not', '"\\x41"'],
  ['an escape that is cut', '"\\u004"'],
  ['an escape with no hexadecimal', '"\\u00g1"'],
  ['a plus sign', '+1'],
  ['a minus alone', '-'],
  ['a leading zero', '01'],
  ['a leading zero after a minus', '-01'],
  ['a point alone', '.5'],
  ['a point without digits', '1.'],
  ['an exponent without digits', '1e'],
  ['an exponent with only a sign', '1e+'],
  ['hexadecimal', '0x10'],
  ['NaN', 'NaN'],
  ['Infinity', '-Infinity'],
  ['undefined', 'undefined'],
  ['half a word', 'tru'],
  ['a word too long', 'nullx'],
  ['a word in capitals', 'TRUE'],
  ['a no-break space', '\u00a0{}'],
  ['a form feed', '\f{}'],
]

for (const [name, text] of notStrict)
  test(`${name} is not strict JSON`, () => {
    expect(canonicalJson(typeof text === 'string' ? bytesOf(text) : text)).toBeUndefined()
  })

test('a body that is no UTF-8 spoils nothing for the next one', () => {
  expect(canonicalJson(Uint8Array.of(0x22, 0xf0, 0x9f))).toBeUndefined()
  expect(canonicalJson(bytesOf('"a"'))).toBe('"a"')
})

test('a thousand levels are strict, and one more is not', () => {
  const nested = (levels: number): string =>
    '[{"a":'.repeat(levels / 2) + '['.repeat(levels % 2) + (levels % 2 ? ']' : '1') + '}]'.repeat(levels / 2)
  expect(canonical(nested(1000))).toBe(nested(1000))
  expect(canonical(nested(1001))).toBeUndefined()
  expect(canonical('['.repeat(1000) + ']'.repeat(1000))).toBeDefined()
  expect(canonical('['.repeat(1001) + ']'.repeat(1001))).toBeUndefined()
  expect(canonical('['.repeat(1_000_000))).toBeUndefined()
})

test('hundreds of unsorted levels are sorted while they hold little, and not moved about for ever around much', () => {
  const nested = (levels: number, inner: string): string => '{"b":1,"a":'.repeat(levels) + inner + '}'.repeat(levels)
  expect(canonical(nested(999, '0'))).toBe(`${'{"a":'.repeat(999)}0${',"b":1}'.repeat(999)}`)
  expect(canonical(nested(10, `"${'x'.repeat(1e6)}"`))).toBeDefined()
  expect(canonical(nested(900, `"${'x'.repeat(1e6)}"`))).toBeUndefined()
})

test('as many members are sorted as take little time; a body with more counts byte by byte', () => {
  const members = (count: number, order: 1 | -1): string => {
    const names = Array.from({ length: count }, (_, index) => String(1_000_000 + index))
    return `{${(order === 1 ? names : names.reverse()).map((name) => `"${name}":1`).join(',')}}`
  }
  expect(canonical(members(50_000, -1))).toBe(members(50_000, 1))
  expect(canonical(members(50_001, -1))).toBeUndefined()
  expect(canonical(members(200_000, 1))).toBe(members(200_000, 1))
  const small = (count: number): string => `[${Array.from({ length: count }, () => '{"b":1,"a":1}').join(',')}]`
  expect(canonical(small(25_000))).toBeDefined()
  expect(canonical(small(25_001))).toBeUndefined()
  expect(canonicalParsed(JSON.parse(small(25_000)))).toBe(canonical(small(25_000)))
  expect(canonicalParsed(JSON.parse(small(25_001)))).toBeUndefined()
})

// ---- bodies that were parsed before

test('a body that was parsed before has the form of its source', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const parsed = canonicalParsed(value)
      if (parsed !== undefined && isWellFormed(value)) expect(parsed).toBe(canonical(JSON.stringify(value)))
    }),
    { numRuns: 1000 },
  )
  const sources = ['9007199254740991', '-9007199254740991', '123456789012345', '0.123456789012345', '1e300', '1.5e-300']
  for (const source of [
    ...sources,
    '100',
    '-0',
    '1e21',
    '1.0',
    '123456789.012345',
    '0.1',
    '{"b":[1,{"d":1,"c":2}],"a":"\\u00e9"}',
  ])
    expect(canonicalParsed(JSON.parse(source))).toBe(canonical(source))
})

test('every decimal of up to 15 digits has the form of its source', () => {
  const decimal = fc.tuple(
    fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
    fc.integer({ min: -290, max: 290 }),
  )
  fc.assert(
    fc.property(decimal, ([digits, power]) => {
      const source = `${digits}e${power}`
      expect(canonicalParsed(JSON.parse(source))).toBe(canonical(source))
    }),
    { numRuns: 3000 },
  )
})

const inexact: readonly [name: string, value: unknown][] = [
  ['2^53, which 2^53+1 is parsed to as well', 2 ** 53],
  ['an integer beyond the safe ones', -9007199254740992],
  ['a decimal of 16 digits', 0.1234567890123456],
  ['the sum of 0.1 and 0.2', 0.1 + 0.2],
  ['a number beyond all doubles', Number.POSITIVE_INFINITY],
  ['a number so near zero that digits are missing', 5e-324],
  ['the largest of those', 2.2250738585072009e-308],
  ['a bigint', 1n],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['undefined', undefined],
  ['a function', () => 1],
  ['an object with behaviour', new URL('https://example.com')],
]

for (const [name, value] of inexact)
  test(`${name} in a parsed body is not taken for what was sent`, () => {
    expect(canonicalParsed(value)).toBeUndefined()
    if (value === undefined) expect(canonicalParsed([value])).toBeUndefined()
    else expect(canonicalParsed({ a: [1, value] })).toBeUndefined()
  })

test('a parsed body deeper than a thousand levels is not taken', () => {
  const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))
  expect(canonicalParsed(nested(1000))).toBe('['.repeat(1000) + ']'.repeat(1000))
  expect(canonicalParsed(nested(1001))).toBeUndefined()
})

test('a member that other middleware set to undefined is not there', () => {
  expect(canonicalParsed({ a: 1, b: undefined })).toBe('{"a":1}')
})

function isWellFormed(value: unknown): boolean {
  return !/\\ud[89a-f]/.test(JSON.stringify(value))
}
