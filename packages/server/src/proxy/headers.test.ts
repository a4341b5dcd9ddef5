import { expect, test } from 'vitest'
import { requestHeaders, responseHeaders } from './headers.js'

const facts = {
  host: 'shop.example',
  upstreamHost: 'shop.example',
  httpVersion: '1.1',
  remoteAddress: '192.0.2.1',
  encrypted: false,
  trustForwarded: false,
}
const ours = [
  'X-Forwarded-For',
  '192.0.2.1',
  'X-Forwarded-Proto',
  'http',
  'X-Forwarded-Host',
  'shop.example',
  'Via',
  '1.1 retrysafe',
]

test('lines that are nobody’s but the two ends’ keep their order, spelling and repetition', () => {
  const lines = ['X-B', '1', 'x-a', '2', 'X-B', '', 'Trailer', 'x']
  expect(requestHeaders(['host', 'shop.example', ...lines], facts)).toEqual(['Host', 'shop.example', ...lines, ...ours])
})

test.each([
  ['Connection', 'close'],
  ['Keep-Alive', 'timeout=5'],
  ['Proxy-Connection', 'keep-alive'],
  ['Proxy-Authorization', 'Basic eA=='],
  ['TE', 'gzip'],
  ['Transfer-Encoding', 'chunked'],
  ['Upgrade', 'h2c'],
  ['HTTP2-Settings', 'x'],
  ['Expect', '100-continue'],
  ['X-Forwarded-Proto', 'https'],
  ['x-forwarded-host', 'evil'],
  ['Forwarded', 'for=192.0.2.7;host=evil;proto=https'],
])('%s is not forwarded', (name, value) => {
  expect(requestHeaders([name, value], facts)).toEqual(['Host', 'shop.example', ...ours])
})

test('what Connection names is not forwarded, whatever its case, list or line; what makes the request is', () => {
  const raw = ['Connection', 'x-one , X-Two', 'connection', 'X-THREE,host,Content-Length,Idempotency-Key']
  const named = ['X-One', '1', 'X-Two', '2', 'X-Three', '3', 'Content-Length', '5', 'Idempotency-Key', 'k']
  expect(requestHeaders([...raw, ...named], facts)).toEqual([
    'Host',
    'shop.example',
    'Content-Length',
    '5',
    'Idempotency-Key',
    'k',
    ...ours,
  ])
})

test('a client that takes trailers may have them', () => {
  expect(requestHeaders(['TE', 'gzip;q=0.5, trailers;q=1'], facts)).toContain('TE')
  expect(requestHeaders(['TE', 'gzip'], facts)).not.toContain('TE')
})

test('who came before stands before in X-Forwarded-For and Via', () => {
  const raw = ['X-Forwarded-For', '203.0.113.1', 'Via', '1.0 front', 'x-forwarded-for', '203.0.113.2']
  const sent = requestHeaders(raw, facts)
  expect(sent[sent.indexOf('X-Forwarded-For') + 1]).toBe('203.0.113.1, 203.0.113.2, 192.0.2.1')
  expect(sent[sent.indexOf('Via') + 1]).toBe('1.0 front, 1.1 retrysafe')
})

test('a trusted gateway’s protocol and host are kept, and set where it said nothing', () => {
  const trusting = { ...facts, trustForwarded: true }
  const said = ['Forwarded', 'proto=https', 'X-Forwarded-Proto', 'https']
  expect(requestHeaders(said, trusting)).toEqual([
    ...['Host', 'shop.example', ...said, 'X-Forwarded-For', '192.0.2.1'],
    ...['X-Forwarded-Host', 'shop.example', 'Via', '1.1 retrysafe'],
  ])
})

test('a response keeps its lines but those of this hop, and announces trailers only where they can follow', () => {
  const raw = [
    'Set-Cookie',
    'a',
    'Transfer-Encoding',
    'chunked',
    'Connection',
    'X-Hop',
    'x-hop',
    '1',
    'set-cookie',
    'b',
    'Trailer',
    'X-Sum',
  ]
  const kept = ['Set-Cookie', 'a', 'set-cookie', 'b']
  expect(responseHeaders(raw, { trailers: true })).toEqual([...kept, 'Trailer', 'X-Sum'])
  expect(responseHeaders(raw, { trailers: false })).toEqual(kept)
})
