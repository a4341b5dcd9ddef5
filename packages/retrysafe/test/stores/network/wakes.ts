import { describe, expect, type TestContext, test } from 'vitest'
import type { Wakeable } from '../../../src/contract/index.js'
import { isWakeable } from '../../../src/testkit/store-case.js'
import type { Bench, Handle, NetworkStore, Place } from './bench.js'
import { childrenOf } from './children.js'
import { patience } from './patience.js'
import { placesOf } from './places.js'

interface Scene {
  readonly place: Place
  readonly owner: NetworkStore
  /** Another handle, which listens. */
  readonly waiter: Handle & { readonly store: Wakeable }
}

/**
 * Pushes, by nothing but them: `wake` polls nothing here, and the clock of the duplicate that waits in a process of its
 * own stands still. Where a push is missing the test ends by its time limit.
 */
export function wakeSuite(bench: Bench): void {
  const places = placesOf(bench)
  const children = childrenOf(bench)

  async function sceneOf(context: TestContext): Promise<Scene> {
    const place = await places.make(context)
    // Some stores tell others only where they could be told themselves.
    const { store } = await places.open(place, { push: true })
    const waiter = await places.open(place, { push: true })
    if (!isWakeable(waiter.store)) return context.skip(`the store on ${bench.name} does not push`)
    return { place, owner: store, waiter: { ...waiter, store: waiter.store } }
  }

  describe(`pushes on ${bench.name}`, patience, () => {
    for (const how of ['complete', 'release'] as const)
      test(`${how} in one handle wakes all who wait in another, also who came just before`, async (context) => {
        const { owner, waiter } = await sceneOf(context)
        const { signal } = new AbortController()
        for (let round = 1; round <= 20; round++) {
          const keys = Array.from({ length: 5 }, (_, index) => `round-${round}-${index}`)
          await Promise.all(keys.map((key) => owner.begin(key, { token: 'mine' })))
          const waits = keys.flatMap((key) => [waiter.store.wake(key, signal), waiter.store.wake(key, signal)])
          await Promise.all(
            keys.map((key) =>
              how === 'complete' ? owner.complete(key, 1, { token: 'mine' }) : owner.release(key, 'mine'),
            ),
          )
          expect(await Promise.all(waits)).toEqual(waits.map(() => undefined))
        }
      })

    test('a duplicate in another process that never polls gets the response by a push', async (context) => {
      const { place, owner } = await sceneOf(context)
      await owner.begin('key', { token: 'owner', leaseMs: 3_600_000 })
      const child = await children.start('wait', place, 'key')
      child.tell('begin')
      await child.until((line) => line === 'waiting')
      await owner.complete('key', 'of the owner', { token: 'owner' })
      await child.ended
      expect(child.lines.filter((line) => line !== 'waiting')).toEqual(['replayed of the owner'])
    })

    test('waits that are aborted end, and the store closes', async (context) => {
      const { waiter } = await sceneOf(context)
      const over = new AbortController()
      const waits = Array.from({ length: 10 }, (_, index) => waiter.store.wake(`key-${index}`, over.signal))
      over.abort()
      expect(await Promise.all(waits)).toHaveLength(10)
      await waiter.store.close()
    })
  })
}
