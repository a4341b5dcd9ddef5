import { expect, test } from 'vitest'
import { ask, codeOf, gate, post, proxyTo, readBody, sleep, until, upstreamOf, wireTo } from './bench.js'

const namesOf = (raw: readonly string[]): string[] =>
  raw.filter((_, index) => index % 2 === 0).map((n) => n.toLowerCase())

test('a request reaches the upstream with its method, target, body and header lines as they were', async () => {
  let seen = {}
  const upstream = await upstreamOf(async (req, res) => {
    seen = { method: req.method, url: req.url, raw: req.rawHeaders, body: await readBody(req) }
    res.end()
  })
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send('PUT /a%2Fb?x=1&x=2 HTTP/1.1\r\nHost: shop.example\r\nX-Twice: 1\r\nx-twice: 2\r\nX-Bytes: caf\xe9\r\n')
  wire.send('Content-Length: 5\r\nConnection: close\r\n\r\nhello')
  await until(() => wire.received().includes('200 OK'))
  expect(seen).toMatchObject({ method: 'PUT', url: '/a%2Fb?x=1&x=2', body: 'hello' })
  const { raw } = seen as { raw: string[] }
  expect(raw.slice(raw.indexOf('X-Twice'), raw.indexOf('X-Twice') + 6)).toEqual([
    'X-Twice',
    '1',
    'x-twice',
    '2',
    'X-Bytes',
    'caf\xe9',
  ])
  expect(raw.slice(0, 2)).toEqual(['host', 'shop.example'])
})

test('a response reaches the client with its status, reason and header lines as they were', async () => {
  const upstream = await upstreamOf((_req, res) => {
    res.writeHead(299, 'Quite Fine', [
      'X-A',
      '1',
      'x-a',
      '2',
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
      'X-Bytes',
      'caf\xe9',
    ])
    res.end('body')
  })
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await until(() => wire.received().includes('body'))
  expect(wire.received()).toMatch(
    /^HTTP\/1\.1 299 Quite Fine\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Bytes: caf\xe9\r\n/,
  )
})

test('hop-by-hop fields, and those that Connection names, stay on their hop in both directions', async () => {
  let names: string[] = []
  const upstream = await upstreamOf((req, res) => {
    names = namesOf(req.rawHeaders)
    res.writeHead(200, { connection: 'X-Inner, close', 'x-inner': '1', 'proxy-authenticate': 'Basic', 'x-kept': '1' })
    res.end()
  })
  const proxy = await proxyTo(upstream.url)
  const answer = await ask(proxy.url, {
    headers: {
      connection: 'close, X-Outer, Host, Idempotency-Key',
      'x-outer': '1',
      'x-kept': '1',
      'proxy-connection': 'keep-alive',
      'proxy-authorization': 'Basic eA==',
      'keep-alive': 'timeout=5',
      'idempotency-key': 'a',
      te: 'gzip',
    },
  })
  expect(names).toEqual(expect.arrayContaining(['x-kept', 'host', 'idempotency-key']))
  for (const name of ['x-outer', 'proxy-connection', 'proxy-authorization', 'keep-alive', 'te', 'expect'])
    expect(names).not.toContain(name)
  expect(answer.headers).toMatchObject({ 'x-kept': '1' })
  expect(answer.headers).not.toHaveProperty('x-inner')
  expect(answer.headers).not.toHaveProperty('proxy-authenticate')
})

test('X-Forwarded-For is appended to, Proto and Host are set, and a client cannot forge them', async () => {
  const upstream = await upstreamOf((req, res) => res.end(JSON.stringify(req.headers)))
  const forged = {
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil',
    host: 'shop',
  }
  const proxy = await proxyTo(upstream.url)
  expect(JSON.parse((await ask(proxy.url, { headers: forged })).body)).toMatchObject({
    'x-forwarded-for': '192.0.2.7, 127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'shop',
    host: 'shop',
    via: '1.1 retrysafe',
  })
  const trusting = await proxyTo(upstream.url, { trustForwarded: true, rewriteHost: true })
  expect(JSON.parse((await ask(trusting.url, { headers: forged })).body)).toMatchObject({
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil',
    host: new URL(upstream.url).host,
  })
})

