/* Rule 8: what happens to a key whose attempt died under afterCrash 'uncertain'. */
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { inspect, leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const twice = 'Work that must not be repeated blindly would be repeated.'
const settled = 'An operator who found out what happened could not say so.'
const years = 3 * 365 * 86_400_000

/** Attempt 1 has died; its token is `first`. */
async function leaveUncertain({ claim, lapse }: Scene): Promise<void> {
  await claim({ token: 'first', afterCrash: 'uncertain' })
  await lapse()
}

export const uncertaintyCases: readonly StoreCase[] = [
  storeCase('a claim that died under uncertain is uncertain to everyone', twice, async (scene) => {
    const { begin, claim, passAlmost, passRest } = scene
    await claim({ token: 'first', afterCrash: 'uncertain' })
    await passAlmost(leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before the lease ends')
    await passRest()
    for (const afterCrash of ['rerun', 'uncertain', undefined] as const)
      expectEqual(await begin({ afterCrash }), { status: 'uncertain', attempt: 1 }, `begin under ${afterCrash}`)
  }),

  storeCase('an uncertain key is kept until it is settled', twice, async (scene) => {
    const { store, key, begin, pass } = scene
    await leaveUncertain(scene)
    await pass(years)
    await store.purge()
    expectEqual(await begin(), { status: 'uncertain', attempt: 1 }, 'begin years later')
    const record = await store.get(key)
    expectThat(record !== undefined && !('expiresAt' in record), 'get shows no end of its retention')
    expectEqual(record?.afterCrash, 'uncertain', 'afterCrash as get shows it')
    await store.complete(key, 'settled', { token: 'first' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'settled', 'response')
  }),

  storeCase(
    'a live claim under uncertain never runs out of retention',
    twice,
    async ({ store, key, claim, begin, pass }) => {
      await claim({ token: 'first', afterCrash: 'uncertain', retentionMs: 1000 })
      await store.renew(key, 'first', { checkpoint: 'step' })
      await pass(years)
      expectEqual(await begin(), { status: 'uncertain', attempt: 1, checkpoint: 'step' }, 'begin years later')
    },
  ),

  storeCase('a holder that asks again after its lease is uncertain again once it dies', twice, async (scene) => {
    const { claim, begin, lapse, pass } = scene
    await leaveUncertain(scene)
    expectEqual((await claim({ token: 'first' })).attempt, 1, 'attempt')
    expectStatus(await begin(), 'in_progress', 'begin under the fresh lease')
    await lapse()
    await pass(years)
    expectEqual(await begin(), { status: 'uncertain', attempt: 1 }, 'begin years later')
  }),

  storeCase('the holder of an uncertain claim may still settle it', settled, async (scene) => {
    const { store, key, keyOf, begin, claim, lapse } = scene
    await leaveUncertain(scene)
    await store.renew(key, 'first')
    expectStatus(await begin(), 'in_progress', 'begin after the holder renewed')
    await lapse()
    await store.complete(key, 'done', { token: 'first' })
    expectStatus(await begin(), 'completed', 'begin after the holder completed')
    const released = keyOf('released')
    await claim({ token: 'first', afterCrash: 'uncertain' }, released)
    await lapse(released)
    await store.release(released, 'first')
    expectEqual(expectStatus(await begin({}, released), 'new', 'begin after a release').attempt, 2, 'attempt')
  }),

  storeCase(
    'a lease that is given up under uncertain is uncertain at once',
    twice,
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'first', afterCrash: 'uncertain' })
      await store.renew(key, 'first', { leaseMs: 0 })
      expectEqual(await begin(), { status: 'uncertain', attempt: 1 }, 'begin')
      const record = await store.get(key)
      expectThat(record !== undefined && !('expiresAt' in record), 'it is kept until it is settled')
      await store.complete(key, 'done', { token: 'first' })
      expectStatus(await begin(), 'completed', 'begin after the token completed')
    },
  ),

  storeCase('rerunAttempt claims the uncertain attempt and fences it', settled, async (scene) => {
    const { store, key, begin, claim } = scene
    await leaveUncertain(scene)
    expectEqual((await claim({ token: 'reconciler', rerunAttempt: 1 })).attempt, 2, 'attempt')
    await expectRejection(() => store.complete(key, 'late', { token: 'first' }), 'lease_lost', 'the dead attempt')
    await expectRejection(() => store.release(key, 'first'), 'lease_lost', 'its release')
    expectStatus(await begin(), 'in_progress', 'begin of another')
    await store.complete(key, 'settled', { token: 'reconciler' })
    const replay = expectStatus(await begin(), 'completed', 'begin')
    expectEqual([replay.response, replay.attempt], ['settled', 2], 'response and attempt')
  }),

  storeCase('rerunAttempt of another attempt is told uncertain again', twice, async (scene) => {
    const { store, key, begin, claim, lapse } = scene
    await leaveUncertain(scene)
    const before = await store.get(key)
    expectEqual(await begin({ rerunAttempt: 2 }), { status: 'uncertain', attempt: 1 }, 'rerunAttempt of a later one')
    expectEqual(await store.get(key), before, 'the record')
    await claim({ token: 'reconciler', rerunAttempt: 1 })
    expectStatus(await begin({ rerunAttempt: 1 }), 'in_progress', 'a second reconciler')
    await lapse()
    expectEqual(await begin({ rerunAttempt: 1 }), { status: 'uncertain', attempt: 2 }, 'rerunAttempt of a fenced one')
    expectEqual((await claim({ rerunAttempt: 2 })).attempt, 3, 'attempt')
  }),

  storeCase('a reconciler that dies leaves the key uncertain', twice, async (scene) => {
    await leaveUncertain(scene)
    await scene.claim({ token: 'reconciler', rerunAttempt: 1, afterCrash: 'rerun' })
    await scene.lapse()
    expectEqual(await scene.begin(), { status: 'uncertain', attempt: 2 }, 'begin')
  }),

  storeCase('a reconciler’s lost answer harms nobody', settled, async (scene) => {
    await leaveUncertain(scene)
    await scene.claim({ token: 'reconciler', rerunAttempt: 1 })
    const again = await scene.claim({ token: 'reconciler', rerunAttempt: 1 })
    expectEqual(again.attempt, 2, 'the attempt of its begin, repeated')
  }),

  storeCase('a release under uncertain frees the key and keeps its attempt', twice, async (scene) => {
    const { store, key, claim } = scene
    await claim({ token: 'first', afterCrash: 'uncertain', fingerprint: 'v1:a' })
    await store.release(key, 'first')
    const record = await store.get(key)
    expectEqual([record?.attempt, record?.fingerprint, record?.leaseUntil], [1, 'v1:a', undefined], 'the free record')
    expectStatus(await scene.begin({ fingerprint: 'v1:b' }), 'mismatch', 'begin of another operation')
    expectEqual((await claim({ token: 'second' })).attempt, 2, 'attempt')
    await expectRejection(() => store.complete(key, 1, { token: 'first' }), 'lease_lost', 'the released token')
  }),

  storeCase('a key that was freed under uncertain is never uncertain', settled, async (scene) => {
    const { store, key, pass, begin, claim } = scene
    await claim({ token: 'first', afterCrash: 'uncertain' })
    await store.release(key, 'first')
    await pass(leaseMs)
    expectEqual(expectStatus(await begin(), 'new', 'begin long after').attempt, 2, 'attempt')
  }),

  storeCase('a record released under uncertain is kept for its retention', twice, async (scene) => {
    const { store, key, claim, passAlmost, passRest } = scene
    await claim({ token: 'first', afterCrash: 'uncertain' })
    await store.release(key, 'first')
    await passAlmost(retentionMs)
    await store.purge()
    expectEqual((await store.get(key))?.attempt, 1, 'the attempt just before the retention ends')
    await passRest()
    expectEqual(await store.get(key), undefined, 'get once it has passed')
    expectEqual((await claim()).attempt, 1, 'the attempt of a new record')
  }),

  storeCase('uncertain never weakens within the life of a record', twice, async (scene) => {
    const { store, key, claim, begin, lapse } = scene
    await claim({ token: 'first', afterCrash: 'uncertain' })
    await store.release(key, 'first')
    await claim({ token: 'second', afterCrash: 'rerun' })
    expectEqual((await store.get(key))?.afterCrash, 'uncertain', 'afterCrash of the second claim')
    await lapse()
    expectEqual(await begin({ afterCrash: 'rerun' }), { status: 'uncertain', attempt: 2 }, 'begin after it died')
  }),

  storeCase(
    'a takeover may strengthen rerun to uncertain',
    twice,
    async ({ store, key, claim, begin, lapse, pass }) => {
      await claim({ token: 'first', afterCrash: 'rerun' })
      await lapse()
      await claim({ token: 'second', afterCrash: 'uncertain' })
      expectEqual((await store.get(key))?.afterCrash, 'uncertain', 'afterCrash')
      await lapse()
      await pass(years)
      expectEqual(await begin(), { status: 'uncertain', attempt: 2 }, 'begin after it died')
    },
  ),

  storeCase(
    'a duplicate under uncertain does not strengthen a running claim',
    twice,
    async ({ claim, begin, lapse }) => {
      await claim({ token: 'first', afterCrash: 'rerun' })
      await begin({ afterCrash: 'uncertain' })
      await lapse()
      expectEqual(expectStatus(await begin(), 'new', 'begin').attempt, 2, 'attempt')
    },
  ),

  storeCase('rerunAttempt on a key that is not uncertain claims as anybody would', settled, async (scene) => {
    const { claim, begin, lapse } = scene
    expectEqual((await claim({ token: 'first', rerunAttempt: 7 })).attempt, 1, 'attempt of a fresh key')
    expectStatus(await begin({ rerunAttempt: 1 }), 'in_progress', 'begin while it runs')
    await lapse()
    expectEqual((await claim({ rerunAttempt: 7 })).attempt, 2, 'attempt of a takeover under rerun')
  }),

  storeCase(
    'an operator frees an uncertain key, and its attempt is not used twice',
    settled,
    async (scene) => {
      const { store, key, begin, claim, pass } = scene
      await leaveUncertain(scene)
      await pass(years)
      expectEqual(await inspect(scene).free(key, { attempt: 1 }), true, 'free')
      await expectRejection(() => store.complete(key, 'late', { token: 'first' }), 'lease_lost', 'the dead attempt')
      expectThat((await store.get(key))?.expiresAt !== undefined, 'the free record has an end')
      expectEqual(await inspect(scene).free(key, { attempt: 1 }), false, 'free, again')
      expectEqual((await claim()).attempt, 2, 'attempt')
      expectStatus(await begin(), 'in_progress', 'begin of another')
    },
    'inspectable',
  ),
]
