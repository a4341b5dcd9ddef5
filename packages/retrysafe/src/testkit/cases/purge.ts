/* Promise 9: what a purge deletes, in batches with a bound, and what it never touches. */
import { expectEqual, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const lost = 'A purge that takes too much lets work run twice.'
const full = 'A table that is never purged grows until it stands still.'

async function completeKey({ store, claim, keyOf }: Scene, name: string): Promise<string> {
  const key = keyOf(name)
  await claim({ token: name }, key)
  await store.complete(key, name, { token: name })
  return key
}

/** Purges until nothing is left to purge. Others may keep records in the same database. */
async function purgeAll({ store }: Scene, limit: number): Promise<void> {
  for (let round = 0; round < 10_000; round++) {
    const purged = await store.purge({ limit })
    expectThat(Number.isSafeInteger(purged) && purged >= 0 && purged <= limit, `purge takes up to ${limit}: ${purged}`)
    if (purged === 0) return
  }
}

async function stored({ opened }: Scene): Promise<number> {
  return (await opened.stored?.()) ?? Number.NaN
}

export const purgeCases: readonly StoreCase[] = [
  storeCase('purge never touches a live lease', lost, async (scene) => {
    const { store, begin, claim, passAlmost } = scene
    await claim({ token: 'mine' })
    await passAlmost(leaseMs)
    await purgeAll(scene, 1000)
    expectStatus(await begin(), 'in_progress', 'begin')
    await store.complete(scene.key, 'done', { token: 'mine' })
  }),

  storeCase('purge never touches a lapsed claim within its retention', lost, async (scene) => {
    const { store, key, claim, passAlmost } = scene
    await claim({ token: 'first', fingerprint: 'v1:a' })
    await store.renew(key, 'first', { checkpoint: 'step' })
    await passAlmost(leaseMs + retentionMs)
    await purgeAll(scene, 1000)
    const next = await claim({ fingerprint: 'v1:a' })
    expectEqual([next.attempt, next.checkpoint], [2, 'step'], 'attempt and checkpoint')
  }),

  storeCase('purge never touches an unexpired response', lost, async (scene) => {
    const key = await completeKey(scene, 'done')
    await scene.passAlmost(retentionMs, key)
    await purgeAll(scene, 1000)
    expectEqual(expectStatus(await scene.begin({}, key), 'completed', 'begin').response, 'done', 'response')
  }),

  storeCase('purge never touches a released checkpoint within its retention', lost, async (scene) => {
    const { store, key, claim, passAlmost } = scene
    await claim({ token: 'first' })
    await store.renew(key, 'first', { checkpoint: 'step' })
    await store.release(key, 'first')
    await passAlmost(retentionMs)
    await purgeAll(scene, 1000)
    expectEqual((await claim()).checkpoint, 'step', 'checkpoint')
  }),

  storeCase('purge never touches an uncertain key', lost, async (scene) => {
    await scene.claim({ token: 'first', afterCrash: 'uncertain', retentionMs: 1000 })
    await scene.pass(1000 * 86_400_000)
    await purgeAll(scene, 1000)
    expectEqual(await scene.begin(), { status: 'uncertain', attempt: 1 }, 'begin')
  }),

  storeCase('a key that was purged is as if it had never been', full, async (scene) => {
    const key = await completeKey(scene, 'done')
    await scene.pass(retentionMs, key)
    await purgeAll(scene, 1000)
    expectEqual(await scene.store.get(key), undefined, 'get')
    expectEqual((await scene.claim({ fingerprint: 'v1:b' }, key)).attempt, 1, 'attempt')
  }),

  storeCase(
    'purge deletes what is over, in batches with a bound',
    full,
    async (scene) => {
      for (let index = 0; index < 7; index++) {
        const key = await completeKey(scene, `over-${index}`)
        await scene.pass(retentionMs, key)
      }
      const live = await completeKey(scene, 'live')
      const before = await stored(scene)
      expectThat((await scene.store.purge({ limit: 3 })) <= 3, 'a purge deletes no more than its limit')
      expectThat((await stored(scene)) >= before - 3, 'a purge deletes no more than it says')
      await purgeAll(scene, 3)
      expectEqual(await stored(scene), 1, 'records that are left')
      expectStatus(await scene.begin({}, live), 'completed', 'begin of the key that is not over')
    },
    'countable',
  ),

  storeCase(
    'purge deletes claims and checkpoints that are over too',
    full,
    async (scene) => {
      const { store, keyOf, claim, pass } = scene
      const [abandoned, released, freed] = [keyOf('abandoned'), keyOf('released'), keyOf('freed')]
      await claim({ token: 'first' }, abandoned)
      await claim({ token: 'first' }, released)
      await store.renew(released, 'first', { checkpoint: 'step' })
      await store.release(released, 'first')
      await claim({ token: 'first', afterCrash: 'uncertain' }, freed)
      await store.release(freed, 'first')
      await pass(leaseMs + retentionMs, abandoned)
      await pass(retentionMs, released)
      await pass(retentionMs, freed)
      await purgeAll(scene, 1000)
      expectEqual(await stored(scene), 0, 'records that are left')
    },
    'countable',
  ),

  storeCase(
    'a purge at the end of the retention deletes, a moment before it does not',
    full,
    async (scene) => {
      const key = await completeKey(scene, 'edge')
      await scene.passAlmost(retentionMs, key)
      await purgeAll(scene, 1000)
      expectEqual(await stored(scene), 1, 'records just before the end')
      await scene.passRest(key)
      await purgeAll(scene, 1000)
      expectEqual(await stored(scene), 0, 'records at the end')
    },
    'countable',
  ),

  storeCase(
    'two purges at once get along',
    full,
    async (scene) => {
      const other = await scene.again()
      for (let index = 0; index < 10; index++) {
        const key = await completeKey(scene, `over-${index}`)
        await scene.pass(retentionMs, key)
      }
      await Promise.all([scene.store.purge({ limit: 5 }), other.purge({ limit: 5 })])
      await purgeAll(scene, 1000)
      expectEqual(await stored(scene), 0, 'records that are left')
    },
    'countable',
  ),
]
