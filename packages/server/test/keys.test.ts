import { once } from 'node:events'
import { createServer as createNetServer } from 'node:net'
import { type IdempotencyStore, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
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

test('of 500 duplicates at once the upstream sees one, and everybody gets its answer', async () => {
  const upstream = await upstreamOf(async (req, res) => {
    const body = await readBody(req)
    await sleep(50)
    res.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ id: upstream.count, body }))
  })
  const proxy = await proxyTo(upstream.url, { waitMs: 20_000 })
  const answers = await Promise.all(Array.from({ length: 500 }, () => post(proxy.url, 'charge-42')))
  expect(upstream.count).toBe(1)
  expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1)
  expect(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true')).toHaveLength(499)
})

test('a retry gets the response of the first byte for byte, without what belongs to one exchange', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
  const upstream = await upstreamOf((_req, res) => {
    res.writeHead(202, 'Taken', ['X-A', '1', 'x-a', '2', 'Set-Cookie', 's=1', 'X-Request-Id', '1', 'Location', '/c/1'])
    res.end(bytes)
  })
  const proxy = await proxyTo(upstream.url)
  const first = await post(proxy.url, 'bytes')
  const second = await post(proxy.url, 'bytes')
  expect(second).toMatchObject({ status: 202, body: first.body, headers: { 'x-a': '1, 2', location: '/c/1' } })
  expect(first.headers).toHaveProperty('set-cookie')
  expect(second.headers).not.toHaveProperty('set-cookie')
  expect(second.headers).not.toHaveProperty('x-request-id')
  expect(upstream.count).toBe(1)
})

test('another body, path, method or host under the same key is another request', async () => {
  const upstream = await upstreamOf((_req, res) => res.end('done'))
  const proxy = await proxyTo(upstream.url)
  await post(`${proxy.url}/a`, 'key', '{"amount":1,"to":"x"}')
  expect(await post(`${proxy.url}/a`, 'key', '{ "to": "x", "amount": 1.0 }')).toMatchObject({ status: 200 })
  for (const other of [
    post(`${proxy.url}/a`, 'key', '{"amount":2,"to":"x"}'),
    post(`${proxy.url}/b`, 'key', '{"amount":1,"to":"x"}'),
    post(`${proxy.url}/a`, 'key', '{"amount":1,"to":"x"}', { host: 'other.example' }),
  ])
    expect(codeOf(await other)).toBe('mismatch')
  expect(upstream.count).toBe(1)
})

test('a chunked body is held, forwarded with its length, and equal to the same body with a length', async () => {
  const seen: unknown[] = []
  const upstream = await upstreamOf(async (req, res) => {
    seen.push([req.headers['content-length'], req.headers['transfer-encoding'], await readBody(req)])
    res.end()
  })
  const { port } = await proxyTo(upstream.url)
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: chunks\r\nConnection: close\r\n'
  const chunked = await wireTo(port)
  chunked.send(`${head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n`)
  await sleep(10)
  chunked.send('2\r\nlo\r\n0\r\n\r\n')
  await until(() => chunked.received().includes('200 OK'))
  const measured = await wireTo(port)
  measured.send(`${head}Content-Length: 5\r\n\r\nhello`)
  await until(() => measured.received().includes('Idempotent-Replayed'))
  expect(seen).toEqual([['5', undefined, 'hello']])
})

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

test('work that takes longer than its lease is renewed and runs once', async () => {
  const upstream = await upstreamOf(async (_req, res) => {
    await sleep(900)
    res.end('slow')
  })
  const proxy = await proxyTo(upstream.url, { leaseMs: 200 })
  const first = post(proxy.url, 'slow')
  const answers = await Promise.all([
    first,
    ...Array.from({ length: 5 }, (_, n) => sleep(n * 150).then(() => post(proxy.url, 'slow'))),
  ])
  expect(answers[0]).toMatchObject({ status: 200, body: 'slow' })
  expect(upstream.count).toBe(1)
})

