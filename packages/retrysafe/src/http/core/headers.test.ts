import { expect, test } from 'vitest'
import { type HeaderList, neverReplayed, replayHeaders, storableHeaders } from './headers.js'

const current = (...names: string[]): { has(name: string): boolean } => ({ has: (name) => names.includes(name) })

test('headers that mean something later are kept as they are, in their order', () => {
  const kept: HeaderList = [
    ...([
      ['Content-Type', 'application/json'],
      ['Location', '/orders/7'],
      ['ETag', '"a"'],
    ] as const),
    ...([
      ['Link', '</a>; rel="next"'],
      ['link', '</b>; rel="last"'],
      ['Content-Encoding', 'gzip'],
    ] as const),
    ...([
      ['Cache-Control', 'no-store'],
      ['Vary', 'Origin'],
      ['X-Custom', 'é'],
      ['Retry-After', '5'],
    ] as const),
    ...([
      ['Access-Control-Allow-Origin', '*'],
      ['Content-Language', 'de'],
      ['X-RateLimits', 'mine'],
    ] as const),
  ]
  expect(storableHeaders(kept)).toEqual(kept)
})

for (const name of neverReplayed)
  test(`${name} is not kept`, () => {
    const example = name.replace('*', 'limit')
    for (const spelling of [example, example.toUpperCase()])
      expect(
        storableHeaders([
          ['A', '1'],
          [spelling, 'x'],
          ['B', '2'],
        ]),
      ).toEqual([
        ['A', '1'],
        ['B', '2'],
      ])
  })

test('all kinds of what is never replayed are in the table', () => {
  const named = [
    ...['connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'proxy-authenticate'],
    ...['content-length', 'date', 'set-cookie', 'server-timing', 'traceparent', 'tracestate', 'x-request-id'],
    ...[
      'x-correlation-id',
      'ratelimit',
      'ratelimit-policy',
      'ratelimit-remaining',
      'x-ratelimit-reset',
      'x-b3-traceid',
    ],
  ]
  expect(storableHeaders(named.map((name) => [name, 'x'] as const))).toEqual([])
})

test('what Connection names is not kept', () => {
  const headers: HeaderList = [
    ['X-Hop', '1'],
    ['Connection', 'close, x-hop'],
    ['connection', ' X-Other '],
    ['x-other', '2'],
    ['X-End', '3'],
  ]
  expect(storableHeaders(headers)).toEqual([['X-End', '3']])
})

const stored: HeaderList = [
  ['Content-Type', 'application/json'],
  ['Vary', 'Origin'],
  ['Link', '</a>'],
  ['Link', '</b>'],
]
const marker = ['Idempotent-Replayed', 'true'] as const

test('a replay has all stored headers, and says that it is one', () => {
  expect(replayHeaders({ headers: stored }, current(), undefined, 'Idempotent-Replayed')).toEqual([...stored, marker])
})

test('the header that says so can have another name, or be left out', () => {
  expect(replayHeaders({ headers: [] }, current(), undefined, 'X-Replayed')).toEqual([['X-Replayed', 'true']])
  expect(replayHeaders({ headers: stored }, current(), undefined, false)).toEqual(stored)
})

test('it is there once, where an upstream sent one of its own', () => {
  const headers: HeaderList = [['idempotent-replayed', 'false']]
  expect(replayHeaders({ headers }, current(), undefined, 'Idempotent-Replayed')).toEqual([marker])
  expect(replayHeaders({ headers }, current('idempotent-replayed'), undefined, 'Idempotent-Replayed')).toEqual([marker])
})

test('what outer middleware has set wins, and no stored line of that name is added', () => {
  expect(replayHeaders({ headers: stored }, current('link', 'vary'), undefined, 'Idempotent-Replayed')).toEqual([
    ['Content-Type', 'application/json'],
    marker,
  ])
})

const cors = (allowed: string | undefined): HeaderList => [
  ...(allowed === undefined ? [] : ([['Access-Control-Allow-Origin', allowed]] as const)),
  ['access-control-expose-headers', 'Location'],
  ['Vary', 'Origin'],
]

const origins: readonly [
  name: string,
  allowed: string | undefined,
  first: string | undefined,
  now: string | undefined,
  sent: boolean,
][] = [
  ['the same origin', 'https://a.example', 'https://a.example', 'https://a.example', true],
  ['another origin', 'https://a.example', 'https://a.example', 'https://b.example', false],
  ['no origin, after one', 'https://a.example', 'https://a.example', undefined, false],
  ['another origin, where all may', '*', 'https://a.example', 'https://b.example', true],
  ['no origin, where all may', '*', 'https://a.example', undefined, true],
  ['no origin, as the first time', 'https://a.example', undefined, undefined, true],
  ['the one that is always allowed, after none', 'https://a.example', undefined, 'https://a.example', true],
  ['another one than is always allowed, after none', 'https://a.example', undefined, 'https://b.example', false],
  ['the same origin, that was not allowed', undefined, 'https://a.example', 'https://a.example', true],
  ['another origin, where the first was not allowed', undefined, 'https://a.example', 'https://b.example', false],
  ['the null origin, after another', 'https://a.example', 'https://a.example', 'null', false],
]

for (const [name, allowed, first, now, sent] of origins)
  test(`CORS headers are ${sent ? '' : 'not '}replayed to ${name}; Vary always is`, () => {
    const headers = cors(allowed)
    const expected = sent ? headers : headers.slice(-1)
    expect(replayHeaders({ headers, origin: first }, current(), now, 'Idempotent-Replayed')).toEqual([
      ...expected,
      marker,
    ])
  })
