/* Rule 3: a call that is repeated because its answer was lost does no harm. */
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const lost = 'After a cut connection the caller cannot know whether its call took effect, and asks again.'

export const lostAnswerCases: readonly StoreCase[] = [
  storeCase('begin repeated with its own token is the same claim', lost, async ({ store, key, claim }) => {
    const one = await claim({ token: 'mine', fingerprint: 'v1:a' })
    const before = await store.get(key)
    const two = await claim({ token: 'mine', fingerprint: 'v1:a' })
    expectEqual(two, one, 'the second answer')
    expectEqual(await store.get(key), before, 'the record')
  }),

  storeCase('begin repeated while its lease lives leaves the lease as it was', lost, async (scene) => {
    const { store, key, claim, pass } = scene
    await claim({ token: 'mine' })
    await pass(leaseMs / 2)
    const before = await store.get(key)
    const again = await claim({ token: 'mine', leaseMs: 3 * leaseMs })
    expectEqual(again.leaseUntil, before?.leaseUntil, 'leaseUntil of the second answer')
    expectEqual(await store.get(key), before, 'the record')
  }),

  storeCase('begin repeated with its own token gives the checkpoint back', lost, async (scene) => {
    const { store, key, claim, lapse } = scene
    await claim({ token: 'first', fingerprint: 'v1:a' })
    await store.renew(key, 'first', { checkpoint: ['a'] })
    await lapse()
    const one = await claim({ token: 'second', fingerprint: 'v1:a' })
    const two = await claim({ token: 'second', fingerprint: 'v1:a' })
    expectEqual([one.attempt, one.checkpoint], [2, ['a']], 'attempt and checkpoint')
    expectEqual(two, one, 'the second answer')
  }),

  storeCase('begin repeated after its lease lapsed gets a fresh lease', lost, async (scene) => {
    const { store, key, claim, begin, lapse, passAlmost } = scene
    await claim({ token: 'mine' })
    await lapse()
    const again = await claim({ token: 'mine' })
    expectEqual(again.attempt, 1, 'attempt')
    expectEqual((await store.get(key))?.leaseUntil, again.leaseUntil, 'the stored lease')
    expectStatus(await begin(), 'in_progress', 'begin of another')
    await passAlmost(leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin of another just before the fresh lease ends')
  }),

  storeCase('a fresh lease moves the retention with it', lost, async ({ store, key, claim, lapse, passAlmost }) => {
    await claim({ token: 'mine' })
    await lapse()
    await claim({ token: 'mine' })
    await passAlmost(leaseMs + retentionMs)
    expectEqual((await store.get(key))?.attempt, 1, 'the attempt just before the retention ends')
  }),

  storeCase('begin repeated with another fingerprint version stays the owner', lost, async ({ claim, lapse }) => {
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    await lapse()
    expectEqual((await claim({ token: 'mine', fingerprint: 'v2:a' })).attempt, 1, 'attempt')
  }),

  storeCase('begin repeated after another took over is no claim', lost, async ({ claim, begin, lapse }) => {
    await claim({ token: 'first' })
    await lapse()
    await claim({ token: 'second' })
    const late = expectStatus(await begin({ token: 'first' }), 'in_progress', 'begin of the first, repeated')
    expectEqual(late.attempt, 2, 'the running attempt')
  }),

  storeCase('complete repeated with its own token keeps the first response', lost, async (scene) => {
    const { store, key, claim, begin } = scene
    await claim({ token: 'mine' })
    await store.complete(key, { first: 1 }, { token: 'mine', kind: 'http' })
    const before = await store.get(key)
    await store.complete(key, { second: 2 }, { token: 'mine', kind: 'value', retentionMs: 2 * retentionMs })
    expectEqual(await store.get(key), before, 'the record')
    const replay = expectStatus(await begin(), 'completed', 'begin')
    expectEqual([replay.response, replay.kind], [{ first: 1 }, 'http'], 'response and kind')
  }),

  storeCase('complete repeated does not lengthen the retention', lost, async ({ store, key, claim, begin, pass }) => {
    await claim({ token: 'mine' })
    await store.complete(key, 1, { token: 'mine' })
    await pass(retentionMs / 2)
    await store.complete(key, 1, { token: 'mine' })
    await pass(retentionMs / 2)
    expectStatus(await begin(), 'new', 'begin after the retention')
  }),

  storeCase('the winner’s response stands against every other token', lost, async ({ store, key, claim, begin }) => {
    await claim({ token: 'mine' })
    await store.complete(key, 'first', { token: 'mine' })
    await expectRejection(() => store.complete(key, 'second', { token: 'other' }), 'lease_lost', 'another token')
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'first', 'response')
  }),

  storeCase('release repeated is lease_lost and harms nobody', lost, async ({ store, key, claim, begin }) => {
    await claim({ token: 'first' })
    await store.release(key, 'first')
    await expectRejection(() => store.release(key, 'first'), 'lease_lost', 'release, repeated')
    await claim({ token: 'second' })
    await expectRejection(() => store.release(key, 'first'), 'lease_lost', 'release after another claimed')
    expectStatus(await begin(), 'in_progress', 'begin of a third')
  }),

  storeCase(
    'a replay carries when it was completed and until when it stands',
    lost,
    async ({ store, key, ...scene }) => {
      await scene.claim({ token: 'mine' })
      await store.complete(key, 1, { token: 'mine', retentionMs })
      const replay = expectStatus(await scene.begin(), 'completed', 'begin')
      const stands = replay.expiresAt.getTime() - replay.completedAt.getTime()
      expectThat(Math.abs(stands - retentionMs) < 1000, `the response stands ${retentionMs} ms and not ${stands}`)
      const record = await store.get(key)
      expectEqual(record?.expiresAt, replay.expiresAt, 'expiresAt as get shows it')
      expectThat(!(record !== undefined && 'leaseUntil' in record), 'a completed key has no lease')
    },
  ),
]
