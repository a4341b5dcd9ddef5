/* The proxy on a server that is killed and comes back. */
import { expect, test } from 'vitest'
import { missing, type Server, startMariadb, startPostgres, startRedis } from '../../../tools/engines/src/index.js'
import { afterwards, ask, codeOf, post, proxyProgram, until, upstreamOf } from './bench.js'
import { runHere } from './command-line.js'

const kinds: readonly (readonly [engine: 'postgres' | 'redis' | 'mysql', start: () => Promise<Server>])[] = [
  ['postgres', () => startPostgres()],
  ['redis', () => startRedis()],
  ['mysql', () => startMariadb()],
]

test.for(kinds)(
  'while %s is down nothing runs and everybody is told to come back; then all goes on by itself',
  {
    timeout: 180_000,
  },
  async ([engine, start], context) => {
    const reason = await missing(engine)
    if (reason !== undefined) return context.skip(reason)
    const server = await start()
    afterwards(() => server.stop())
    expect((await runHere(['migrate', server.url])).code).toBe(0)
    const upstream = await upstreamOf((_req, res) => res.end(`run ${upstream.count}`))
    const args = [
      '--upstream',
      upstream.url,
      '--store',
      server.url,
      '--admin-port',
      '0',
      '--purge-every',
      '200ms',
      '--lease',
      '2s',
    ]
    const proxy = await proxyProgram(args)
    const { adminPort } = JSON.parse(proxy.out().split('\n')[0] ?? '') as { adminPort: number }
    const ready = () => ask(`http://127.0.0.1:${adminPort}/-/readyz`)
    expect(await ready()).toMatchObject({ status: 200, body: 'ready\n' })
    const first = await post(proxy.url, 'before')
    expect(first).toMatchObject({ status: 200, body: 'run 1' })

    await server.kill()
    const refused = await post(proxy.url, 'during')
    expect(refused.status).toBe(503)
    expect(codeOf(refused)).toBe('store_unavailable')
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await post(proxy.url, 'before')).status).toBe(503)
    // It says so at once: nothing waits in a client's queue, to be sent when nobody waits for it any more.
    expect(await ready()).toMatchObject({
      status: 503,
      body: expect.stringContaining('the store is not ready: '),
    })
    expect((await ask(`http://127.0.0.1:${adminPort}/-/healthz`)).status).toBe(200)
    // A request without a key does not need the store.
    expect((await ask(proxy.url)).status).toBe(200)
    const ran = upstream.count
    expect((await post(proxy.url, 'during')).status).toBe(503)
    expect(upstream.count).toBe(ran)

    await server.start()
    await until(ready, ({ status }) => status === 200)
    const again = await until(
      () => post(proxy.url, 'during'),
      ({ status }) => status !== 503,
    )
    expect(again).toMatchObject({ status: 200, body: `run ${ran + 1}` })
    expect(await post(proxy.url, 'before')).toMatchObject({
      body: first.body,
      headers: { 'idempotent-replayed': 'true' },
    })
    proxy.child.kill('SIGTERM')
    expect((await proxy.exited).code).toBe(0)
    expect(proxy.err()).not.toMatch(/Unhandled|^ {4}at /m)
  },
)
