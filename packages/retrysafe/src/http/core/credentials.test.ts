import { expect, test } from 'vitest'
import { type CredentialOptions, credentialScope, keyHeaders, tokenExpiresAt } from './credentials.js'

type Headers = Readonly<Record<string, string | readonly string[]>>

const reader =
  (headers: Headers) =>
  (name: string): readonly string[] => {
    const lines = Object.hasOwn(headers, name) ? headers[name] : undefined
    return lines === undefined ? [] : typeof lines === 'string' ? [lines] : lines
  }

const ask = (headers: Headers, options?: CredentialOptions): ReturnType<typeof credentialScope> =>
  credentialScope(reader(headers), options)

function scopeOf(headers: Headers, options?: CredentialOptions): string {
  const found = ask(headers, options)
  if (found.status !== 'scope') throw new Error(found.reason)
  return found.scope
}

function reasonOf(headers: Headers, options?: CredentialOptions): string {
  const found = ask(headers, options)
  if (found.status !== 'required') throw new Error(`It has a scope: ${found.scope}`)
  return found.reason
}

const bearer = { authorization: 'Bearer abc' }

test('a scope is short, visible ASCII and tells no secret', () => {
  const secret = 'sk_live_0123456789'
  const scope = scopeOf({ authorization: `Bearer ${secret}`, 'x-api-key': secret })
  expect(scope).toMatch(/^cred:[\w-]{43}$/)
  expect(scope).not.toContain(secret)
})

test('every secret that is present counts, under its own label', () => {
  const requests: Headers[] = [
    ...[bearer, { authorization: 'Bearer abd' }, { authorization: 'Basic abc' }, { authorization: 'DPoP abc' }],
    ...[{ authorization: 'Bearer ABC' }, { authorization: 'Bearer abc, Bearer abc' }],
    ...[{ authorization: ['Bearer abc', 'Bearer abc'] }, { authorization: ['Bearer abc', 'Bearer abd'] }],
    ...[{ authorization: ['Bearer abd', 'Bearer abc'] }, { ...bearer, 'x-api-key': 'abc' }],
    ...[
      { ...bearer, 'x-api-key': ['abc', 'abc'] },
      { ...bearer, 'api-key': 'abc' },
    ],
    ...keyHeaders.map((name) => ({ [name]: 'abc' })),
  ]
  expect(new Set(requests.map((headers) => scopeOf(headers))).size).toBe(requests.length)
})

test('a secret does not wander between headers', () => {
  expect(scopeOf({ 'x-api-key': 'a', 'api-key': 'b' })).not.toBe(scopeOf({ 'x-api-key': 'b', 'api-key': 'a' }))
  expect(scopeOf({ 'x-api-key': ['a', 'b'] })).not.toBe(scopeOf({ 'x-api-key': 'a', 'api-key': 'b' }))
})

test('headers that are no secret make no difference', () => {
  const others = {
    'user-agent': 'a',
    cookie: 'a=1',
    'x-request-id': '1',
    dpop: 'proof',
    'x-csrf-token': 'a',
    host: 'a',
  }
  expect(scopeOf({ ...bearer, ...others })).toBe(scopeOf(bearer))
})

test('the spelling of the scheme and the spaces around make no difference', () => {
  for (const authorization of ['bearer abc', 'BEARER   abc', ' Bearer abc ', 'Bearer\tabc'])
    expect(scopeOf({ authorization })).toBe(scopeOf(bearer))
})

test('of DPoP the token counts and the proof, which is made anew, does not', () => {
  const request = (proof: string): Headers => ({ authorization: 'DPoP token', dpop: proof })
  expect(scopeOf(request('a'))).toBe(scopeOf(request('b')))
})

test('the list of known headers has no name twice, and all in lower case', () => {
  expect(new Set(keyHeaders).size).toBe(keyHeaders.length)
  expect(keyHeaders.filter((name) => name !== name.toLowerCase())).toEqual([])
})

// ---- nobody in particular

const nobody: readonly [name: string, headers: Headers][] = [
  ['no header at all', {}],
  ['empty headers', { authorization: '', 'x-api-key': [' ', ''], cookie: '' }],
  ['headers that are no credentials', { 'user-agent': 'a', 'x-user-id': '7' }],
]

