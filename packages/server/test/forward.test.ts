import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { expect, test } from 'vitest'
import {
  afterwards,
  ask,
  codeOf,
  gate,
  portOf,
  post,
  proxyTo,
  readBody,
  sleep,
  until,
  upstreamOf,
  wireTo,
} from './bench.js'

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

test('the first event of a stream arrives while the stream is still open', async () => {
  const more = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: 1\n\n')
    await more.passed
    res.end('data: 2\n\n')
  })
  const { port } = await proxyTo(upstream.url)
  for (const key of ['', 'Idempotency-Key: sse\r\n']) {
    const wire = await wireTo(port)
    wire.send(`POST / HTTP/1.1\r\nHost: a\r\n${key}Content-Length: 0\r\nConnection: close\r\n\r\n`)
    await until(() => wire.received().includes('data: 1'))
    expect(wire.received()).not.toContain('data: 2')
  }
  more.open()
})

test('a head without a body yet arrives at once', async () => {
  const more = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    res.flushHeaders()
    await more.passed
    res.end('late')
  })
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await until(() => wire.received().includes('\r\n\r\n'))
  more.open()
  await until(() => wire.received().includes('late'))
})

test('a client that reads slowly slows the upstream down', async () => {
  const total = 64 * 1024 * 1024
  let written = 0
  let isOver = false
  const upstream = await upstreamOf(async (_req, res) => {
    for (; written < total && !res.destroyed; written += 65_536)
      if (!res.write(Buffer.alloc(65_536))) await once(res, 'drain')
    res.end()
    isOver = true
  })
  const { port } = await proxyTo(upstream.url)
  const socket = connect(port, '127.0.0.1')
  afterwards(() => socket.destroy())
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  // What stands still between two looks is held up by the client alone.
  let before = -1
  await until(async () => {
    const same = written > 0 && written === before
    before = written
    await sleep(100)
    return same
  })
  expect(isOver).toBe(false)
  let received = 0
  socket.on('data', (chunk: Buffer) => {
    received += chunk.byteLength
  })
  socket.resume()
  await until(() => received > total)
})

test('an upload without a key is streamed, not held, whatever its size', async () => {
  const started = gate()
  let received = 0
  const upstream = await upstreamOf(async (req, res) => {
    req.on('data', (chunk: Buffer) => {
      received += chunk.byteLength
      started.open()
    })
    req.on('end', () => res.end(String(received)))
  })
  const proxy = await proxyTo(upstream.url, { maxBodyBytes: 1024, maxHeldBytes: 1024 * 1024 })
  const total = 256 * 1024 * 1024
  const answer = new Promise<string>((resolve, reject) => {
    const req = request(proxy.url, { method: 'POST', headers: { 'content-length': total } }, (res) => {
      res.setEncoding('utf8').on('data', resolve)
    })
    req.on('error', reject)
    const chunk = Buffer.alloc(1024 * 1024)
    let sent = 0
    const before = process.memoryUsage().rss
    const write = (): void => {
      while (sent < total) {
        sent += chunk.byteLength
        if (!req.write(chunk)) {
          req.once('drain', write)
          return
        }
      }
      // All three parties are in this process; holding the upload would take its size once at least.
      if (process.memoryUsage().rss - before > total / 2) reject(new Error('the upload is held in memory'))
      req.end()
    }
    write()
    void started.passed.then(() => expect(sent).toBeLessThan(total))
  })
  expect(await answer).toBe(String(total))
})

test('trailers and interim responses reach the client, with a key too', async () => {
  const upstream = await upstreamOf((_req, res) => {
    res.writeEarlyHints({ link: '</style.css>; rel=preload', 'x-hint': '1' })
    res.writeHead(200, { trailer: 'X-Sum' })
    res.write('a')
    res.addTrailers({ 'X-Sum': '42' })
    res.end('b')
  })
  const proxy = await proxyTo(upstream.url)
  for (const key of [{}, { 'idempotency-key': 'trailers' }]) {
    const req = request(proxy.url, { method: 'POST', headers: { ...key }, agent: false })
    const hints = once(req, 'information')
    req.end()
    const [res] = (await once(req, 'response')) as [import('node:http').IncomingMessage]
    expect(await readBody(res)).toBe('ab')
    expect(res.trailers).toEqual({ 'x-sum': '42' })
    expect((await hints)[0]).toMatchObject({ statusCode: 103, headers: { link: '</style.css>; rel=preload' } })
  }
})

