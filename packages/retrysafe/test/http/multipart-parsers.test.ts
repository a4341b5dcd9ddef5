/* Multipart forms as common parsers read them: one fingerprint before and behind each of them. */
import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import fc from 'fast-check'
import fastify, { type FastifyInstance } from 'fastify'
import multer from 'multer'
import { afterAll, expect, test } from 'vitest'
import { canonicalFormData, canonicalParsedFormData, type MultipartFile } from '../../src/http/core/form-data.js'

interface Sent {
  readonly boundary: string
  readonly body: Buffer
}

interface Read {
  readonly fields: unknown
  readonly files: readonly MultipartFile[]
}

const typeOf = (boundary: string): string => `multipart/form-data; boundary="${boundary}"`
const raw = ({ boundary, body }: Sent): string | undefined => canonicalFormData(body, typeOf(boundary))

/** In pieces, since parsers look for boundaries across them. */
function readable(body: Buffer): Readable {
  return Readable.from(
    [body.subarray(0, body.length >> 1), body.subarray(body.length >> 1)].filter((one) => one.length > 0),
  )
}

type Middleware = (request: never, response: never, next: (error?: unknown) => void) => void
type Kept = { body: unknown; files?: Express.Multer.File[] | Record<string, Express.Multer.File[]> }

function byMulter(middleware: unknown): (sent: Sent) => Promise<Read> {
  return ({ boundary, body }) =>
    new Promise((done, fail) => {
      const headers = { 'content-type': typeOf(boundary), 'content-length': String(body.length) }
      const request = Object.assign(readable(body), { headers, method: 'POST' })
      const next = (error?: unknown): void => {
        if (error) fail(error)
        const { body: fields, files } = request as unknown as Kept
        const all = Array.isArray(files) ? files : Object.values(files ?? {}).flat()
        const kept = all.map((file) => ({
          name: file.fieldname,
          filename: file.originalname,
          type: file.mimetype,
          bytes: file.buffer,
        }))
        done({ fields, files: kept })
      }
      ;(middleware as Middleware)(request as never, {} as never, next)
    })
}

interface Part {
  readonly type: 'field' | 'file'
  readonly fieldname: string
  readonly value?: unknown
  readonly filename?: string
  readonly mimetype: string
  readonly _buf?: Buffer
}

const opened: FastifyInstance[] = []
afterAll(() => Promise.all(opened.map((app) => app.close())))

function byFastify(attachFieldsToBody: true | 'keyValues'): (sent: Sent) => Promise<Read> {
  let seen: unknown
  const app = fastify()
  opened.push(app)
  app.register(multipart, { attachFieldsToBody })
  app.post('/', (request, reply) => {
    seen = request.body
    return reply.send('read')
  })
  return async ({ boundary, body }) => {
    const reply = await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': typeOf(boundary) },
      payload: body,
    })
    if (reply.statusCode !== 200) throw new Error(reply.body)
    if (attachFieldsToBody === 'keyValues') return { fields: seen, files: [] }
    const fields: Record<string, unknown> = {}
    const files: MultipartFile[] = []
    for (const part of Object.values(seen ?? {}).flat() as Part[]) {
      const { fieldname: name, value, filename, mimetype: type, _buf: bytes } = part
      if (part.type === 'file') files.push({ name, filename, type, bytes: bytes ?? Buffer.alloc(0) })
      else {
        const before = fields[name]
        fields[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
      }
    }
    return { fields, files }
  }
}

const files = ['f', 'g', 'a', 'a[b]', 'x y', 'c.d', 'h%']
const parsers: readonly [name: string, keepsFiles: boolean, read: (sent: Sent) => Promise<Read>][] = [
  ['multer', true, byMulter(multer().any())],
  ['multer, by field', true, byMulter(multer().fields(files.map((name) => ({ name }))))],
  ['Fastify', true, byFastify(true)],
  ['Fastify, values alone', false, byFastify('keyValues')],
]

