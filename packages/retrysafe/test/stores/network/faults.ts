import { type FaultProxy, startFaultProxy } from '@retrysafe/engines'
import { afterAll, describe, expect, type TestContext, test } from 'vitest'
import { isRetrysafeError } from '../../../src/contract/index.js'
import type { Bench, NetworkStore } from './bench.js'
import { insisting } from './crashes.js'
import { ending, patience } from './patience.js'
import { placesOf } from './places.js'
import {
  type Ask,
  beginAsk,
  completeAsk,
  createWorlds,
  freeAsk,
  getAsk,
  releaseAsk,
  renewAsk,
  type Worlds,
} from './worlds.js'

export interface FaultOptions {
  /** The client sends a call again by itself whose connection was cut. */
  readonly repeats?: boolean
  /** How many keys each of six callers uses. Default 8. */
  readonly keys?: number
  /** Of the random load. Default: another one each time, printed with a failure. */
  readonly seed?: number
}

interface Scene {
  readonly proxy: FaultProxy
  /** Through the proxy. */
  readonly store: NetworkStore
  /** Beside the proxy: it sees the truth. */
  readonly direct: NetworkStore
}

const tokens = ['one', 'two', 'three']

/** Connections that are cut anywhere: the answer is the right one or `store_unavailable`, never a wrong one. */
export function faultSuite(bench: Bench, options: FaultOptions = {}): void {
  const places = placesOf(bench)

  const proxies: FaultProxy[] = []
  afterAll(async () => {
    for (const proxy of proxies) await proxy.stop()
  })

  async function scene(context: TestContext): Promise<Scene> {
    const place = await places.make(context)
    const proxy = await startFaultProxy(place.url)
    proxies.push(proxy)
    const { store } = await places.open({ ...place, url: proxy.through(place.url) })
    const direct = await places.open(place)
    // Connections are open before anything is cut.
    await store.get('nothing')
    return { proxy, store, direct: direct.store }
  }

  describe(`cut connections on ${bench.name}`, patience, () => {
    for (const from of ['client', 'server'] as const) {
      const what = from === 'client' ? 'that never arrived' : 'whose answer was lost'
      const cut = (key: string) => (from === 'client' ? { from, containing: key } : { from, after: key })

      test(`a begin ${what}, repeated with its token, is the same claim`, async (context) => {
        const { proxy, store, direct } = await scene(context)
        const cutting = proxy.cutOnNext(cut('the-key'))
        const first = await codeOf(store.begin('the-key', { token: 'mine' }))
        await cutting
        if (!options.repeats) expect(first).toBe('store_unavailable')
        expect(await insisting(() => store.begin('the-key', { token: 'mine' }))).toMatchObject({
          status: 'new',
          token: 'mine',
          attempt: 1,
        })
        expect(await direct.begin('the-key')).toMatchObject({ status: 'in_progress', attempt: 1 })
      })

      test(`a completion ${what}, repeated, is done and replays its response`, async (context) => {
        const { proxy, store, direct } = await scene(context)
        await store.begin('the-key', { token: 'mine' })
        const cutting = proxy.cutOnNext(cut('the-key'))
        const first = await codeOf(store.complete('the-key', 'right', { token: 'mine' }))
        await cutting
        if (!options.repeats) expect(first).toBe('store_unavailable')
        const seen = await direct.begin('the-key')
        // Where the call is not sent again, the cut alone decides whether it took effect.
        if (!options.repeats && from === 'client') expect(seen.status).toBe('in_progress')
        await insisting(() => store.complete('the-key', 'right', { token: 'mine' }))
        expect(await direct.begin('the-key')).toMatchObject({ status: 'completed', response: 'right' })
      })
    }

    test('while no connection can be had every call is store_unavailable, and then the store goes on', async (context) => {
      const { proxy, store } = await scene(context)
      await store.begin('the-key', { token: 'mine' })
      proxy.refuse()
      proxy.cutAll()
      const calls = {
        begin: store.begin('another'),
        complete: store.complete('the-key', 1, { token: 'mine' }),
        renew: store.renew('the-key', 'mine'),
        get: store.get('the-key'),
        list: store.list(),
      }
      const codes = await Promise.all(Object.entries(calls).map(([what, call]) => ending(what, codeOf(call))))
      proxy.accept()
      expect(codes).toEqual(codes.map(() => 'store_unavailable'))
      await insisting(() => store.complete('the-key', 1, { token: 'mine' }))
      expect(await insisting(() => store.begin('the-key'))).toMatchObject({ status: 'completed', response: 1 })
    })

    test('in a random load under cuts and stalls no answer is wrong', async (context) => {
      const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31)
      const { proxy, store, direct } = await scene(context)
      const journal: string[] = []
      const load = {
        store,
        direct,
        journal,
        repeats: options.repeats ?? false,
        keys: options.keys ?? 8,
        unanswered: 0,
      }
      const over = { now: false }
      const cuts = cutting(proxy, randomOf(seed), over)
      try {
        await Promise.all(
          Array.from({ length: 6 }, (_, caller) => runCaller(load, `caller-${caller}`, randomOf(seed + 1 + caller))),
        )
      } catch (error) {
        throw new Error(`seed ${seed}:\n${journal.join('\n')}`, { cause: error })
      } finally {
        over.now = true
      }
      const count = await cuts
      console.log(`${bench.name}: ${count} cuts, ${load.unanswered} of ${journal.length} calls unanswered`)
      expect(count).toBeGreaterThan(0)
      // A client that sends its calls again may get every answer in the end.
      if (!load.repeats) expect(load.unanswered).toBeGreaterThan(0)
    })
  })
}

