import { expect, test } from 'vitest'
import { type RequestFacts, readMediaType, requestFingerprint } from './request-fingerprint.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Request extends Partial<Omit<RequestFacts, 'body'>> {
  readonly text?: string
  readonly parsed?: unknown
}

const json = 'application/json'
const urlencoded = 'application/x-www-form-urlencoded'

function fingerprint({ text = '{"a":1,"b":2}', ...request }: Request): string | undefined {
  return requestFingerprint({
    method: 'POST',
    target: '/orders?dry=1',
    contentType: json,
    ...request,
    body: 'parsed' in request ? { status: 'parsed', value: request.parsed } : { status: 'bytes', bytes: bytesOf(text) },
  })
}

const same: readonly [name: string, request: Request][] = [
  ['the spelling of JSON', { text: ' {"b": 2.0, "\\u0061": 1e0}' }],
  ['parameters of the media type', { contentType: 'application/json; charset=utf-8' }],
  ['the case of the media type', { contentType: 'Application/JSON' }],
  ['a parser that ran before', { parsed: { b: 2, a: 1 } }],
  ['a parser that kept the bytes', { parsed: Buffer.from('{"b":2,"a":1}') }],
]

for (const [name, request] of same)
  test(`${name} makes no difference`, () => expect(fingerprint(request)).toBe(fingerprint({})))

test('everything else makes a difference', () => {
  const requests: Request[] = [
    ...[{}, { method: 'PATCH' }, { method: 'post' }, { target: '/orders' }, { target: '/orders?dry=0' }],
    ...[{ target: '/orders?dry=1&' }, { target: '/Orders?dry=1' }, { text: '{"a":1,"b":3}' }, { text: '' }],
    ...[{ text: '{"a":1,"b":2,}' }, { contentType: 'text/json' }, { contentType: undefined }, { contentType: '' }],
    ...[{ contentType: 'application/merge-patch+json' }, { host: 'a' }, { host: 'b' }],
    ...[{ text: '{"a":9007199254740992}' }, { text: '{"a":9007199254740993}' }, { text: '{"a":1,"a":2}' }],
  ]
  // No type and an empty one are one thing.
  expect(new Set(requests.map(fingerprint)).size).toBe(requests.length - 1)
})

test('JSON and bytes that spell its canonical form are never taken for each other', () => {
  const texts = ['{"a":1,"b":2}', '\ufeff{"a":1,"b":2}', 'multipart', 'json', 'bytes']
  const types = [json, 'text/plain', 'multipart/form-data; boundary=x', undefined]
  const seen = types.flatMap((contentType) => texts.map((text) => fingerprint({ contentType, text })))
  expect(new Set(seen).size).toBe(seen.length)
})

test('JSON that is not strict counts byte by byte and is not refused', () => {
  for (const text of ['', '{', '\ufeff{}', '{"a":1,"a":1}', '"\\ud800"', '['.repeat(1001) + ']'.repeat(1001)]) {
    expect(fingerprint({ text })).toBe(fingerprint({ text }))
    expect(fingerprint({ text })).not.toBe(fingerprint({ text: `${text} ` }))
  }
})

test('types that end in +json are JSON, and others are not', () => {
  const agree = (contentType: string): boolean =>
    fingerprint({ contentType, text: '{"a":1}' }) === fingerprint({ contentType, text: '{"a":1.0}' })
  expect(['application/json', 'application/vnd.api+json', 'application/problem+json; a=b'].every(agree)).toBe(true)
  expect(['text/plain', 'application/x-ndjson', 'application/json5', 'application/jsonx', ''].some(agree)).toBe(false)
})

test('a retry of a form with a fresh boundary is the same request', () => {
  const form = (boundary: string, value: string): Request => ({
    contentType: `multipart/form-data; boundary=${boundary}`,
    text: `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${value}\r\n--${boundary}--\r\n`,
  })
  expect(fingerprint(form('x', '1'))).toBe(fingerprint(form('y', '1')))
  expect(fingerprint(form('x', '1'))).not.toBe(fingerprint(form('x', '2')))
})

test('the host counts in lower case and without its port', () => {
  const hosts = (...names: string[]): (string | undefined)[] => names.map((host) => fingerprint({ host }))
  expect(new Set(hosts('api.example.com', 'API.example.com:8080', 'Api.Example.Com:')).size).toBe(1)
  expect(new Set(hosts('[::1]', '[::1]:80')).size).toBe(1)
  expect(new Set(hosts('[::1]', '[::2]', 'a.example', 'b.example', '')).size).toBe(5)
})

const behind: readonly [name: string, contentType: string, text: string, parsed: unknown][] = [
  ['a text', 'text/plain', 'añb', 'añb'],
  ['a text in UTF-8', 'Text/Plain; a=b; Charset="UTF-8"', 'añb', 'añb'],
  ['a text in ASCII', 'text/csv;charset=us-ascii', 'a,b', 'a,b'],
  ['an empty text', 'text/plain', '', ''],
  ['XML', 'application/xml', '<a/>', '<a/>'],
  ['a form', urlencoded, 'b=2&a=x+y&b=%33', { a: 'x y', b: ['2', '3'] }],
  ['a form as text', urlencoded, 'b=2&a=1', 'a=1&b=2'],
  ['a form as bytes', urlencoded, 'b=2&a=1', Buffer.from('a=1&b=2')],
  ['a string in JSON', json, '"a"', 'a'],
]

