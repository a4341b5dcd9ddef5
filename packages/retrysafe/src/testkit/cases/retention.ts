/* Rule 6, promise 3: how long records are kept, to the edge, and that a response stands until then. */
import { expectEqual, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const early = 'A retry within the promised retention would run the work again.'
const late = 'A key that should be free again would stay taken.'
const hour = 3_600_000

/** The record is there just before `ms` have passed, and as if absent once they have. */
async function expectKept({ store, key, passAlmost, passRest, claim }: Scene, ms: number): Promise<void> {
  await passAlmost(ms)
  expectThat((await store.get(key)) !== undefined, `the record is kept for ${ms} ms`)
  await passRest()
  expectEqual(await store.get(key), undefined, `get once ${ms} ms have passed`)
  expectEqual((await claim({ token: 'afterwards' })).attempt, 1, 'the attempt of the claim after that')
}

export const retentionCases: readonly StoreCase[] = [
  storeCase('a lease ends at its instant, not before', early, async ({ begin, claim, passAlmost, passRest }) => {
    await claim()
    await passAlmost(leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before the lease ends')
    await passRest()
    expectEqual(expectStatus(await begin(), 'new', 'begin at the end of the lease').attempt, 2, 'attempt')
  }),

  storeCase('a response is replayed until its retention ends, not longer', early, async (scene) => {
    const { store, key, claim, begin, passAlmost, passRest } = scene
    await claim({ token: 'mine' })
    await store.complete(key, 'done', { token: 'mine' })
    await passAlmost(retentionMs)
    const replay = expectStatus(await begin(), 'completed', 'begin just before the retention ends')
    expectEqual(replay.response, 'done', 'response')
    await passRest()
    expectEqual(expectStatus(await begin(), 'new', 'begin at the end of the retention').attempt, 1, 'attempt')
  }),

  storeCase('retention counts from completion, not from the claim', early, async (scene) => {
    await scene.claim({ token: 'mine' })
    await scene.pass(leaseMs / 2)
    await scene.store.complete(scene.key, 'done', { token: 'mine' })
    await expectKept(scene, retentionMs)
  }),

  storeCase('a claim without an answer is kept until its lease and its retention have passed', early, async (scene) => {
    await scene.claim({ token: 'mine' })
    await expectKept(scene, leaseMs + retentionMs)
  }),

  storeCase('a takeover is kept until its own lease and its own retention have passed', early, async (scene) => {
    await scene.claim({ token: 'first' })
    await scene.lapse()
    await scene.claim({ token: 'second', leaseMs: 2 * leaseMs, retentionMs: 2 * retentionMs })
    await expectKept(scene, 2 * leaseMs + 2 * retentionMs)
  }),

  storeCase('a renewed claim is kept until its renewed lease and its retention have passed', early, async (scene) => {
    await scene.claim({ token: 'mine' })
    await scene.store.renew(scene.key, 'mine', { leaseMs: 3 * leaseMs })
    await expectKept(scene, 3 * leaseMs + retentionMs)
  }),

  storeCase('a lease that was given up is kept for its retention from then on', early, async (scene) => {
    await scene.claim({ token: 'mine' })
    await scene.pass(leaseMs / 2)
    await scene.store.renew(scene.key, 'mine', { leaseMs: 0 })
    await expectKept(scene, retentionMs)
  }),

  storeCase('a released checkpoint is kept for the retention from its release', early, async (scene) => {
    await scene.claim({ token: 'mine' })
    await scene.store.renew(scene.key, 'mine', { checkpoint: 1, leaseMs: 2 * leaseMs })
    await scene.pass(leaseMs)
    await scene.store.release(scene.key, 'mine')
    await expectKept(scene, retentionMs)
  }),

  storeCase('a lease longer than its retention is not cut', early, async (scene) => {
    const { store, key, begin, pass } = scene
    await scene.claim({ token: 'mine', leaseMs: 10 * hour, retentionMs: hour })
    await pass(5 * hour)
    expectStatus(await begin(), 'in_progress', 'begin after the retention, within the lease')
    await store.purge()
    expectStatus(await begin(), 'in_progress', 'begin after a purge')
    await store.complete(key, 'done', { token: 'mine' })
    await expectKept(scene, hour)
  }),

  storeCase('complete keeps the retention that the claim asked for', early, async (scene) => {
    await scene.claim({ token: 'mine', retentionMs: 3 * hour })
    await scene.store.complete(scene.key, 'done', { token: 'mine' })
    await expectKept(scene, 3 * hour)
  }),

  storeCase('complete may set a retention of its own', early, async (scene) => {
    const { store, key, claim } = scene
    await claim({ token: 'mine' })
    await store.complete(key, 'long', { token: 'mine', retentionMs: 5 * hour })
    await expectKept(scene, 5 * hour)
    await store.complete(key, 'short', { token: 'afterwards', retentionMs: hour / 2 })
    await expectKept(scene, hour / 2)
  }),

  storeCase('renew keeps the lease that the claim asked for', late, async (scene) => {
    const { store, key, begin, claim, passAlmost, passRest } = scene
    await claim({ token: 'mine', leaseMs: 2 * leaseMs })
    await store.renew(key, 'mine', { leaseMs: 5 * leaseMs })
    await store.renew(key, 'mine')
    await passAlmost(2 * leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before the lease ends')
    await passRest()
    expectStatus(await begin(), 'new', 'begin at its end')
  }),

  storeCase('a takeover brings its own lease and retention', late, async (scene) => {
    const { store, key, claim, begin, lapse, passAlmost, passRest } = scene
    await claim({ token: 'first', leaseMs, retentionMs: 9 * hour })
    await lapse()
    await claim({ token: 'second', leaseMs: 3 * leaseMs, retentionMs: 2 * hour })
    await passAlmost(3 * leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before its lease ends')
    await passRest()
    await store.renew(key, 'second')
    await passAlmost(3 * leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before its renewed lease ends')
    await store.complete(key, 'done', { token: 'second' })
    await expectKept(scene, 2 * hour)
  }),

  storeCase('without options a lease is 30 seconds and a retention 24 hours', early, async ({ store, key }) => {
    await store.begin(key, { token: 'mine' })
    const claimed = await store.get(key)
    const created = claimed?.createdAt.getTime() ?? Number.NaN
    expectNear((claimed?.leaseUntil?.getTime() ?? Number.NaN) - created, 30_000, 'the lease')
    expectNear((claimed?.expiresAt?.getTime() ?? Number.NaN) - created, 24 * hour + 30_000, 'the record')
    await store.complete(key, 1, { token: 'mine' })
    const done = await store.get(key)
    const completed = done?.updatedAt.getTime() ?? Number.NaN
    expectNear((done?.expiresAt?.getTime() ?? Number.NaN) - completed, 24 * hour, 'the response')
  }),

  storeCase('a response is immutable until its retention ends', early, async (scene) => {
    const { store, key, claim, begin, passAlmost } = scene
    await claim({ token: 'mine', fingerprint: 'v1:a', retentionMs: 24 * hour })
    await store.complete(key, { first: [1, -0, 'x'] }, { token: 'mine', kind: 'http' })
    const before = await store.get(key)
    const attempts = [
      () => store.complete(key, 'other', { token: 'mine', kind: 'value' }),
      () => store.complete(key, 'other', { token: 'stranger' }),
      () => store.complete(key, 'other'),
      () => store.renew(key, 'mine', { checkpoint: 'other' }),
      () => store.release(key, 'mine'),
      () => begin({ token: 'mine', rerunAttempt: 1, afterCrash: 'uncertain' }),
      () => begin({ fingerprint: 'v1:b' }),
      () => store.purge(),
    ]
    for (const attempt of attempts) await attempt().catch(() => undefined)
    expectEqual(await store.get(key), before, 'the record')
    await passAlmost(24 * hour)
    const replay = expectStatus(await begin(), 'completed', 'begin just before the retention ends')
    expectEqual([replay.response, replay.kind], [{ first: [1, -0, 'x'] }, 'http'], 'response and kind')
  }),
]

/** Some stores note two instants of one call a moment apart. */
function expectNear(ms: number, expectedMs: number, what: string): void {
  expectThat(Math.abs(ms - expectedMs) <= 5000, `${what} lasts ${expectedMs} ms and not ${ms}`)
}
