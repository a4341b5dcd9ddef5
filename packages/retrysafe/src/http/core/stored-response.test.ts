import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isRetrysafeError } from '../../contract/index.js'
import { decodeResponse, encodeResponse } from './stored-response.js'

const response = {
  status: 201,
  statusText: 'Created',
  headers: [
    ['Content-Type', 'application/json'],
    ['Link', '</a>'],
    ['link', '</b>'],
  ] as const,
  origin: 'https://a.example',
  body: Uint8Array.of(0, 255, 128, 13, 10),
}

test('a response comes back as it was, byte for byte', () => {
  expect(decodeResponse(encodeResponse(response))).toEqual(response)
})

test('what was absent comes back absent', () => {
  const bare = { status: 204, headers: [], body: new Uint8Array() }
  expect(decodeResponse(encodeResponse({ ...bare, statusText: undefined, origin: undefined }))).toStrictEqual(bare)
})

test('any response comes back as it was, whatever its headers hold', () => {
  const text = fc.string({ unit: 'binary', maxLength: 20 })
  fc.assert(
    fc.property(
      fc.record({
        status: fc.integer({ min: 100, max: 999 }),
        statusText: text,
        headers: fc.array(fc.tuple(text, text), { maxLength: 6 }),
        origin: text,
        body: fc.uint8Array({ maxLength: 100 }),
      }),
      (any) => {
        expect(decodeResponse(encodeResponse(any))).toEqual(any)
      },
    ),
  )
})

test('values in Latin-1, in UTF-8 and with lone surrogates come back as they were', () => {
  const headers = [
    ['A', 'caf\u00e9'],
    ['B', '\u{1f600}'],
    ['C', '\ud800'],
    ['D', ''],
  ] as const
  expect(decodeResponse(encodeResponse({ ...response, headers })).headers).toEqual(headers)
})

test('it is read from the middle of a larger buffer', () => {
  const bytes = encodeResponse(response)
  const larger = new Uint8Array(bytes.length + 7)
  larger.set(bytes, 3)
  expect(decodeResponse(larger.subarray(3, 3 + bytes.length))).toEqual(response)
})

test('a body of ten MiB takes no more than its head besides', () => {
  const body = new Uint8Array(10 * 1024 * 1024).fill(7)
  const bytes = encodeResponse({ ...response, body })
  expect(bytes.length - body.length).toBeLessThan(150)
  expect(decodeResponse(bytes).body.byteLength).toBe(body.length)
})

/** What the first release writes. Stores hold it: it must be read for ever. */
const firstFormat =
  '01000000635b3230312c2243726561746564222c2268747470733a2f2f612e6578616d706c65222c5b22436f6e74656e742d5479706522' +
  '2c226170706c69636174696f6e2f6a736f6e222c224c696e6b222c223c2f613e222c226c696e6b222c223c2f623e225d5d00ff800d0a'

test('the first format is written as ever and read for ever', () => {
  const bytes = new Uint8Array(Buffer.from(firstFormat, 'hex'))
  expect(decodeResponse(bytes)).toEqual(response)
  expect(Buffer.from(encodeResponse(response)).toString('hex')).toBe(firstFormat)
})

const framed = (head: string, version = 1, length = Buffer.byteLength(head)): Uint8Array => {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(head))
  bytes[0] = version
  bytes.writeUInt32BE(length, 1)
  bytes.write(head, 5)
  return new Uint8Array(bytes)
}

const garbage: readonly [name: string, bytes: Uint8Array][] = [
  ['nothing', new Uint8Array()],
  ['a version alone', Uint8Array.of(1)],
  ['a head that is cut', framed('[200,null,null,[]]').subarray(0, 10)],
  ['a later version', framed('[200,null,null,[]]', 2)],
  ['version 0', framed('[200,null,null,[]]', 0)],
  ['a length that is too large', framed('[200,null,null,[]]', 1, 0xffffffff)],
  ['a length that is too small', framed('[200,null,null,[]]', 1, 10)],
  ['a head that is no JSON', framed('{')],
  ['an empty head', framed('')],
  ['a head that is no list', framed('{"status":200}')],
  ['null', framed('null')],
  ['no status', framed('[null,null,null,[]]')],
  ['a status that is a text', framed('["200",null,null,[]]')],
  ['a status that is a fraction', framed('[200.5,null,null,[]]')],
  ['a status that is too small', framed('[99,null,null,[]]')],
  ['a status that is too large', framed('[1000,null,null,[]]')],
  ['a status text that is a number', framed('[200,1,null,[]]')],
  ['an origin that is a number', framed('[200,null,1,[]]')],
  ['no headers', framed('[200,null,null]')],
  ['headers that are a text', framed('[200,null,null,"ab"]')],
  ['a header without a value', framed('[200,null,null,["a"]]')],
  ['a value that is a number', framed('[200,null,null,["a",1]]')],
  ['something more', framed('[200,null,null,[],1]')],
  ['a byte order mark', framed('\ufeff[200,null,null,[]]')],
]

for (const [name, bytes] of garbage)
  test(`${name} is refused as corrupt`, () => {
    const error = catchError(() => decodeResponse(bytes))
    expect(isRetrysafeError(error, 'store_corrupt')).toBe(true)
  })

test('whatever a store gives back, it is a response or it is corrupt', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.tuple(fc.nat(124), fc.nat(255)).map(([at, byte]) => {
          const bytes = encodeResponse(response)
          bytes[at % bytes.length] = byte
          return bytes
        }),
      ),
      (bytes) => {
        const error = catchError(() => decodeResponse(bytes))
        expect(error === undefined || isRetrysafeError(error, 'store_corrupt')).toBe(true)
      },
    ),
    { numRuns: 2000 },
  )
})

function catchError(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}
