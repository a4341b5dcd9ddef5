/* What the proxy says of a request or a store when not all goes well. */
import { type IdempotencyStore, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { type Fault, faultyStore } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { codeOf, gate, post, proxyTo, until, upstreamOf, wireTo } from './bench.js'

const keyed = (key: string): string =>
  `POST /pay HTTP/1.1\r\nHost: a\r\nIdempotency-Key: ${key}\r\nContent-Length: 0\r\n\r\n`

test('a client that leaves before its claim has left, and work that runs all the same is told too', async () => {
  const claimed = gate()
  const memory = memoryStore()
  let asked = 0
  const store: IdempotencyStore = {
    ...memory,
    begin: async (...args) => {
      asked++
      await claimed.passed
      return memory.begin(...args)
    },
  }
  const upstream = await upstreamOf((_req, res) => res.writeHead(201).end())
  const proxy = await proxyTo(upstream.url, { on: store })
  const wire = await wireTo(proxy.port)
  wire.send(keyed('left'))
  await until(() => asked === 1)
  wire.socket.destroy()
  await until(() => proxy.lines.length === 1)
  claimed.open()
  await until(() => proxy.lines.length === 2)
  const about = { method: 'POST', path: '/pay', key: 'left', durationMs: expect.any(Number) }
  expect(proxy.lines).toEqual([
    { outcome: 'left', ...about },
    { outcome: 'ran', attempt: 1, status: 201, ...about },
  ])
})

const down = new RetrysafeError('store_unavailable', 'nobody is there')

test.each<['rerun' | 'uncertain', string, string, Fault]>([
  ['rerun', 'runs again', 'nobody is there', { kind: 'fail', error: down }],
  ['rerun', 'runs again', 'store_unavailable', { kind: 'hang' }],
  ['uncertain', 'gets 409 until somebody settles the key', 'nobody is there', { kind: 'fail', error: down }],
])(
  'under %s, while a response is not stored, a retry after the lease %s: %s',
  async (afterCrash, fate, reason, fault) => {
    const store = faultyStore(memoryStore(), [{ method: 'complete', fault }])
    const upstream = await upstreamOf((_req, res) => res.end('done'))
    const proxy = await proxyTo(upstream.url, { on: store, leaseMs: 200, afterCrash })
    expect((await post(proxy.url, 'pending')).body).toBe('done')
    const said = await until(() => proxy.said.find((line) => line.includes('the response is not stored')))
    expect(said).toContain(fate)
    expect(said).toContain(reason)
  },
)

test('a store that takes nothing is told with its reason, once for all that it refuses at once', async () => {
  const store = faultyStore(memoryStore(), [{ method: 'begin', fault: { kind: 'fail', error: down } }])
  const upstream = await upstreamOf((_req, res) => res.end())
  const proxy = await proxyTo(upstream.url, { on: store })
  const answers = await Promise.all([post(proxy.url, 'a'), post(proxy.url, 'b'), post(proxy.url, 'c')])
  expect(answers.map(codeOf)).toEqual(Array(3).fill('store_unavailable'))
  expect(proxy.said).toEqual([expect.stringContaining('nobody is there')])
})

test('a key that could not be given back is told with the reason', async () => {
  const store = faultyStore(memoryStore(), [{ method: 'release', fault: { kind: 'fail', error: down } }])
  const upstream = await upstreamOf((_req, res) => res.writeHead(500).end())
  const proxy = await proxyTo(upstream.url, { on: store })
  expect((await post(proxy.url, 'kept')).status).toBe(500)
  expect(proxy.said).toEqual([expect.stringContaining('nobody is there')])
})