test('a client that hangs up leaves its work running, and a retry gets the response', async () => {
  const answer = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await answer.passed
    res.end('done')
  })
  const { port, url } = await proxyTo(upstream.url, { waitMs: 10_000 })
  const wire = await wireTo(port)
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: left\r\nContent-Length: 0\r\n\r\n')
  await until(() => upstream.count === 1)
  wire.socket.destroy()
  await once(wire.socket, 'close')
  answer.open()
  const retry = await ask(url, {
    method: 'POST',
    headers: { host: 'a', 'idempotency-key': 'left', 'content-length': '0' },
  })
  expect(retry).toMatchObject({ status: 200, body: 'done', headers: { 'idempotent-replayed': 'true' } })
  expect(upstream.count).toBe(1)
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

test('a client that hangs up in the middle of a long response leaves it whole for its retry', async () => {
  const more = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    for (let n = 0; n < 64; n++) res.write(Buffer.alloc(65_536, 'x'))
    await more.passed
    res.end('end')
  })
  const { port, url } = await proxyTo(upstream.url, { waitMs: 10_000 })
  const wire = await wireTo(port)
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: long\r\nContent-Length: 0\r\n\r\n')
  await until(() => wire.received().includes('xxx'))
  wire.socket.destroy()
  more.open()
  const retry = await ask(url, {
    method: 'POST',
    headers: { host: 'a', 'idempotency-key': 'long', 'content-length': '0' },
  })
  expect([retry.status, retry.body.length, retry.body.slice(-4)]).toEqual([200, 64 * 65_536 + 3, 'xend'])
  expect(upstream.count).toBe(1)
})

test('a response longer than --max-stored is delivered once and never runs again', async () => {
  const upstream = await upstreamOf((_req, res) => res.end('x'.repeat(5000)))
  const proxy = await proxyTo(upstream.url, { maxStoredBytes: 1024 })
  expect((await post(proxy.url, 'large')).body).toHaveLength(5000)
  expect(codeOf(await post(proxy.url, 'large'))).toBe('response_not_stored')
  expect(upstream.count).toBe(1)
})

test('a store that is down refuses, and nothing runs', async () => {
  const store: IdempotencyStore = {
    ...memoryStore(),
    begin: async () => {
      throw new RetrysafeError('store_unavailable', 'down')
    },
  }
  const upstream = await upstreamOf((_req, res) => res.end())
  const proxy = await proxyTo(upstream.url, { on: store })
  const answer = await post(proxy.url, 'down')
  expect([answer.status, codeOf(answer), 'retry-after' in answer.headers]).toEqual([503, 'store_unavailable', true])
  expect(upstream.count).toBe(0)
  expect((await ask(proxy.url)).status).toBe(200)
})

test('--require-key refuses a POST without a key; other methods pass', async () => {
  const upstream = await upstreamOf((_req, res) => res.end())
  const proxy = await proxyTo(upstream.url, { requireKey: true })
  expect((await ask(proxy.url, { method: 'POST' })).status).toBe(400)
  expect((await ask(proxy.url, { method: 'PUT' })).status).toBe(200)
  expect(upstream.count).toBe(1)
})

test('the same key of two bearers is two keys, and without a credential it is nobody’s', async () => {
  const upstream = await upstreamOf((req, res) => res.end(`of ${req.headers.authorization}`))
  const proxy = await proxyTo(upstream.url, { allowAnonymous: false })
  const of = (token: string) => post(proxy.url, 'same', '{}', { authorization: `Bearer ${token}` })
  expect((await of('alice')).body).toBe('of Bearer alice')
  expect((await of('bob')).body).toBe('of Bearer bob')
  expect(await of('alice')).toMatchObject({ body: 'of Bearer alice', headers: { 'idempotent-replayed': 'true' } })
  expect(codeOf(await post(proxy.url, 'same', '{}'))).toBe('scope_required')
  expect(codeOf(await post(proxy.url, 'same', '{}', { authorization: 'Digest username="a"' }))).toBe('scope_required')
  expect(upstream.count).toBe(2)
})

