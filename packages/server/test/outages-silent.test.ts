/* The proxy on a server that falls silent: its connections stay open, and nothing comes back on them. */
import { expect, type TestContext, test } from 'vitest'
import { type FaultProxy, missing, startFaultProxy } from '../../../tools/engines/src/index.js'
import { afterwards, codeOf, type ProxyProgram, post, proxyProgram, type Upstream, upstreamOf } from './bench.js'
import { runHere } from './command-line.js'
import { anyAws, type Engine, placeOn } from './store-places.js'

const engines: readonly Engine[] = ['postgres', 'mysql', 'redis', 'dynamodb']

interface Scene {
  readonly faults: FaultProxy
  readonly upstream: Upstream
  readonly proxy: ProxyProgram
  /** Several keys at once, so that several connections are made. */
  all(round: string): ReturnType<typeof Promise.all<ReturnType<typeof post>[]>>
}

async function sceneOn(engine: Engine, context: TestContext): Promise<Scene> {
  const place = await placeOn(engine, context)
  const { host } = new URL(place.url.replace(/^dynamodb:.*endpoint=/, ''))
  const faults = await startFaultProxy(`tcp://${host}`)
  afterwards(() => faults.stop())
  const url = place.url.replace(host, `127.0.0.1:${faults.port}`)
  expect(await runHere(['migrate', url])).toMatchObject({ code: 0 })
  const upstream = await upstreamOf((_req, res) => res.end('done'))
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', url, '--drain', '1s'], anyAws)
  const all = (round: string) => Promise.all(Array.from({ length: 40 }, (_, n) => post(proxy.url, `${round}-${n}`)))
  for (const { status } of await all('before')) expect(status).toBe(200)
  return { faults, upstream, proxy, all }
}

test('while a store is silent everybody is told to come back, however many ask, and the proxy ends when it is told to', {
  timeout: 120_000,
}, async (context) => {
  Object.assign(process.env, anyAws)
  const reasons = await Promise.all(engines.map(missing))
  const present = engines.filter((_, index) => reasons[index] === undefined)
  // Side by side, for each of them waits for its time to be over.
  const scenes = await Promise.all(present.map((engine) => sceneOn(engine, context)))
  const ended = scenes.map(async ({ faults, upstream, proxy, all }) => {
    faults.stall()
    for (const answer of await all('during'))
      expect([answer.status, codeOf(answer)]).toEqual([503, 'store_unavailable'])
    expect(upstream.count).toBe(40)
    proxy.child.kill('SIGTERM')
    expect(await proxy.exited).toMatchObject({ signal: null })
  })
  await Promise.all(ended)
  const reason = reasons.find((one) => one !== undefined)
  if (reason !== undefined) context.skip(`the others held: ${reason}`)
})

test.for(engines)(
  'a proxy that idles while %s falls silent ends when it is told to',
  {
    timeout: 60_000,
  },
  async (engine, context) => {
    Object.assign(process.env, anyAws)
    const { faults, proxy } = await sceneOn(engine, context)
    faults.stall()
    proxy.child.kill('SIGTERM')
    expect(await proxy.exited).toEqual({ code: 0, signal: null })
  },
)
