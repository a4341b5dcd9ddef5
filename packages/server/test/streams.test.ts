import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { expect, test } from 'vitest'
import { afterwards, ask, gate, portOf, proxyTo, readBody, sleep, until, upstreamOf, wireTo } from './bench.js'

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

test('a response that breaks off breaks off for the client too', async () => {
  const upstream = await upstreamOf((_req, res) => {
    res.writeHead(200, { 'content-length': '10' })
    res.write('half')
    setImmediate(() => res.destroy())
  })
  const proxy = await proxyTo(upstream.url)
  await expect(ask(proxy.url)).rejects.toThrow('aborted')
})