test('--scope-header and --scope-cookie add to the credentials and never replace them', async () => {
  const upstream = await upstreamOf((_req, res) => res.end(String(upstream.count)))
  const proxy = await proxyTo(upstream.url, {
    allowAnonymous: false,
    scopeHeaders: ['x-tenant'],
    scopeCookie: 'session',
  })
  const bodies: string[] = []
  for (const headers of [
    { authorization: 'Bearer a', 'x-tenant': '1' },
    { authorization: 'Bearer a', 'x-tenant': '2' },
    { authorization: 'Bearer a' },
    { authorization: 'Bearer b', 'x-tenant': '1' },
    { cookie: 'x=1; session=s1', 'x-tenant': '1' },
    { cookie: 'session=s2', 'x-tenant': '1' },
    { cookie: 'session=s1; x=2', 'x-tenant': '1' },
  ])
    bodies.push((await post(proxy.url, 'same', '{}', headers as unknown as Record<string, string>)).body)
  expect(bodies).toEqual(['1', '2', '3', '4', '5', '6', '5'])
  expect(codeOf(await post(proxy.url, 'same', '{}', { 'x-tenant': '1' }))).toBe('scope_required')
  expect(codeOf(await post(proxy.url, 'same', '{}', { cookie: 'other=1' }))).toBe('scope_required')
})

test('--identity-header alone is the scope; missing or doubled it is refused', async () => {
  const upstream = await upstreamOf((_req, res) => res.end(String(upstream.count)))
  const proxy = await proxyTo(upstream.url, { allowAnonymous: false, identityHeader: 'x-user' })
  const of = (headers: Record<string, string | string[]>) =>
    ask(proxy.url, { method: 'POST', headers: { 'idempotency-key': 'same', ...headers } })
  expect((await of({ 'x-user': 'a', authorization: 'Bearer 1' })).body).toBe('1')
  expect((await of({ 'x-user': 'a', authorization: 'Bearer refreshed' })).body).toBe('1')
  expect((await of({ 'x-user': 'b' })).body).toBe('2')
  expect((await of({ 'x-user': `long ${'x'.repeat(300)}` })).body).toBe('3')
  expect((await of({ 'x-user': `long ${'x'.repeat(301)}` })).body).toBe('4')
  for (const headers of [{ authorization: 'Bearer 1' }, { 'x-user': ' ' }, { 'x-user': ['a', 'b'] }])
    expect(codeOf(await of(headers as Record<string, string | string[]>))).toBe('scope_required')
})

test('each request with a key is one line that says what became of it, and no line holds a secret', async () => {
  const upstream = await upstreamOf(async (req, res) => {
    if ((await readBody(req)).includes('cut')) req.socket.destroy()
    else res.writeHead(201).end('secret-response')
  })
  const proxy = await proxyTo(upstream.url, { allowAnonymous: false })
  const secret = { authorization: 'Bearer secret-token' }
  await post(`${proxy.url}/pay?card=secret-query`, 'line', '{"card":"secret-body"}', secret)
  await post(`${proxy.url}/pay?card=secret-query`, 'line', '{"card":"secret-body"}', secret)
  await post(`${proxy.url}/pay`, 'line', '{}', secret)
  await post(`${proxy.url}/pay`, 'cut', '"cut secret-body"', secret)
  await post(`${proxy.url}/pay`, 'a,b', '{}', secret)
  await ask(`${proxy.url}/pay`)
  await until(() => proxy.lines.length === 5)
  const about = { method: 'POST', path: '/pay', key: 'line', durationMs: expect.any(Number) }
  expect(proxy.lines).toEqual([
    { outcome: 'ran', attempt: 1, status: 201, ...about },
    { outcome: 'replayed', status: 201, ...about },
    { outcome: 'refused', code: 'mismatch', status: 422, ...about },
    { outcome: 'ran', attempt: 1, status: 502, ...about, key: 'cut' },
    { outcome: 'refused', code: 'invalid_key', status: 400, ...about, key: 'a,b' },
  ])
  expect(JSON.stringify([proxy.lines, proxy.said])).not.toContain('secret')
})

test('a refusal can be read by the pages that --cors-origin names, and by no others', async () => {
  const upstream = await upstreamOf((_req, res) => res.end())
  const proxy = await proxyTo(upstream.url, { corsOrigins: ['https://shop.example'] })
  const refused = (origin: string) => post(proxy.url, 'a,b', '{}', { origin })
  expect((await refused('https://shop.example')).headers).toMatchObject({
    'access-control-allow-origin': 'https://shop.example',
  })
  expect((await refused('https://evil.example')).headers).not.toHaveProperty('access-control-allow-origin')
})