for (const [name, contentType, text, parsed] of behind)
  test(`${name} is the same before a parser and behind it`, () => {
    expect(fingerprint({ contentType, parsed })).toBeDefined()
    expect(fingerprint({ contentType, parsed })).toBe(fingerprint({ contentType, text }))
  })

test('a multipart form is the same before a parser and behind it, and nothing is guessed of what is gone', () => {
  const facts = { method: 'POST', target: '/', contentType: 'multipart/form-data; boundary=x' }
  const text = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--'
  const raw = requestFingerprint({ ...facts, body: { status: 'bytes', bytes: bytesOf(text) } })
  expect(requestFingerprint({ ...facts, body: { status: 'multipart', fields: { a: '1' }, files: [] } })).toBe(raw)
  expect(requestFingerprint({ ...facts, body: { status: 'parsed', value: text } })).toBe(raw)
  expect(requestFingerprint({ ...facts, body: { status: 'multipart', fields: 'a', files: [] } })).toBeUndefined()
  expect(requestFingerprint({ ...facts, body: { status: 'gone' } })).toBeUndefined()
  expect(requestFingerprint({ ...facts, contentType: json, body: { status: 'gone' } })).toBeUndefined()
})

test('forms, multipart forms and bytes that spell their canonical forms are never taken for each other', () => {
  const multipart = 'multipart/form-data; boundary=x'
  const part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--'
  const texts = ['a=1', '{"a":"1"}', '{"a":"1"}[]', part]
  const seen = [urlencoded, multipart, json, 'text/plain'].flatMap((contentType) =>
    texts.map((text) => fingerprint({ contentType, text })),
  )
  expect(new Set(seen).size).toBe(seen.length)
})

const unknown: readonly [name: string, request: Request][] = [
  ['a form that is no object', { contentType: urlencoded, parsed: ['a'] }],
  ['a form with what no parser makes', { contentType: urlencoded, parsed: { a: new Date(0) } }],
  ['a form with a number that may have been another', { contentType: urlencoded, parsed: { a: 2 ** 53 } }],
  ['a multipart form that is no text', { contentType: 'multipart/form-data; boundary=x', parsed: {} }],
  ['a text in another charset', { contentType: 'text/plain; charset=latin1', parsed: 'a' }],
  ['a text in two charsets', { contentType: 'text/plain; charset=utf-8; charset=utf-16', parsed: 'a' }],
  ['a text that was no ASCII', { contentType: 'text/plain; charset=us-ascii', parsed: 'é' }],
  ['a text with what could not be decoded', { contentType: 'text/plain', parsed: 'a\ufffd' }],
  ['a text with half a character', { contentType: 'text/plain', parsed: 'a\ud800' }],
  ['a text that became an object', { contentType: 'text/plain', parsed: { a: 1 } }],
  ['something without a type', { contentType: undefined, parsed: {} }],
  ['JSON whose number may have been another', { parsed: { a: 2 ** 53 } }],
  ['something that is no JSON', { parsed: { a: new Date(0) } }],
  ['nothing', { parsed: undefined }],
]

for (const [name, request] of unknown)
  test(`of ${name} that was parsed before, nothing is guessed`, () => expect(fingerprint(request)).toBeUndefined())

test('the media type is read without parameters', () => {
  expect(readMediaType(' Text/Plain ; charset=utf-8')).toBe('text/plain')
  expect(readMediaType(undefined)).toBe('')
})

/* Kept in stores of every release: a change needs another version of fingerprints. These were
 * computed by another program. */
const pinned: readonly [name: string, request: Request, expected: string][] = [
  ['JSON', {}, 'v1:FmKjNWq9WOyAnNbJj2mLbjAN5AQJ5GDAjdVgYV3ewc4'],
  ['bytes', { contentType: 'text/plain', text: 'a' }, 'v1:5ubakqJwnvHVoG-TuV3-4oujFkm9FolSgUaNtJLm1NI'],
  [
    'an odd multipart form',
    { contentType: 'multipart/form-data; boundary=x', text: '--x\r\n\r\n1\r\n--x--\r\n' },
    'v1:z5CnSerJ-PArKWzvu5e5Nukl0sBTlfoxq4Em8h6z0ko',
  ],
  ['an HTML form', { contentType: urlencoded, text: 'b=2&a[]=1' }, 'v1:Hc38Y1AFrQWcGRwfYqFF-6k_EoHz8cIUndGOsA62cPA'],
  [
    'a multipart form',
    {
      contentType: 'multipart/form-data; boundary=x',
      text: '--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n1\r\n--x--',
    },
    'v1:R27SqqdzGtFLpFbyxOTsVxnxk6aNECt2TC7DOuQ6y3c',
  ],
  ['a request with a host', { host: 'Example.com:80', text: '' }, 'v1:my-jItdVdByoWlK8ZMDT2nMFnPtWz7HxgwsEOHEmdr8'],
]

for (const [name, request, expected] of pinned)
  test(`the fingerprint of ${name} never changes`, () => expect(fingerprint(request)).toBe(expected))
