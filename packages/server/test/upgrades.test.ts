import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { afterwards, portOf, proxyTo, readBody, until, upstreamOf, wireTo } from './bench.js'

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

test.each([
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 501],
  ['WebSocket', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 404],
])('a %s that was refused holds no connection', async (_name, head, status) => {
  const upstream = await upstreamOf((_req, res) => res.writeHead(404).end())
  const proxy = await proxyTo(upstream.url)
  // A client that keeps its side open, and goes on sending to nobody.
  const client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
  afterwards(() => client.destroy())
  client.on('error', () => {})
  client.write(head)
  const [answer] = (await once(client, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  await until(() => {
    client.write('x')
    return client.destroyed
  })
})
