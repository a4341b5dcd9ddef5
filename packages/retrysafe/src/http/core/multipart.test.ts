import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalMultipart } from './multipart.js'

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'))
const typeOf = (boundary: string): string => `multipart/form-data; boundary=${boundary}`
const form = (text: string, type: string): string | undefined => {
  const canonical = canonicalMultipart(bytesOf(text), type)
  return canonical === undefined ? undefined : Buffer.from(canonical).toString('hex')
}

const body = (boundary: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}\r\nContent-Disposition: form-data; name="b"\r\n\r\n2\r\n--${boundary}--\r\n`

test('two boundaries make no difference', () => {
  const expected = form(body('x'), typeOf('x'))
  expect(expected).toBeDefined()
  for (const boundary of ['y', '----WebKitFormBoundary7MA4YWxkTrZu0gW', '-', '--', "a'()+_,-./:=?b"])
    expect(form(body(boundary), `multipart/form-data; boundary="${boundary}"`)).toBe(expected)
  expect(form(body('x'), 'Multipart/Form-Data;charset=utf-8 ; Boundary="x"; a=b')).toBe(expected)
  expect(form(body('x y'), 'multipart/form-data; boundary="x\\ y"')).toBe(expected)
})

const others: readonly [name: string, text: string][] = [
  ['a value', body('x').replace('\r\n1', '\r\n3')],
  ['a name', body('x').replace('"a"', '"c"')],
  ['the order of parts', body('x').replace('"a"', '"c"').replace('"b"', '"a"').replace('"c"', '"b"')],
  ['a part that is missing', body('x').slice(body('x').indexOf('--x', 3))],
  ['the end that is missing', body('x').replace('--x--', '--x')],
  ['the boundary inside of a value', body('x').replace('\r\n1', '\r\n--xx')],
  ['a preamble', `preamble\r\n${body('x')}`],
  ['an empty preamble', `\r\n${body('x')}`],
  ['an epilogue', `${body('x')}epilogue`],
  ['spaces after the boundary', body('x').replace('--x\r', '--x \r')],
]

for (const [name, text] of others)
  test(`${name} makes a difference`, () => {
    expect(form(text, typeOf('x'))).toBeDefined()
    expect(form(text, typeOf('x'))).not.toBe(form(body('x'), typeOf('x')))
  })

test('only real delimiter lines lose their boundary', () => {
  const inner = ['a--x', '--xy', '--x-', '--x\n', '\n--x', '--x a', '--x--a', '-x', '\r--x', '\ra--x']
  for (const content of inner) {
    const named = (boundary: string): string =>
      body(boundary).replace('\r\n1\r\n', `\r\n${content.replace('x', boundary)}\r\n`)
    expect(form(named('x'), typeOf('x'))).not.toBe(form(named('z'), typeOf('z')))
  }
})

const unknown: readonly [name: string, text: string, type: string][] = [
  ['no boundary in its type', body('x'), 'multipart/form-data'],
  ['an empty boundary', body(''), 'multipart/form-data; boundary='],
  ['an empty quoted boundary', body(''), 'multipart/form-data; boundary=""'],
  ['a boundary that is longer than may be', body('x'.repeat(71)), typeOf('x'.repeat(71))],
  ['a quoted boundary that is longer than may be', body('x'.repeat(71)), typeOf(`"${'x'.repeat(71)}"`)],
  ['a boundary whose quotes stay open', body('x'), 'multipart/form-data; boundary="x'],
  ['a boundary outside ASCII', body('é'), typeOf('é')],
  ['another boundary', body('x'), typeOf('y')],
  ['bare line feeds', body('x').replaceAll('\r\n', '\n').slice(1), typeOf('x')],
  ['nothing', '', typeOf('x')],
]

for (const [name, text, type] of unknown)
  test(`a body with ${name} counts byte by byte`, () => expect(form(text, type)).toBeUndefined())

test('no content can stand for a delimiter', () => {
  for (const between of ['\0\0\0\0', '\0\0\0\x03', '\0\0\0\x05'])
    expect(form('--x\r\nA\r\n--x\r\nB', typeOf('x'))).not.toBe(form(`--x\r\nA\r\n${between}\r\nB`, typeOf('x')))
})

test('bodies agree only where they differ in nothing but their boundaries', () => {
  const piece = fc.constantFrom('\r\n', '--', '-', 'x', 'y', 'x', '--x', '--y', ' ', '\r', '\n', 'a')
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, text, (one, other) => {
      const [left, right] = [form(one, typeOf('x')), form(other, typeOf('y'))]
      if (left === undefined || right === undefined) return
      expect(left === right).toBe(rename(one, 'x') === rename(other, 'y'))
    }),
    { numRuns: 20_000 },
  )
})

/** The delimiter lines of RFC 2046 with a constant in the place of the boundary. */
function rename(text: string, boundary: string): string {
  return text.replaceAll(new RegExp(`(?<=^|\r\n)--${boundary}(?=(--)?[ \t]*(\r\n|$(?![^])))`, 'g'), '--\u0100')
}