for (const [name, headers] of nobody)
  test(`a request with ${name} has no scope, and the reason says what to set`, () => {
    expect(reasonOf(headers)).toMatch(/scope.*allowAnonymous/)
    expect(scopeOf(headers, { allowAnonymous: true })).toBe('anonymous')
  })

test('with allowAnonymous, a credential keeps its own scope', () => {
  expect(scopeOf(bearer, { allowAnonymous: true })).toBe(scopeOf(bearer))
})

test('a cookie alone is no scope, with allowAnonymous neither', () => {
  expect(reasonOf({ cookie: 'sid=1' })).toMatch(/cookies.*scope/)
  expect(reasonOf({ cookie: 'sid=1' }, { allowAnonymous: true })).toMatch(/cookies.*scope/)
})

const strangers = ['Negotiate abc', 'NTLM abc', 'Token abc', 'abc', 'Bearer', 'Bearer ', 'Basic', 'DPoP', 'GNAP abc']

for (const authorization of strangers)
  test(`Authorization: ${authorization} is no scope, whatever else is there or set`, () => {
    for (const options of [{}, { allowAnonymous: true }, { authenticated: true }]) {
      expect(reasonOf({ authorization }, options)).toMatch(/Authorization scheme.*Set the option scope/)
      expect(reasonOf({ authorization, 'x-api-key': 'abc' }, options)).toMatch(/Authorization scheme/)
      expect(reasonOf({ authorization: ['Bearer abc', authorization] }, options)).toMatch(/Authorization scheme/)
    }
  })

// ---- credentials that change with every request

const sigV4 = (key: string, day: string, signature: string): string =>
  `AWS4-HMAC-SHA256 Credential=${key}/${day}/eu-west-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`

const changing: readonly [name: string, first: Headers, retry: Headers, other: Headers][] = [
  [
    'SigV4',
    { authorization: sigV4('AKIA1', '20260101', 'aa') },
    { authorization: sigV4('AKIA1', '20260102', 'bb') },
    { authorization: sigV4('AKIA2', '20260101', 'aa') },
  ],
  [
    'SigV4 without spaces',
    { authorization: sigV4('AKIA1', '20260101', 'aa').replaceAll(', ', ',') },
    { authorization: sigV4('AKIA1', '20260101', 'bb') },
    { authorization: sigV4('AKIA2', '20260101', 'aa').replaceAll(', ', ',') },
  ],
  ['SigV2', { authorization: 'AWS AKIA1:aa=' }, { authorization: 'AWS AKIA1:bb=' }, { authorization: 'AWS AKIA2:aa=' }],
  [
    'HTTP message signatures',
    { 'signature-input': 'sig1=("@method" "@path");created=1;keyid="a;b";nonce="1"', signature: 'sig1=:aa:' },
    { 'signature-input': 'sig1=("@method" "@path");created=2;keyid="a;b";nonce="2"', signature: 'sig1=:bb:' },
    { 'signature-input': 'sig1=("@method" "@path");created=1;keyid="a";nonce="1"', signature: 'sig1=:aa:' },
  ],
  [
    'two HTTP message signatures',
    { 'signature-input': 'a=();keyid="a";created=1, b=();keyid="b"' },
    { 'signature-input': 'a=();keyid="a";created=2, b=();keyid="b"' },
    { 'signature-input': 'a=();keyid="a";created=1, b=();keyid="c"' },
  ],
  [
    'the older draft of HTTP signatures',
    { signature: 'keyId="https://example.com/actor#key",algorithm="hs2019",headers="date",signature="aa"' },
    { signature: 'keyId="https://example.com/actor#key",algorithm="hs2019",headers="date",signature="bb"' },
    { signature: 'keyId="https://example.com/other#key",algorithm="hs2019",headers="date",signature="aa"' },
  ],
  [
    'the older draft of HTTP signatures in Authorization',
    { authorization: 'Signature keyId="a",signature="aa"' },
    { authorization: 'Signature signature="bb",keyId="a"' },
    { authorization: 'Signature keyId="b",signature="aa"' },
  ],
  [
    'OAuth 1',
    { authorization: 'OAuth realm="r", oauth_consumer_key="c", oauth_token="t", oauth_nonce="1", oauth_signature="a"' },
    { authorization: 'OAuth oauth_nonce="2",oauth_token="t",oauth_consumer_key="c",oauth_signature="b"' },
    { authorization: 'OAuth oauth_consumer_key="c", oauth_token="u", oauth_nonce="1"' },
  ],
  [
    'OAuth 1 without a token',
    { authorization: 'OAuth oauth_consumer_key="c", oauth_nonce="1"' },
    { authorization: 'OAuth oauth_consumer_key="c", oauth_nonce="2"' },
    { authorization: 'OAuth oauth_consumer_key="c", oauth_token="t"' },
  ],
  [
    'Digest',
    { authorization: 'Digest username="Mufasa", realm="a, b", nonce="1", nc=00000001, response="a"' },
    { authorization: 'digest username="Mufasa",realm="a, b",nonce="1",nc=00000002,response="b"' },
    { authorization: 'Digest username="Mufasa", realm="a", nonce="1", nc=00000001, response="a"' },
  ],
  [
    'Digest with an encoded name',
    { authorization: 'Digest username*=UTF-8\'\'J%C3%A4s, realm="a", nc=1' },
    { authorization: 'Digest username*=UTF-8\'\'J%C3%A4s, realm="a", nc=2' },
    { authorization: 'Digest username*=UTF-8\'\'J%C3%B6s, realm="a", nc=1' },
  ],
  [
    'Hawk',
    { authorization: 'Hawk id="dh37", ts="1", nonce="a", mac="b"' },
    { authorization: 'Hawk id="dh37", ts="2", nonce="c", mac="d"' },
    { authorization: 'Hawk id="dh38", ts="1", nonce="a", mac="b"' },
  ],
]