test.each(['GET', 'HEAD'])('a %s whose response announces trailers and a length is no error', async (method) => {
  const upstream = createNetServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.end(`HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 2\r\n\r\n${method === 'HEAD' ? '' : 'ok'}`),
    )
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  afterwards(() => upstream.close())
  const proxy = await proxyTo(`http://127.0.0.1:${portOf(upstream)}`)
  expect(await ask(proxy.url, { method })).toMatchObject({ status: 200, headers: { 'content-length': '2' } })
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

test('a client that hangs up ends its request without a key at the upstream', async () => {
  const closed = gate()
  const upstream = await upstreamOf((_req, res) => res.on('close', closed.open))
  const { port } = await proxyTo(upstream.url)
  const wire = await wireTo(port)
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => upstream.count === 1)
  wire.socket.destroy()
  await closed.passed
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

test('a response that breaks off breaks off for the client too', async () => {
  const upstream = await upstreamOf((_req, res) => {
    res.writeHead(200, { 'content-length': '10' })
    res.write('half')
    setImmediate(() => res.destroy())
  })
  const proxy = await proxyTo(upstream.url)
  await expect(ask(proxy.url)).rejects.toThrow('aborted')
})

test('a WebSocket is passed through, with what was sent before its answer', async () => {
  const upstream = await upstreamOf((_req, res) => res.end())
  upstream.server.on('upgrade', (req, socket) => {
    if (req.url === '/no') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
      return
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Accept: 1\r\n\r\n')
    socket.on('data', (text: Buffer) => socket.write(`echo ${text}`))
    socket.on('end', () => socket.end('bye'))
  })
  const { port } = await proxyTo(upstream.url)
  const upgrade = 'HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'
  const wire = await wireTo(port)
  wire.send(`GET /chat ${upgrade}early`)
  await until(() => wire.received().includes('echo early'))
  expect(wire.received()).toMatch(/^HTTP\/1\.1 101 .*\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Accept: 1\r\n/)
  wire.send('hello')
  await until(() => wire.received().includes('echo hello'))
  wire.socket.end()
  await until(() => wire.received().endsWith('bye'))
  const refused = await wireTo(port)
  refused.send(`GET /no ${upgrade}`)
  await once(refused.socket, 'close')
  expect(refused.received()).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n.*\r\n\r\nno$/s)
})

test('a WebSocket that the upstream refuses leaves no way past the proxy', async () => {
  const upstream = createServer((_req, res) => res.end('plain'))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  afterwards(() => upstream.close())
  const { port } = await proxyTo(`http://127.0.0.1:${portOf(upstream)}`)
  const wire = await wireTo(port)
  wire.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  wire.send('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(wire.socket, 'close')
  expect(wire.received().match(/HTTP\/1\.1 /g)).toHaveLength(1)
  expect(wire.received()).toMatch(/\r\nConnection: close\r\n/i)
})

test('a wish for another protocol, as of Java or curl --http2, changes nothing: a keyed POST runs once', async () => {
  const seen: unknown[] = []
  const upstream = await upstreamOf(async (req, res) => {
    seen.push(req.headers.upgrade, req.headers['http2-settings'])
    res.end(await readBody(req))
  })
  const { port } = await proxyTo(upstream.url)
  const bytes =
    'POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n' +
    'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Length: 5\r\n\r\nhello'
  const wire = await wireTo(port)
  wire.send(bytes)
  await until(() => wire.received().includes('hello'))
  wire.send(bytes)
  await until(() => wire.received().includes('Idempotent-Replayed: true'))
  expect(seen).toEqual([undefined, undefined])
})

test('a body that was not invited yet is invited only where the request is not refused', async () => {
  const upstream = await upstreamOf(async (req, res) => res.end(`${req.headers.expect} ${await readBody(req)}`))
  const { port } = await proxyTo(upstream.url, { maxBodyBytes: 10 })
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n'
  for (const key of ['', 'Idempotency-Key: expect\r\n']) {
    const wire = await wireTo(port)
    wire.send(`${head}${key}Content-Length: 5\r\n\r\n`)
    await until(() => wire.received().startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
    wire.send('hello')
    await until(() => wire.received().includes('undefined hello'))
  }
  const refused = await wireTo(port)
  refused.send(`${head}Idempotency-Key: long\r\nContent-Length: 11\r\n\r\n`)
  await until(() => refused.received().includes('\r\n\r\n'))
  expect(refused.received()).toMatch(/^HTTP\/1\.1 413 /)
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
