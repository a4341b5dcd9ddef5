import { once } from 'node:events'
import { type IdempotencyStore, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'
import { ask, codeOf, gate, post, proxyTo, readBody, sleep, until, upstreamOf, wireTo } from './bench.js'

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
