import { afterAll, describe, expect, test } from 'vitest'
import { isRetrysafeError } from '../../../src/contract/index.js'
import { type Bench, freshPlace, type Handle, type NetworkStore, type Place } from './bench.js'
import { childrenOf } from './children.js'
import { ending, patience } from './patience.js'
import { placesOf } from './places.js'

/** An engine of the test's own. */
export interface PrivateEngine {
  readonly url: string
  /** Ends it by SIGKILL, with all its processes. */
  kill(): Promise<unknown>
  /** Starts it again on the same data and port. */
  start(): Promise<unknown>
  /** Ends it and removes its data. */
  stop(): Promise<unknown>
}

/** How an engine is set, and what of that which was acknowledged is gone when it is killed. */
export interface Durability {
  readonly name: string
  /** At most what was acknowledged in so many milliseconds before; or all of it, which is shown too. */
  readonly loses: 'nothing' | 'everything' | { readonly lastMs: number }
  start(): Promise<PrivateEngine>
}

/** What was acknowledged, and when. */
export interface Acknowledged {
  readonly key: string
  readonly what: 'claimed' | 'completed'
  readonly at: number
}

/** A load on a store that goes on until it is told to end. */
interface Load {
  readonly acknowledged: readonly Acknowledged[]
  /** Resolves once so many were acknowledged. */
  until(count: number): Promise<void>
  /** Begins nothing new, and gives what the calls that failed failed with. */
  end(): Promise<readonly unknown[]>
}

/** Workers that are killed once they have said so many lines; and engines that are, as each of these durabilities. */
export function crashSuite(bench: Bench, durabilities: readonly Durability[] = [], saidFirst = 600): void {
  const places = placesOf(bench)
  const children = childrenOf(bench)

  describe(`crashes on ${bench.name}`, patience, () => {
    test('workers killed in mid-load lose nothing acknowledged, and what they held is taken over', async (context) => {
      const place = await places.make(context)
      const { store, age } = await places.open(place)
      const workers = await Promise.all(['one', 'two'].map((name) => children.start('load', place, name)))
      for (const worker of workers) worker.tell('begin')
      for (const worker of workers) {
        await worker.until(() => worker.lines.length >= saidFirst)
        worker.signal('SIGKILL')
      }
      await Promise.all(workers.map(({ ended }) => ended))
      const lines = workers.flatMap(({ lines }) => lines)
      const saidOf = (word: string) =>
        lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length))
      const completed = saidOf('completed ')
      expect(completed.length).toBeGreaterThan(saidFirst / 3)
      for (const key of completed)
        expect(await store.get(key)).toMatchObject({ status: 'completed', response: { key }, attempt: 1 })
      const held = saidOf('claimed ').filter((key) => !completed.includes(key))
      expect(held.length).toBeGreaterThan(0)
      let taken = 0
      for (const key of held) {
        const record = await store.get(key)
        // A completion on its way may have arrived; a claim that was acknowledged may not be gone.
        if (record?.status === 'completed') continue
        expect(await store.begin(key), key).toMatchObject({ status: 'in_progress', attempt: 1 })
        await age(key, 61_000)
        expect(await store.begin(key, { token: 'successor' }), key).toMatchObject({ status: 'new', attempt: 2 })
        await store.complete(key, 'of the successor', { token: 'successor' })
        taken++
      }
      expect(taken).toBeGreaterThan(0)
    })

    for (const durability of durabilities) engineTest(bench, durability)
  })
}

