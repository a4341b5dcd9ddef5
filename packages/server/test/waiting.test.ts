/* Duplicates that wait at another proxy: the store tells them, and nobody has to ask again. */
import { type Clock, type IdempotencyStore, systemClock, type Wakeable } from 'retrysafe'
import { expect, test } from 'vitest'
import { connectStore, isMigratable, openStore } from '../src/stores/open-store.js'
import { storeUrl } from '../src/stores/store-url.js'
import { afterwards, gate, post, proxyTo, sleep, until, upstreamOf } from './bench.js'
import { type Engine, placeOn } from './store-places.js'

/**
 * Under this clock whoever waits would ask the store again at the end of time; what is done in the background goes on.
 * The proxy that has it is stopped by the machine's own.
 */
function unaskingClock(): Clock & { run(): void } {
  let runs = false
  return {
    ...systemClock,
    sleep: (ms, signal, background) =>
      runs || background === true
        ? systemClock.sleep(ms, signal, background)
        : new Promise((resolve) => {
            if (signal?.aborted) resolve()
            signal?.addEventListener('abort', () => resolve(), { once: true })
          }),
    run() {
      runs = true
    },
  }
}

/** The store with a note of who waits. A subscriber that is still being connected is asked again here. */
function watched(store: IdempotencyStore & Wakeable, onWait: () => void): IdempotencyStore {
  async function wake(key: string, signal: AbortSignal): Promise<void> {
    onWait()
    while (!signal.aborted)
      try {
        return await store.wake(key, signal)
      } catch {
        await sleep(20)
      }
  }
  return { ...store, wake } as IdempotencyStore
}

test.for<[engine: Engine, parameter: string]>([
  ['postgres', '&listen=true'],
  ['redis', ''],
])(
  'on %s%s a duplicate that waits at another proxy has its answer without asking for it',
  async ([engine, parameter], context) => {
    const place = await placeOn(engine, context)
    const url = storeUrl(`${place.url}${parameter}`, '--store')
    const owner = await connectStore(url)
    if (isMigratable(owner)) await owner.migrate()
    await owner.close()
    const waits = gate()
    const answer = gate()
    const open = async (): Promise<IdempotencyStore> => {
      const store = await openStore(url, { ready: true })
      afterwards(() => store.close())
      expect(store).toHaveProperty('wake')
      return watched(store as IdempotencyStore & Wakeable, waits.open)
    }
    const clock = unaskingClock()
    const upstream = await upstreamOf(async (_req, res) => {
      await answer.passed
      res.end('done')
    })
    const runs = await proxyTo(upstream.url, { on: await open() })
    const waiting = await proxyTo(upstream.url, { on: await open(), waitMs: 600_000, clock })
    afterwards(clock.run)
    const host = { host: 'shop.example' }
    const first = post(runs.url, 'charge-42', '{}', host)
    await until(() => upstream.count === 1)
    const second = post(waiting.url, 'charge-42', '{}', host)
    await waits.passed
    answer.open()
    expect(await first).toMatchObject({ status: 200, body: 'done' })
    expect(await second).toMatchObject({ status: 200, body: 'done', headers: { 'idempotent-replayed': 'true' } })
    expect(upstream.count).toBe(1)
  },
)