const boundary = fc.constantFrom('x', '----WebKitFormBoundary7MA4YWxkTrZu0gW', '-', "a b'()+_,-./:=?c", 'xy')
const fieldName = fc.constantFrom(
  'a',
  'b',
  'c',
  '0',
  'a[]',
  'b[]',
  'c[d]',
  'c[e]',
  'd[0]',
  'd[1]',
  'e[0][a]',
  'e[0][b]',
  'x.y z',
  'h%',
)
const text = fc.oneof(
  fc.constantFrom(
    '',
    '1',
    'a\r\nb',
    '\r',
    '\n',
    '--x',
    '\r\n-',
    '\r\n--',
    'é',
    '😀',
    '\0',
    '%22',
    'a=b&c',
    '"',
    '\r\n\r\n',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
)
const field = fc
  .tuple(
    fieldName,
    text,
    fc.constantFrom('', 'Content-Type: text/plain', 'content-type:Text/Plain; charset="UTF-8"'),
    fc.nat(5),
  )
  .map(([name, value, type, way]) => partOf(`form-data; name="${name}"`, type, Buffer.from(value), way))
const file = fc
  .tuple(
    fc.constantFrom(...files),
    fc.constantFrom('a.txt', 'b c.png', "d'e;f.txt", 'g%20h', 'x', '.i', '...'),
    fc.constantFrom(
      '',
      'Content-Type: image/PNG',
      'Content-Type: application/octet-stream',
      'CONTENT-TYPE: application/json',
    ),
    fc.oneof(
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
      text.map((value) => Buffer.from(value)),
    ),
    fc.nat(5),
  )
  .map(([name, filename, type, content, way]) => {
    const spelt = way % 2 === 0 || /[^\w.-]/.test(filename) ? `"${filename}"` : filename
    const disposition =
      way < 3 ? `form-data; name="${name}"; filename=${spelt}` : `Form-Data;filename=${spelt} ;\tNAME="${name}"`
    return partOf(disposition, type, content, way)
  })

function partOf(disposition: string, type: string, content: Buffer, way: number): Buffer {
  const headers = [
    `${way % 2 === 0 ? 'Content-Disposition' : 'content-disposition'}: ${disposition}`,
    ...(type === '' ? [] : [type]),
  ]
  if (way === 4) headers.push('Content-Transfer-Encoding: binary', `Content-Length: ${content.length}`)
  if (way > 2) headers.reverse()
  return Buffer.concat([Buffer.from(`${headers.join('\r\n')}\r\n\r\n`), content])
}

function join(name: string, parts: readonly Buffer[], end: string): Sent {
  const pieces = parts.flatMap((part) => [Buffer.from(`--${name}\r\n`), part, Buffer.from('\r\n')])
  return { boundary: name, body: Buffer.concat([...pieces, Buffer.from(`--${name}--${end}`)]) }
}

const sound = fc
  .tuple(boundary, fc.array(fc.oneof(field, field, file), { minLength: 1, maxLength: 5 }), fc.constantFrom('', '\r\n'))
  .map(([name, parts, end]) => join(name, parts, end))

/** Parts of which many are odd. */
const anyHeader = fc.constantFrom(
  ...[
    'Content-Disposition: form-data; name="a"',
    'Content-Disposition: form-data; name=a',
    'content-disposition: form-data',
  ],
  ...[
    'Content-Disposition: form-data; name="é"',
    'Content-Disposition: form-data; name="a%22"',
    'X-Other: 1',
    'A: b\r\n c',
  ],
  ...[
    'Content-Disposition: form-data; name="f"; filename=""',
    'Content-Disposition: form-data; name="f"; filename="é.png"',
  ],
  ...[
    'Content-Disposition: form-data; name="f"; filename="a/b"',
    'Content-Disposition: form-data; name="f"; filename=".."',
  ],
  ...[
    'Content-Disposition: form-data; name="f"; filename="a\\"b"',
    'Content-Disposition: attachment; name="f"; filename="a"',
  ],
  ...[
    'Content-Disposition: form-data; name="f"; filename="a"; filename*=utf-8\'\'b',
    'Content-Disposition: form-data; name=""',
  ],
  ...['Content-Disposition: form-data; name="a"; name="b"', 'Content-Disposition: form-data; name="constructor"'],
  ...[
    'Content-Disposition: form-data;name="f"; filename="a b"  ',
    'Content-Disposition:form-data;  name="f";filename=a"b"',
  ],
  ...['Content-Disposition: form-data; name="__proto__"; filename="a"', 'Content-Disposition: form-data; name="a[b"'],
  ...[
    'Content-Type: application/json',
    'Content-Type: text/plain; charset=latin1',
    'Content-Type: application/octet-stream',
  ],
  ...[
    'Content-Type: text/plain',
    'Content-Type: text/csv; charset=utf-8',
    'Content-Type: x',
    'Content-Type: text/plain ',
  ],
  ...['Content-Transfer-Encoding: base64', 'Content-Transfer-Encoding: 7bit', 'Content-Length: x', 'Content-Length: 3'],
  ...[
    'Content-Type: multipart/mixed; boundary=z',
    'Content-Type : text/plain',
    'Content-Disposition: form-data; name="a;b=c"',
  ],
)
const oddContent = fc.oneof(
  text.map((value) => Buffer.from(value)),
  fc
    .constantFrom('\ufeffa', '\r\n--x', '\r\n--xy', '\r\n--x--', '\r\n--x\r', '--x\r\n', '\r', '{"a":1}')
    .map((value) => Buffer.from(value)),
  fc.constantFrom([0xff], [0xc3], [0xed, 0xa0, 0x80]).map((bytes) => Buffer.from(bytes)),
)
const oddPart = fc
  .tuple(fc.array(anyHeader, { maxLength: 3 }), oddContent, fc.constantFrom('\r\n', '\r\n', '\r\n', '', '\n'))
  .map(([headers, content, line]) => Buffer.concat([Buffer.from(`${headers.join('\r\n')}\r\n${line}`), content]))
const none: string[] = Array.from({ length: 12 }, () => '')
const wild = fc
  .tuple(
    fc.constantFrom('x', 'x', 'xy'),
    fc.array(fc.oneof(oddPart, field, file), { minLength: 1, maxLength: 2 }),
    fc.constantFrom(...none, '\r\n', '\r\nepilogue', ' ', '-', '\r\n\r\n'),
    fc.constantFrom(...none, 'preamble\r\n', '\r\n', ' '),
    fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, 2, 3),
  )
  .map(([name, parts, end, preamble, cut]) => {
    const { body } = join(name, parts, end)
    const whole = Buffer.concat([Buffer.from(preamble), body])
    return { boundary: name, body: whole.subarray(0, Math.max(whole.length - cut, 1)) }
  })

