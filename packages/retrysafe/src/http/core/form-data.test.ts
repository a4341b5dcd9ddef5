import { expect, test } from 'vitest'
import { canonicalFormData, canonicalParsedFormData } from './form-data.js'

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const type = 'multipart/form-data; boundary=x'
const form = (text: string, contentType = type): string | undefined => canonicalFormData(bytesOf(text), contentType)

const field = (name: string, value: string, ...headers: string[]): string =>
  [`Content-Disposition: form-data; name="${name}"`, ...headers, '', value].join('\r\n')
const file = (filename: string, content = '1', ...headers: string[]): string =>
  [`Content-Disposition: form-data; name="f"; filename="${filename}"`, ...headers, '', content].join('\r\n')
const body = (...parts: string[]): string => `${parts.map((part) => `--x\r\n${part}\r\n`).join('')}--x--\r\n`
const plain = body(field('a', '1'), file('b.txt'))

const same: readonly [name: string, text: string, contentType?: string][] = [
  ['another boundary', plain.replaceAll('--x', '--yz'), 'multipart/form-data; boundary="yz"'],
  ['the order of fields and files', body(file('b.txt'), field('a', '1'))],
  ['the order of headers', body(`Content-Length: 1\r\n${field('a', '1')}`, file('b.txt'))],
  [
    'the spelling of headers',
    plain.replace('Content-Disposition: form-data; name="a"', 'CONTENT-disposition:FORM-DATA ;NAME=a'),
  ],
  ['the order of parameters', plain.replace('name="f"; filename="b.txt"', 'filename=b.txt; name="f"')],
  [
    'a type that is the usual one',
    body(field('a', '1', 'Content-Type: text/plain; charset="UTF-8"'), file('b.txt', '1', 'Content-Type: Text/Plain')),
  ],
  [
    'an encoding that changes nothing',
    body(field('a', '1', 'Content-Transfer-Encoding: 8BIT'), file('b.txt', '1', 'Content-Transfer-Encoding: binary')),
  ],
  ['no line end at the end', plain.slice(0, -2)],
]

for (const [name, text, contentType] of same)
  test(`${name} makes no difference`, () => {
    expect(form(plain)).toBeDefined()
    expect(form(text, contentType)).toBe(form(plain))
  })

test('everything else makes a difference', () => {
  const texts = [
    ...[plain, body(field('a', '2'), file('b.txt')), body(field('b', '1'), file('b.txt')), body(field('a', '1'))],
    ...[
      body(field('a', '1'), file('c.txt')),
      body(field('a', '1'), file('b.txt', '2')),
      body(field('a', '1'), file('b.txt', '')),
    ],
    ...[
      body(field('a', '1'), file('b.txt', '1', 'Content-Type: text/csv')),
      body(file('b.txt')),
      body(field('a', '1'), field('a', '1')),
    ],
    ...[body(field('a', '1'), field('a', '2')), body(field('a', '2'), field('a', '1')), body(field('a[]', '1'))],
    ...[
      body(file('a', '1'), file('a', '2')),
      body(file('a', '2'), file('a', '1')),
      body(field('f', '1')),
      body(field('a', '\r\n1')),
    ],
    ...[body(file('a').replace('name="f"', 'name="g"')), body(file('a', '12')), body(file('a', '1'), file('a', '1'))],
    ...[body(field('a', '1\r\n')), body(field('a', '\r\n--')), body(field('a', ''))],
  ]
  expect(texts.map((text) => form(text))).not.toContain(undefined)
  expect(new Set(texts.map((text) => form(text))).size).toBe(texts.length)
})