function engineTest(bench: Bench, { name, loses, start }: Durability): void {
  const engines: PrivateEngine[] = []
  const handles: Handle[] = []
  afterAll(async () => {
    for (const handle of handles) await handle.close()
    for (const engine of engines) await engine.stop()
  })
  const promise =
    loses === 'nothing'
      ? 'nothing acknowledged is lost'
      : loses === 'everything'
        ? 'everything is lost'
        : `at most the last ${loses.lastMs} ms of what was acknowledged are lost`

  test(`the engine is killed in mid-load, ${name}: ${promise}`, async (context) => {
    const reason = await bench.missing()
    if (reason !== undefined) context.skip(reason)
    const engine = await start()
    engines.push(engine)
    const place = freshPlace(engine.url)
    await bench.prepare(place)
    const handle = await bench.open(place)
    handles.push(handle)
    const load = startLoad(handle.store)
    await load.until(600)
    const killedAt = performance.now()
    await engine.kill()
    const failures = load.end()
    await engine.start()
    // A completion that is sent again to an engine without its data finds no claim.
    const allowed = loses === 'nothing' ? ['store_unavailable'] : ['store_unavailable', 'lease_lost']
    for (const failure of await ending('the load', failures))
      expect(allowed).toContain((failure as { code?: string }).code ?? failure)
    // Without its data the engine has no table any more.
    if (loses === 'everything') await bench.prepare(place)
    const before = load.acknowledged.filter(({ at }) => at < killedAt)
    const lost = await lostOf(bench, place, before)
    console.log(`${bench.name}, ${name}: ${lost.length} of ${before.length} acknowledged writes lost`)
    if (loses === 'nothing') expect(lost).toEqual([])
    else if (loses === 'everything') expect(lost.length).toBe(before.length)
    else expect(lost.filter(({ at }) => at < killedAt - loses.lastMs)).toEqual([])
    // The same store, on the same connections, goes on.
    expect(await insisting(() => handle.store.begin('afterwards', { token: 'mine' }))).toMatchObject({ status: 'new' })
  })
}

/** Sixteen callers that claim and complete; of each fourth key only the claim. */
export function startLoad(store: NetworkStore): Load {
  const acknowledged: Acknowledged[] = []
  const failures: unknown[] = []
  const waiting = new Set<() => void>()
  let ended = false
  const acknowledge = (key: string, what: Acknowledged['what']): void => {
    acknowledged.push({ key, what, at: performance.now() })
    for (const look of waiting) look()
  }
  const caller = async (number: number): Promise<void> => {
    for (let turn = 0; !ended; turn++) {
      const key = `load-${number}-${turn}`
      const outcome = await store.begin(key, { token: 'owner', leaseMs: 3_600_000 })
      if (outcome.status !== 'new') throw new Error(`${key} is ${outcome.status}`)
      acknowledge(key, 'claimed')
      if (turn % 4 === 3) continue
      await store.complete(key, { key }, { token: 'owner' })
      acknowledge(key, 'completed')
    }
  }
  const callers = Array.from({ length: 16 }, (_, number) =>
    caller(number).catch((error: unknown) => {
      failures.push(error)
      // Nobody waits for what cannot come any more.
      for (const look of waiting) look()
    }),
  )
  return {
    acknowledged,
    until: (count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (failures.length > 0) reject(failures[0])
          else if (acknowledged.length >= count) resolve()
          else return
          waiting.delete(look)
        }
        waiting.add(look)
        look()
      }),
    end: async () => {
      ended = true
      await Promise.all(callers)
      return failures
    },
  }
}

/** What was acknowledged and is not there, by a handle that is opened for it. A wrong record fails at once. */
export async function lostOf(
  bench: Pick<Bench, 'open'>,
  place: Place,
  acknowledged: readonly Acknowledged[],
): Promise<readonly Acknowledged[]> {
  const { store, close } = await insisting(() => bench.open(place))
  const lost: Acknowledged[] = []
  try {
    for (const one of acknowledged) {
      const record = await insisting(() => store.get(one.key))
      if (record !== undefined) expect(record.attempt, one.key).toBe(1)
      if (record?.status === 'completed') expect(record.response, one.key).toEqual({ key: one.key })
      if (record === undefined || (one.what === 'completed' && record.status !== 'completed')) lost.push(one)
    }
    // What is there is not given away again; what is lost is, which is what its loss means.
    for (const one of [...lost.slice(0, 20), ...acknowledged.filter((each) => !lost.includes(each)).slice(-20)]) {
      const outcome = await insisting(() => store.begin(one.key))
      if (!lost.includes(one)) expect(outcome.status, one.key).not.toBe('new')
    }
  } finally {
    await close()
  }
  return lost
}

/** Tries again while the engine is not there yet, as a caller would. */
export async function insisting<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (tries === 200 || (isRetrysafeError(error) && !isRetrysafeError(error, 'store_unavailable'))) throw error
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}