for (const [name, first, retry, other] of changing)
  test(`${name} goes by its key id, and only where somebody verified it`, () => {
    const authenticated = { authenticated: true }
    expect(scopeOf(first, authenticated)).toBe(scopeOf(retry, authenticated))
    expect(scopeOf(first, authenticated)).not.toBe(scopeOf(other, authenticated))
    for (const options of [{}, { allowAnonymous: true }])
      expect(reasonOf(first, options)).toMatch(/signed anew.*scope.*authenticated/)
  })

test('a key id in Authorization is not believed beside an API key either', () => {
  const request = { authorization: sigV4('AKIA1', '20260101', 'aa'), 'x-api-key': 'abc' }
  expect(reasonOf(request)).toMatch(/authenticated/)
  expect(scopeOf(request, { authenticated: true })).not.toBe(scopeOf({ 'x-api-key': 'abc' }))
})

test('beside a secret, the key id of a message signature makes the scope narrower', () => {
  const request = (keyId: string, created: number): Headers => ({
    ...bearer,
    'signature-input': `sig1=();created=${created};keyid="${keyId}"`,
  })
  expect(scopeOf(request('a', 1))).toBe(scopeOf(request('a', 2)))
  expect(scopeOf(request('a', 1))).not.toBe(scopeOf(request('b', 1)))
  expect(scopeOf({ ...bearer, signature: 't=1,v1=ab' })).toBe(scopeOf(bearer))
})

const unreadable: Headers[] = [
  { authorization: 'AWS4-HMAC-SHA256 SignedHeaders=host, Signature=aa' },
  { authorization: 'AWS4-HMAC-SHA256 Credential=/20260101, Signature=aa' },
  { authorization: 'Hawk ts="1"' },
  { authorization: 'Hawk id="", ts="1"' },
  { authorization: 'Hawk id="a", id="b"' },
  { authorization: 'Digest realm="a"' },
  { authorization: 'Digest username="a"' },
  { authorization: 'OAuth oauth_token="t"' },
  { 'signature-input': 'sig1=("@method");created=1' },
  { 'signature-input': ['a=();keyid="a"', 'b=()'] },
  { signature: 't=1,v1=ab' },
]

for (const headers of unreadable)
  test(`no key id can be read from ${JSON.stringify(headers)}, so there is no scope`, () => {
    const all = { allowAnonymous: true, authenticated: true }
    for (const options of [{}, { allowAnonymous: true }, { authenticated: true }, all])
      expect(ask(headers, options).status).toBe('required')
  })

