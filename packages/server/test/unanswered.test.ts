import { createServer as createNetServer } from 'node:net'
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

test('an upstream that was not reached got nothing, so the key is free at once', async () => {
  const proxy = await proxyTo('http://127.0.0.1:1')
  for (let attempt = 1; attempt <= 2; attempt++) {
    const answer = await post(proxy.url, 'unreachable')
    expect([answer.status, codeOf(answer)]).toEqual([502, 'upstream_unreachable'])
  }
  expect(proxy.lines.map(({ outcome }) => outcome)).toEqual(['ran', 'ran'])
})

test('an upstream that does not take the connection in time got nothing', async () => {
  // A name that resolves to nothing is met before anything is written as well.
  const proxy = await proxyTo('http://nowhere.invalid', { connectTimeoutMs: 200 })
  expect(codeOf(await post(proxy.url, 'dns'))).toBe('upstream_unreachable')
})

test('an upstream that reads the request and breaks off sees it once a client request, and never before the lease ended', async () => {
  const upstream = await upstreamOf(async (req) => {
    await readBody(req)
    req.socket.destroy()
  })
  const proxy = await proxyTo(upstream.url, { leaseMs: 500 })
  const first = await post(proxy.url, 'cut')
  expect([first.status, codeOf(first)]).toEqual([502, 'upstream_cut'])
  expect(codeOf(await post(proxy.url, 'cut'))).toBe('in_progress')
  expect(upstream.count).toBe(1)
  const later = await until(
    () => post(proxy.url, 'cut'),
    (answer) => codeOf(answer) !== 'in_progress',
  )
  expect(codeOf(later)).toBe('upstream_cut')
  expect(upstream.count).toBe(2)
})

test('under --after-crash uncertain an upstream that broke off leaves the key uncertain for good', async () => {
  const upstream = await upstreamOf((req) => req.socket.destroy())
  const proxy = await proxyTo(upstream.url, { leaseMs: 300, afterCrash: 'uncertain' })
  expect(codeOf(await post(proxy.url, 'cut'))).toBe('upstream_cut')
  const later = await until(
    () => post(proxy.url, 'cut'),
    (answer) => codeOf(answer) !== 'in_progress',
  )
  expect([later.status, codeOf(later)]).toEqual([409, 'uncertain'])
  expect(upstream.count).toBe(1)
})

test('an upstream that hangs ends at --max-run, and its connection with it', async () => {
  const closed = gate()
  const upstream = await upstreamOf((_req, res) => {
    res.on('close', closed.open)
  })
  const proxy = await proxyTo(upstream.url, { maxRunMs: 300, leaseMs: 60_000 })
  const answer = await post(proxy.url, 'hang')
  expect([answer.status, codeOf(answer)]).toEqual([504, 'upstream_timeout'])
  expect(codeOf(await post(proxy.url, 'hang'))).toBe('in_progress')
  await closed.passed
  expect(upstream.count).toBe(1)
})

test.each([502, 503, 504])('a %i of the upstream is passed on and leaves the key to its lease', async (status) => {
  const upstream = await upstreamOf((_req, res) => res.writeHead(status).end('mine'))
  const proxy = await proxyTo(upstream.url)
  expect(await post(proxy.url, 'gateway')).toMatchObject({ status, body: 'mine' })
  expect(codeOf(await post(proxy.url, 'gateway'))).toBe('in_progress')
})

test.each([500, 429, 503])('a %i that decides nothing is not kept', async (status) => {
  const upstream = await upstreamOf((_req, res) => res.writeHead(status, { 'retry-after': '1' }).end())
  const proxy = await proxyTo(upstream.url)
  await post(proxy.url, 'again')
  expect(await post(proxy.url, 'again')).toMatchObject({ status })
  expect(upstream.count).toBe(2)
})

test.each([
  ['with a length', 'Content-Length: 10\r\n\r\nhalf'],
  ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ['before its body', 'Content-Length: 10\r\n\r\n'],
  ['by nonsense in its first chunk', 'Transfer-Encoding: chunked\r\n\r\nnonsense\r\n'],
  ['by nonsense in its second chunk', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n'],
])('a response cut %s after a head that decided is lost, and the work never runs again', async (_name, rest) => {
  let count = 0
  // Head, half a body and the end of the connection come in one piece.
  const upstream = createNetServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      count++
      socket.end(`HTTP/1.1 200 OK\r\n${rest}`)
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  afterwards(() => upstream.close())
  const proxy = await proxyTo(`http://127.0.0.1:${portOf(upstream)}`)
  await expect(post(proxy.url, 'lost')).rejects.toThrow()
  const later = await until(
    () => post(proxy.url, 'lost'),
    (answer) => codeOf(answer) !== 'in_progress',
  )
  expect([later.status, codeOf(later)]).toEqual([409, 'response_not_stored'])
  expect(count).toBe(1)
})

test('a response cut after a head that decided nothing leaves the key free', async () => {
  const upstream = await upstreamOf((_req, res) => {
    res.writeHead(500, { 'content-length': '10' })
    res.write('half')
    setImmediate(() => res.destroy())
  })
  const proxy = await proxyTo(upstream.url)
  await expect(post(proxy.url, 'free')).rejects.toThrow()
  await until(async () => {
    await post(proxy.url, 'free').catch(() => {})
    return upstream.count > 1
  })
})

test('a client that hung up before a response that is cut after its head finds the key decided', async () => {
  const head = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await head.passed
    res.writeHead(201, { 'content-length': '10' })
    res.write('half')
    setImmediate(() => res.destroy())
  })
  const { port, url, lines } = await proxyTo(upstream.url, { leaseMs: 500 })
  const wire = await wireTo(port)
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: left\r\nContent-Length: 0\r\n\r\n')
  await until(() => upstream.count === 1)
  wire.socket.destroy()
  await sleep(50)
  head.open()
  const headers = { host: 'a', 'idempotency-key': 'left', 'content-length': '0' }
  const later = await until(
    () => ask(url, { method: 'POST', headers }).catch(() => undefined),
    (answer) => answer !== undefined && codeOf(answer) !== 'in_progress',
  )
  expect(upstream.count).toBe(1)
  expect(later?.status).toBe(409)
  await until(() => lines.some(({ outcome, key }) => outcome === 'ran' && key === 'left'))
})