test('the path of --upstream stands before every path', async () => {
  const upstream = await upstreamOf((req, res) => res.end(req.url))
  const proxy = await proxyTo(`${upstream.url}/base/`)
  expect((await ask(`${proxy.url}/a?b`)).body).toBe('/base/a?b')
})

test('an absolute target is forwarded by its path and its own host', async () => {
  const upstream = await upstreamOf((req, res) => res.end(`${req.headers.host}${req.url}`))
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send('GET http://shop.example:81?x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n')
  await until(() => wire.received().includes('shop.example:81/?x'))
})

test.each([
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
  [
    'a transfer coding besides chunked',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    501,
  ],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd', 400],
  ['a bare line feed in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n', 400],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['a target that is no path', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 501],
  ['a head that is too long', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
])('%s is refused, and the upstream sees nothing of it', async (_name, bytes, status) => {
  const upstream = await upstreamOf((_req, res) => res.end())
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send(bytes)
  await until(() => wire.received().includes('\r\n\r\n'))
  expect(wire.received()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(upstream.count).toBe(0)
})

test.each([204, 304])('a %i has no body', async (status) => {
  const upstream = await upstreamOf((_req, res) => res.writeHead(status, { etag: '"a"' }).end())
  const proxy = await proxyTo(upstream.url)
  expect(await ask(proxy.url)).toMatchObject({ status, body: '', headers: { etag: '"a"' } })
})

test('an upstream that answers before it has read the body is heard', async () => {
  const upstream = await upstreamOf((_req, res) => res.writeHead(413).end('too much'))
  const proxy = await proxyTo(upstream.url)
  const answer = await ask(proxy.url, { method: 'POST', body: Buffer.alloc(8 * 1024 * 1024) })
  expect(answer).toMatchObject({ status: 413, body: 'too much' })
})

test('a client that was answered early and sends the rest all the same may go on on its connection', async () => {
  const upstream = await upstreamOf((req, res) => {
    if (req.method === 'GET') res.end('next')
    else res.writeHead(413).end('too much')
  })
  const { port } = await proxyTo(upstream.url)
  const total = 8 * 1024 * 1024
  const wire = await wireTo(port)
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\nstart`)
  await until(() => wire.received().includes('too much'))
  wire.send(`${'x'.repeat(total - 5)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`)
  await until(() => wire.received().includes('next'))
})

test('requests without a key get a problem where the upstream is down, breaks off or takes too long', async () => {
  const down = await proxyTo('http://127.0.0.1:1')
  const unreachable = await ask(`${down.url}/`)
  expect([unreachable.status, codeOf(unreachable)]).toEqual([502, 'upstream_unreachable'])
  const upstream = await upstreamOf((req) => (req.url === '/cut' ? req.socket.destroy() : undefined))
  const proxy = await proxyTo(upstream.url, { maxRunMs: 100 })
  const cut = await ask(`${proxy.url}/cut`)
  expect([cut.status, codeOf(cut)]).toEqual([502, 'upstream_cut'])
  const late = await ask(`${proxy.url}/late`)
  expect([late.status, codeOf(late)]).toEqual([504, 'upstream_timeout'])
  expect(upstream.count).toBe(2)
})

test('more requests than connections wait for one, and all are answered', async () => {
  const answer = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await answer.passed
    res.end()
  })
  const proxy = await proxyTo(upstream.url, { upstreamConnections: 4 })
  const asked = Promise.all(Array.from({ length: 40 }, (_, n) => post(proxy.url, `queue-${n}`)))
  await until(() => upstream.count === 4)
  await sleep(200)
  expect(upstream.count).toBe(4)
  answer.open()
  expect(new Set((await asked).map(({ status }) => status))).toEqual(new Set([200]))
})

test('those that wait for a connection to an upstream that is down are told so too', async () => {
  const proxy = await proxyTo('http://127.0.0.1:1', { upstreamConnections: 2 })
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => post(proxy.url, `down-${n}`)))
  expect(answers.map(codeOf)).toEqual(Array(20).fill('upstream_unreachable'))
})
