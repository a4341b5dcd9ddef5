/* Rule 2: which fingerprints are compared, and which claims may see a checkpoint. */
import { expectEqual, expectStatus, expectThat } from '../expect.js'
import { type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const upgrade = 'A release that changes fingerprints would refuse every key in flight.'
const leak = 'Progress of one operation would be handed to another, which then skips its own work.'

async function leaveCheckpoint({ store, key, claim, lapse }: Scene, fingerprint: string | undefined): Promise<void> {
  await claim({ token: 'first', fingerprint })
  await store.renew(key, 'first', { checkpoint: { step: 'charged' } })
  await lapse()
}

export const fingerprintCases: readonly StoreCase[] = [
  storeCase(
    'the same fingerprint is no mismatch',
    'Every retry would be refused.',
    async ({ store, key, ...scene }) => {
      await scene.claim({ token: 'mine', fingerprint: 'v1:a' })
      expectStatus(await scene.begin({ fingerprint: 'v1:a' }), 'in_progress', 'begin while it runs')
      await store.complete(key, 'done', { token: 'mine' })
      expectStatus(await scene.begin({ fingerprint: 'v1:a' }), 'completed', 'begin after completion')
    },
  ),

  storeCase('a missing fingerprint matches anything', 'Operators and reconcilers have none.', async (scene) => {
    const { store, key, keyOf, claim, begin } = scene
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    expectStatus(await begin(), 'in_progress', 'begin without a fingerprint')
    await store.complete(key, 'done', { token: 'mine' })
    expectStatus(await begin(), 'completed', 'begin without a fingerprint after completion')
    const other = keyOf('without')
    await claim({ token: 'mine' }, other)
    expectStatus(await begin({ fingerprint: 'v1:b' }, other), 'in_progress', 'begin with one where the record has none')
    await store.complete(other, 'done', { token: 'mine' })
    expectStatus(await begin({ fingerprint: 'v1:b' }, other), 'completed', 'the same after completion')
  }),

  storeCase('fingerprints of two versions are not compared', upgrade, async ({ store, key, claim, begin, lapse }) => {
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    expectStatus(await begin({ fingerprint: 'v2:b' }), 'in_progress', 'begin with a newer version')
    await lapse()
    const next = await claim({ token: 'next', fingerprint: 'v2:b' })
    expectEqual(next.attempt, 2, 'attempt')
    await store.complete(key, 'done', { token: 'next' })
    expectStatus(await begin({ fingerprint: 'v3:c' }), 'completed', 'begin with yet another version')
  }),

  storeCase('fingerprints without a version are compared among themselves', leak, async ({ claim, begin }) => {
    await claim({ fingerprint: 'plain-a' })
    expectStatus(await begin({ fingerprint: 'plain-b' }), 'mismatch', 'begin with another')
    expectStatus(await begin({ fingerprint: 'plain-a' }), 'in_progress', 'begin with the same')
    expectStatus(await begin({ fingerprint: 'v1:b' }), 'in_progress', 'begin with a versioned one')
  }),

  storeCase('fingerprints are compared byte for byte', leak, async ({ claim, begin }) => {
    await claim({ fingerprint: 'v1:Straße' })
    for (const fingerprint of ['v1:straße', 'v1:Strasse', 'v1:Straße ', 'v1:Straß'])
      expectStatus(await begin({ fingerprint }), 'mismatch', `begin with ${fingerprint}`)
  }),

  storeCase('the first fingerprint stays for the life of the record', leak, async (scene) => {
    const { store, key, claim, begin, lapse } = scene
    await claim({ fingerprint: 'v1:a' })
    await lapse()
    await claim({ token: 'second' })
    expectEqual((await store.get(key))?.fingerprint, 'v1:a', 'the fingerprint after a takeover without one')
    expectStatus(await begin({ fingerprint: 'v1:b' }), 'mismatch', 'begin of another operation')
    await lapse()
    await claim({ token: 'third', fingerprint: 'v2:a' })
    expectEqual((await store.get(key))?.fingerprint, 'v1:a', 'the fingerprint after a takeover with a newer version')
    await store.complete(key, 'done', { token: 'third' })
    expectStatus(await begin({ fingerprint: 'v1:b' }), 'mismatch', 'begin of another operation after completion')
    expectStatus(await begin({ fingerprint: 'v1:a' }), 'completed', 'begin of the same operation')
  }),

  storeCase('a record without a fingerprint takes that of its next claim', leak, async (scene) => {
    const { store, key, claim, begin, lapse } = scene
    await claim()
    expectStatus(await begin({ fingerprint: 'v1:a' }), 'in_progress', 'begin that does not claim')
    expectEqual((await store.get(key))?.fingerprint, undefined, 'the fingerprint while the first claim lives')
    await lapse()
    await claim({ fingerprint: 'v1:b' })
    expectEqual((await store.get(key))?.fingerprint, 'v1:b', 'the fingerprint after the takeover')
    expectStatus(await begin({ fingerprint: 'v1:a' }), 'mismatch', 'begin with another')
  }),

  storeCase(
    'a checkpoint goes to the next claim of the same fingerprint',
    'Steps that were done would be done again.',
    async (scene) => {
      await leaveCheckpoint(scene, 'v1:a')
      const next = await scene.claim({ fingerprint: 'v1:a' })
      expectEqual([next.attempt, next.checkpoint], [2, { step: 'charged' }], 'attempt and checkpoint')
    },
  ),

  storeCase(
    'a record without a fingerprint hands its checkpoint to any claim',
    'Callers that use no fingerprints would lose their steps.',
    async (scene) => {
      await leaveCheckpoint(scene, undefined)
      const next = await scene.claim({ fingerprint: 'v1:a' })
      expectEqual([next.attempt, next.checkpoint], [2, { step: 'charged' }], 'attempt and checkpoint')
    },
  ),

  ...[undefined, 'v2:a'].map((fingerprint) =>
    storeCase(
      `a claim with ${fingerprint ?? 'no fingerprint'} gets no checkpoint of v1:a and saves none`,
      leak,
      async (scene) => {
        const { store, key, claim, lapse } = scene
        await leaveCheckpoint(scene, 'v1:a')
        const other = await claim({ token: 'other', fingerprint })
        expectThat(!('checkpoint' in other), 'the claim is given no checkpoint')
        const again = await claim({ token: 'other', fingerprint })
        expectThat(!('checkpoint' in again), 'nor is it when it asks again')
        await store.renew(key, 'other', { checkpoint: { step: 'foreign' }, checkpointNumber: 9 })
        await lapse()
        const owner = await claim({ token: 'owner', fingerprint: 'v1:a' })
        expectEqual([owner.attempt, owner.checkpoint], [3, { step: 'charged' }], 'what the next claim of v1:a gets')
        await store.renew(key, 'owner', { checkpoint: { step: 'shipped' }, checkpointNumber: 1 })
        expectEqual((await store.get(key))?.checkpoint, { step: 'shipped' }, 'its own save')
      },
    ),
  ),

  storeCase('a withheld checkpoint stays so through a release', leak, async (scene) => {
    const { store, key, claim } = scene
    await leaveCheckpoint(scene, 'v1:a')
    await claim({ token: 'other' })
    await store.renew(key, 'other', { checkpoint: { step: 'foreign' } })
    await store.release(key, 'other')
    const owner = await claim({ fingerprint: 'v1:a' })
    expectEqual([owner.attempt, owner.checkpoint], [3, { step: 'charged' }], 'what the next claim of v1:a gets')
  }),

  storeCase(
    'an uncertain answer shows a checkpoint only to the same fingerprint',
    leak,
    async ({ store, key, claim, begin, lapse }) => {
      await claim({ token: 'mine', fingerprint: 'v1:a', afterCrash: 'uncertain' })
      await store.renew(key, 'mine', { checkpoint: 'charged' })
      await lapse()
      const same = await begin({ fingerprint: 'v1:a' })
      expectEqual(same, { status: 'uncertain', attempt: 1, checkpoint: 'charged' }, 'begin of the same operation')
      expectEqual(await begin(), { status: 'uncertain', attempt: 1 }, 'begin without a fingerprint')
      expectEqual(await begin({ fingerprint: 'v2:a' }), { status: 'uncertain', attempt: 1 }, 'begin of another version')
    },
  ),

  storeCase(
    'rerunAttempt gets the checkpoint without a fingerprint, and may save',
    'A reconciler could not see how far the attempt got.',
    async ({ store, key, claim, lapse }) => {
      await claim({ token: 'mine', fingerprint: 'v1:a', afterCrash: 'uncertain' })
      await store.renew(key, 'mine', { checkpoint: 'charged' })
      await lapse()
      const reconciler = await claim({ token: 'reconciler', rerunAttempt: 1 })
      expectEqual([reconciler.attempt, reconciler.checkpoint], [2, 'charged'], 'attempt and checkpoint')
      await store.renew(key, 'reconciler', { checkpoint: 'shipped' })
      expectEqual((await store.get(key))?.checkpoint, 'shipped', 'its save')
    },
  ),
]