test('a long credential without any parameter is read once, and not from each of its characters', () => {
  expect(ask({ authorization: `Hawk ${'a'.repeat(300_000)}` }).status).toBe('required')
})

test('a key id inside of another quoted value is not read as one', () => {
  const spoofed = { authorization: 'Hawk ext="a, id=\\"admin\\", id=", id="me", ts="1"' }
  expect(scopeOf(spoofed, { authenticated: true })).toBe(
    scopeOf({ authorization: 'Hawk id="me"' }, { authenticated: true }),
  )
})

// ---- what the proxy adds

test('the named cookie is a secret, and other cookies are none', () => {
  const options = { cookie: 'sid' }
  const first = scopeOf({ cookie: 'a=1; sid=x; b=2' }, options)
  expect(scopeOf({ cookie: ['b=3', ' sid = x ;c=4'] }, options)).toBe(first)
  expect(scopeOf({ cookie: 'sid=y' }, options)).not.toBe(first)
  expect(scopeOf({ cookie: 'sid=x', ...bearer }, options)).not.toBe(scopeOf(bearer, options))
  expect(scopeOf({ cookie: 'sid=x; sid=y' }, options)).not.toBe(first)
  for (const cookie of ['', 'a=1', 'SID=x', 'asid=x', 'sid=', 'sid'])
    expect(reasonOf({ cookie }, options)).toMatch(/no credential/)
  expect(scopeOf({ cookie: 'a=1' }, { ...options, allowAnonymous: true })).toBe('anonymous')
})

test('extra headers make the scope narrower and never replace a credential', () => {
  const options = { extraHeaders: ['x-tenant'] }
  const scopes = [{}, { 'x-tenant': '' }, { 'x-tenant': 'a' }, { 'x-tenant': 'b' }, { 'x-tenant': ['a', 'b'] }].map(
    (headers) => scopeOf({ ...bearer, ...headers }, options),
  )
  expect(new Set([...scopes, scopeOf(bearer)]).size).toBe(6)
  expect(reasonOf({ 'x-tenant': 'a' }, options)).toMatch(/no credential/)
  const anonymous = { ...options, allowAnonymous: true }
  expect(scopeOf({ 'x-tenant': 'a' }, anonymous)).toMatch(/^anonymous:[\w-]{43}$/)
  expect(scopeOf({ 'x-tenant': 'a' }, anonymous)).not.toBe(scopeOf({}, anonymous))
})

test('values do not wander between extra headers', () => {
  const options = { extraHeaders: ['x-a', 'x-b'] }
  const wandering = ['extra', 'x-b']
  expect(scopeOf({ ...bearer, 'x-a': wandering }, options)).not.toBe(scopeOf({ ...bearer, 'x-b': wandering }, options))
  expect(scopeOf({ ...bearer, 'x-a': 'a' }, options)).not.toBe(scopeOf({ ...bearer, 'x-b': 'a' }, options))
})

// ---- tokens that end soon

const jwt = (claims: unknown): string =>
  `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(typeof claims === 'string' ? claims : JSON.stringify(claims)).toString('base64url')}.c2ln`

test('the end of a token is read from a JWT', () => {
  for (const scheme of ['Bearer', 'bearer', 'DPoP'])
    expect(tokenExpiresAt(reader({ authorization: `${scheme} ${jwt({ exp: 1_700_000_000, sub: '>>>???' })}` }))).toBe(
      1_700_000_000_000,
    )
})

test('a token that does not say when it ends says nothing', () => {
  const tokens = ['abc', 'a.b.c', jwt({}), jwt({ exp: '1' }), jwt({ exp: null }), jwt('null'), jwt('{'), 'a..', '..']
  for (const token of tokens) expect(tokenExpiresAt(reader({ authorization: `Bearer ${token}` }))).toBeUndefined()
  expect(tokenExpiresAt(reader({ authorization: `Basic ${jwt({ exp: 1 })}` }))).toBeUndefined()
  expect(tokenExpiresAt(reader({}))).toBeUndefined()
})
