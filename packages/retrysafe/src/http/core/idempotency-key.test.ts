import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readIdempotencyKey } from './idempotency-key.js'

const keys: readonly [line: string, key: string][] = [
  ['8e03978e-40d5-43e8-bc93-6894a57f9324', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
  ['"8e03978e-40d5-43e8-bc93-6894a57f9324"', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
  ['  abc\t', 'abc'],
  [' "abc" ', 'abc'],
  ['" abc "', ' abc '],
  ['"a b"', 'a b'],
  ['"a,b;c"', 'a,b;c'],
  ['"a\\"b\\\\c"', 'a"b\\c'],
  ['"\\""', '"'],
  ['0', '0'],
  ['1.5', '1.5'],
  ['?1', '?1'],
  [':YWJj:', ':YWJj:'],
  ["'abc'", "'abc'"],
  ['a/b%2F=&', 'a/b%2F=&'],
  ['x'.repeat(255), 'x'.repeat(255)],
  [`"${'x'.repeat(255)}"`, 'x'.repeat(255)],
  [`"${'\\"'.repeat(255)}"`, '"'.repeat(255)],
]

for (const [line, key] of keys)
  test(`the field ${line.slice(0, 45)} is a key`, () => {
    expect(readIdempotencyKey([line])).toEqual({ status: 'key', key })
  })

const invalid: readonly [name: string, lines: string[], reason: RegExp][] = [
  ['an empty field', [''], /is empty.*UUID/],
  ['a field of spaces', [' \t '], /is empty/],
  ['an empty string', ['""'], /is empty/],
  ['256 characters', ['x'.repeat(256)], /more than 255/],
  ['256 quoted characters', [`"${'x'.repeat(256)}"`], /more than 255/],
  ['256 escaped characters', [`"${'\\"'.repeat(256)}"`], /more than 255/],
  ['a very long field', ['x'.repeat(100_000)], /more than 255/],
  ['a string that is never closed', ['"abc'], /never closed/],
  ['a quote alone', ['"'], /never closed/],
  ['a string whose last quote is escaped', ['"abc\\"'], /never closed/],
  ['a string that ends in a backslash', ['"abc\\'], /backslash/],
  ['an escape of something else', ['"a\\bc"'], /double that backslash/],
  ['two lines', ['abc', 'abc'], /more than once.*send it once/],
  ['two lines of which one is empty', ['', 'abc'], /more than once/],
  ['a list', ['abc, def'], /is a list.*send one key/],
  ['a list of strings', ['"abc", "def"'], /is a list/],
  ['a list with an empty member', ['abc,'], /is a list/],
  ['parameters', ['"abc";a=1'], /has parameters.*alone/],
  ['parameters of a bare key', ['abc;a=1'], /has parameters/],
  ['parameters after spaces', ['"abc" ; a'], /has parameters/],
  ['something after the string', ['"abc"def'], /goes on after/],
  ['a space', ['a b'], /in double quotes/],
  ['a quote inside', ['a"b'], /in double quotes/],
  ['a backslash', ['a\\b'], /in double quotes/],
  ['a letter outside ASCII', ['é'], /visible ASCII/],
  ['a letter outside ASCII in a string', ['"é"'], /visible ASCII/],
  ['UTF-8 read as Latin-1', ['Ã©'], /visible ASCII/],
  ['a no-break space around', ['\u00a0abc'], /visible ASCII/],
  ['a control character', ['a\u0000b'], /visible ASCII/],
  ['DEL', ['a\u007f'], /visible ASCII/],
  ['a tab in a string', ['"a\tb"'], /visible ASCII/],
  ['a line feed', ['abc\n'], /visible ASCII/],
]

for (const [name, lines, reason] of invalid)
  test(`${name} is no key, and the reason says what would do`, () => {
    const read = readIdempotencyKey(lines)
    expect(read).toEqual({ status: 'invalid', reason: expect.stringMatching(reason) })
    expect(read).toEqual({ status: 'invalid', reason: expect.stringMatching(/^The Idempotency-Key field .*\.$/) })
  })

test('no field is no key', () => expect(readIdempotencyKey([])).toEqual({ status: 'none' }))

test('every key of 1 to 255 printable characters can be sent as a string', () => {
  const printable = fc.integer({ min: 0x20, max: 0x7e }).map((unit) => String.fromCharCode(unit))
  fc.assert(
    fc.property(fc.string({ unit: printable, minLength: 1, maxLength: 255 }), (key) => {
      const line = `"${key.replaceAll(/["\\]/g, '\\$&')}"`
      expect(readIdempotencyKey([line])).toEqual({ status: 'key', key })
    }),
  )
})

test('every bare key is the same as in quotes', () => {
  const visible = fc
    .integer({ min: 0x21, max: 0x7e })
    .map((unit) => String.fromCharCode(unit))
    .filter((character) => !'"\\,;'.includes(character))
  fc.assert(
    fc.property(fc.string({ unit: visible, minLength: 1, maxLength: 255 }), (key) => {
      expect(readIdempotencyKey([key])).toEqual({ status: 'key', key })
      expect(readIdempotencyKey([`"${key}"`])).toEqual({ status: 'key', key })
    }),
  )
})

test('whatever is sent, a key is 1 to 255 characters of printable ASCII', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { maxLength: 2 }), (lines) => {
      const read = readIdempotencyKey(lines)
      if (read.status === 'key') expect(read.key).toMatch(/^[\x20-\x7e]{1,255}$/)
      expect(read.status === 'none').toBe(lines.length === 0)
    }),
    { numRuns: 2000 },
  )
})