for (const [name, keepsFiles, read] of parsers)
  test(`a multipart form has one fingerprint before ${name} and behind it`, async () => {
    let known = 0
    const check = async (sent: Sent): Promise<void> => {
      const expected = raw(sent)
      if (expected === undefined || (!keepsFiles && expected.endsWith(']]'))) return
      known++
      const { fields, files: kept } = await read(sent)
      expect(canonicalParsedFormData(fields, kept)).toBe(expected)
    }
    await fc.assert(fc.asyncProperty(sound, check), { numRuns: 600 })
    expect(known).toBeGreaterThan(keepsFiles ? 250 : 60)
    known = 0
    await fc.assert(fc.asyncProperty(wild, check), { numRuns: 1500 })
    expect(known).toBeGreaterThan(100)
  })

test('two multipart forms agree only where a service would see the same', async () => {
  const read = byMulter(multer().any())
  let same = 0
  const check = async (one: Sent, other: Sent): Promise<void> => {
    const [left, right] = [raw(one), raw(other)]
    if (left === undefined || right === undefined) return
    if (left === right) same++
    expect(left === right).toBe(seen(await read(one)) === seen(await read(other)))
  }
  const few = fc
    .tuple(boundary, fc.array(fc.oneof(field, file), { minLength: 1, maxLength: 2 }))
    .map(([name, parts]) => join(name, parts, ''))
  await fc.assert(fc.asyncProperty(few, few, check), { numRuns: 3000 })
  const swapped = fc.tuple(boundary, fc.array(fc.oneof(field, file), { minLength: 2, maxLength: 3 }))
  const inTwoWays = swapped.map(
    ([name, parts]) => [join(name, parts, ''), join('other', [...parts].reverse(), '\r\n')] as const,
  )
  await fc.assert(
    fc.asyncProperty(inTwoWays, ([one, other]) => check(one, other)),
    { numRuns: 1000 },
  )
  expect(same).toBeGreaterThan(100)
})

/** All that a service sees, whatever the order of names. */
function seen({ fields, files: kept }: Read): string {
  const sorted = [...kept].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  return JSON.stringify(
    [fields, sorted.map((one) => ({ ...one, bytes: Buffer.from(one.bytes).toString('hex') }))],
    (_, one: unknown) =>
      typeof one === 'object' && one !== null && !Array.isArray(one)
        ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
        : one,
  )
}