interface RandomLoad {
  readonly store: NetworkStore
  readonly direct: NetworkStore
  readonly journal: string[]
  readonly repeats: boolean
  readonly keys: number
  unanswered: number
}

/** One call after the other, a few on each of several keys; now and then one from elsewhere, which is never cut. */
async function runCaller(load: RandomLoad, name: string, random: () => number): Promise<void> {
  for (let number = 1; number <= load.keys; number++) {
    const key = `${name}-${number}`
    const worlds = createWorlds(load.repeats)
    for (let turn = 1; turn <= 14; turn++) {
      const elsewhere = random() < 0.2
      await follow(load, worlds, key, askOf(key, turn, random), elsewhere ? load.direct : load.store)
    }
    // What the key holds in the end is what one of the possible worlds says.
    await follow(load, worlds, key, getAsk(key), load.direct)
    await follow(load, worlds, key, beginAsk(key, 'last'), load.direct)
  }
}

async function follow(load: RandomLoad, worlds: Worlds, key: string, ask: Ask, store: NetworkStore): Promise<void> {
  const seen = await ending(`${key} ${ask.what}`, ask.send(store)).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  )
  const code = 'error' in seen && isRetrysafeError(seen.error) ? seen.error.code : undefined
  const answer = 'error' in seen ? (code ?? String(seen.error)) : seen.answer
  load.journal.push(
    `${key} ${ask.what}${store === load.direct ? ' (direct)' : ''}: ${JSON.stringify(answer) ?? 'done'}`,
  )
  if (code === 'store_unavailable') {
    load.unanswered++
    worlds.unanswered(ask)
    return
  }
  const right = worlds.answers(ask)
  if (!worlds.answered(ask, answer))
    throw new Error(`${key}: ${ask.what} gave ${JSON.stringify(answer)}; right would be ${right.join(' or ')}`, {
      cause: 'error' in seen ? seen.error : undefined,
    })
}

function askOf(key: string, turn: number, random: () => number): Ask {
  const token = tokens[Math.floor(random() * tokens.length)] ?? 'one'
  const dice = random()
  if (dice < 0.45) return beginAsk(key, token)
  if (dice < 0.6) return renewAsk(key, token, turn, random() < 0.4)
  if (dice < 0.72) return releaseAsk(key, token)
  if (dice < 0.8) return freeAsk(key, 1 + Math.floor(random() * 3))
  if (dice < 0.9) return getAsk(key)
  return completeAsk(key, token)
}

/** One fault after the other until the load is over; gives how often connections were cut or refused. */
async function cutting(proxy: FaultProxy, random: () => number, over: { readonly now: boolean }): Promise<number> {
  let cuts = 0
  const count = (): void => {
    cuts++
  }
  // A cut that waits for traffic may wait for ever once the load is over, and ends with the proxy.
  const soon = (cut: Promise<unknown>): Promise<unknown> => Promise.race([cut.then(count, () => undefined), pause(100)])
  while (!over.now) {
    const from = random() < 0.5 ? 'client' : 'server'
    const dice = random()
    if (dice < 0.5) await soon(proxy.cutOnNext({ from }))
    else if (dice < 0.8) await soon(proxy.cutAfterBytes({ from, bytes: 1 + Math.floor(random() * 400) }))
    else if (dice < 0.95) {
      proxy.stall()
      await pause(20)
      if (random() < 0.5) {
        proxy.cutAll()
        count()
      }
      proxy.resume()
    } else {
      proxy.refuse()
      proxy.cutAll()
      count()
      await pause(20)
      proxy.accept()
    }
    await pause(15 + 30 * random())
  }
  return cuts
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'answered',
    (error: { code?: string }) => error.code ?? error,
  )
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