const other = (value: string): string => `Content-Disposition: ${value}\r\n\r\n1`
const odd: readonly [name: string, text: string, contentType?: string][] = [
  ['no parts', '--x--\r\n'],
  ['nothing', ''],
  ['a preamble', `preamble\r\n${plain}`],
  ['an empty preamble', `\r\n${plain}`],
  ['an epilogue', `${plain}epilogue`],
  ['two line ends at its end', `${plain}\r\n`],
  ['an end that is missing', plain.slice(0, -4)],
  ['half an end', plain.slice(0, -3)],
  ['spaces after a boundary', plain.replace('--x\r', '--x \r')],
  ['a line that begins as its boundary', body(field('a', '\r\n--xy'))],
  [
    'an end that is followed by parts',
    plain.replace(
      '--x\r\nContent-Disposition: form-data; name="f"',
      '--x--\r\nContent-Disposition: form-data; name="f"',
    ),
  ],
  ['a part without headers', body('\r\n1')],
  ['a part without an empty line', body('Content-Disposition: form-data; name="a"')],
  ['a part whose headers end in its delimiter', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n--x--'],
  ['a part without a name', body(other('form-data'))],
  ['a part with an empty name', body(other('form-data; name=""'))],
  ['a part of another disposition', body(other('attachment; name="a"'))],
  ['a part with two names', body(other('form-data; name="a"; name="b"'))],
  ['a part with another parameter', body(other('form-data; name="a"; filename*=utf-8\'\'b'))],
  ['text after its parameters', body(other('form-data; name="a" b'))],
  ['an escape in a name', body(other('form-data; name="a\\"b"'))],
  ['a backslash in a name', body(other('form-data; name="a\\b"'))],
  ['a backslash in a filename', body(file('a\\b'))],
  ['a file whose name is empty', body(other('form-data; name=""; filename="a"'))],
  ['a file without a name', body(other('form-data; filename="a"'))],
  ['a disposition that is nearly the right one', body(other('form-date; name="a"'))],
  ['too many files', body(...Array.from({ length: 1001 }, () => file('a')))],
  ['an encoded quote in a name', body(other('form-data; name="a%22b"'))],
  ['an encoded line end in a filename', body(file('a%0db'))],
  ['a name outside ASCII', body(other('form-data; name="é"'))],
  ['a filename outside ASCII', body(file('é.png'))],
  ['an empty filename', body(file(''))],
  ['a filename that is a path', body(file('a/b'))],
  ['a filename of two dots', body(file('..'))],
  ['a reserved name', body(other('form-data; name="constructor"'))],
  ['a reserved name of a file', body(other('form-data; name="__proto__"; filename="a"'))],
  ['two dispositions', body(field('a', '1', 'Content-Disposition: form-data; name="b"'))],
  ['another header', body(field('a', '1', 'X-Other: 1'))],
  ['a header in two lines', body(field('a', '1', 'Content-Type: text/plain;\r\n charset=utf-8'))],
  ['a header that is none', body(field('a', '1', 'Content-Type'))],
  ['a space before a colon', body(field('a', '1', 'Content-Type : text/plain'))],
  ['a field in base64', body(field('a', 'MQ==', 'Content-Transfer-Encoding: base64'))],
  ['a length that is no number', body(field('a', '1', 'Content-Length: x'))],
  ['a field in JSON', body(field('a', '1', 'Content-Type: application/json'))],
  ['a field in another charset', body(field('a', '1', 'Content-Type: text/plain; charset=latin1'))],
  ['a file with parameters of its type', body(file('a', '1', 'Content-Type: text/csv; charset=utf-8'))],
  ['a multipart form within', body(field('a', '1', 'Content-Type: multipart/mixed; boundary=y'))],
  ['bytes without a filename', body(field('a', '1', 'Content-Type: application/octet-stream'))],
  ['a byte order mark in a field', body(field('a', '\ufeff1'))],
  ['a field that is too long', body(field('a', 'x'.repeat(1024 * 1024 + 1)))],
  ['headers that are too long', body(`Content-Length: ${'1'.repeat(16 * 1024)}\r\n${field('a', '1')}`)],
  ['too many parts', body(...Array.from({ length: 1001 }, () => field('a', '1')))],
  ['names in two uses', body(field('a', '1'), field('a[b]', '1'))],
  ['no boundary', plain, 'multipart/form-data'],
  ['an escape in its boundary', plain, 'multipart/form-data; boundary="\\x"'],
  ['another charset', plain, `${type}; charset=latin1`],
]

for (const [name, text, contentType] of odd)
  test(`a multipart form with ${name} is odd`, () => expect(form(text, contentType)).toBeUndefined())

test('fields that are no UTF-8 are odd, files may be anything', () => {
  const withByte = (part: string): Uint8Array => new Uint8Array(Buffer.from(body(part).replace('!', '\xff'), 'latin1'))
  expect(canonicalFormData(withByte(field('a', '!')), type)).toBeUndefined()
  expect(canonicalFormData(withByte(file('a', '!')), type)).toBeDefined()
})

test('what is as long as parsers take it is not odd', () => {
  expect(form(body(field('a', 'x'.repeat(1024 * 1024))))).toBeDefined()
  expect(form(body(...Array.from({ length: 1000 }, () => field('a', '1'))))).toBeDefined()
})

const fileOf = (name: string, text: string) => ({ name, filename: 'b.txt', type: 'text/plain', bytes: bytesOf(text) })

test('what parsers keep is the same as the body', () => {
  expect(canonicalParsedFormData({ a: '1' }, [fileOf('f', '1')])).toBe(form(plain))
  const files = [fileOf('g', '3'), fileOf('f', '1'), fileOf('f', '2')]
  expect(canonicalParsedFormData(undefined, files)).toBe(
    canonicalParsedFormData({}, [files[1], files[2], files[0]] as never),
  )
  expect(canonicalParsedFormData({}, [fileOf('f', '1'), fileOf('f', '2')])).not.toBe(
    canonicalParsedFormData({}, [fileOf('f', '2'), fileOf('f', '1')]),
  )
})

test('bytes among the fields are files without a name', () => {
  const nameless = (name: string, text: string) => ({
    name,
    filename: undefined,
    type: undefined,
    bytes: bytesOf(text),
  })
  expect(canonicalParsedFormData({ a: '1', f: bytesOf('1') }, [])).toBe(
    canonicalParsedFormData({ a: '1' }, [nameless('f', '1')]),
  )
  expect(canonicalParsedFormData({ a: ['1', bytesOf('1'), bytesOf('2')] }, [])).toBe(
    canonicalParsedFormData({ a: '1' }, [nameless('a', '1'), nameless('a', '2')]),
  )
  expect(canonicalParsedFormData({ a: ['1', '2', bytesOf('1')] }, [])).toBe(
    canonicalParsedFormData({ a: ['1', '2'] }, [nameless('a', '1')]),
  )
})

test('JSON that a parser read in a field is told from brackets', () => {
  const nested = Object.assign(Object.create(null), { b: '1' })
  expect(canonicalParsedFormData({ a: nested }, [])).toBe(form(body(field('a[b]', '1'))))
  expect(canonicalParsedFormData({ a: { b: '1' } }, [])).not.toBe(form(body(field('a[b]', '1'))))
  expect(canonicalParsedFormData({ a: { b: '1' } }, [])).not.toBe(canonicalParsedFormData({ a: { b: 1 } }, []))
})
