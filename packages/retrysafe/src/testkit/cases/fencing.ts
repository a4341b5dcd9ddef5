/* Rules 4 and 5, promise 2: until when a token holds, and that a stale one changes nothing. */
import type { IdempotencyStore } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus } from '../expect.js'
import { leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const stall = 'A paused process, a closed laptop or a blocked loop would lose work that nobody else has taken.'
const zombie = 'A worker that was given up would overwrite its successor.'
const unfenced = 'Simple use gives no token; it must not reach into another’s claim.'

/** Each write of a token that no longer holds is refused, and the record stays as it was. */
async function expectStale({ store, key }: Scene, token: string, when: string): Promise<void> {
  const before = await store.get(key)
  const writes: Readonly<Record<string, (store: IdempotencyStore) => Promise<void>>> = {
    complete: () => store.complete(key, 'stale', { token }),
    renew: () => store.renew(key, token, { leaseMs: 2 * leaseMs }),
    'renew with a checkpoint': () => store.renew(key, token, { checkpoint: 'stale', checkpointNumber: 99 }),
    'renew that gives up': () => store.renew(key, token, { leaseMs: 0 }),
    release: () => store.release(key, token),
  }
  for (const [name, write] of Object.entries(writes))
    await expectRejection(() => write(store), 'lease_lost', `${name} ${when}`)
  expectEqual(await store.get(key), before, `the record ${when}`)
}

export const fencingCases: readonly StoreCase[] = [
  storeCase('a token holds after its lease lapsed while nobody took over', stall, async (scene) => {
    const { store, key, keyOf, claim, begin, lapse } = scene
    await claim({ token: 'mine' })
    await lapse()
    await store.complete(key, 'done', { token: 'mine' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'done', 'response')
    const renewed = keyOf('renewed')
    await claim({ token: 'mine' }, renewed)
    await lapse(renewed)
    await store.renew(renewed, 'mine')
    expectStatus(await begin({}, renewed), 'in_progress', 'begin after the late renewal')
    const released = keyOf('released')
    await claim({ token: 'mine' }, released)
    await lapse(released)
    await store.release(released, 'mine')
    expectStatus(await begin({}, released), 'new', 'begin after the late release')
  }),

  storeCase(
    'a duplicate that only asked ends no claim',
    stall,
    async ({ store, key, claim, begin, passAlmost, passRest }) => {
      await claim({ token: 'mine', fingerprint: 'v1:a' })
      await passAlmost(leaseMs)
      await begin()
      await begin({ fingerprint: 'v1:b' })
      await passRest()
      await begin({ fingerprint: 'v1:b' })
      await store.complete(key, 'done', { token: 'mine' })
    },
  ),

  storeCase('a token that was taken over changes nothing', zombie, async (scene) => {
    await scene.claim({ token: 'first' })
    await scene.lapse()
    await scene.claim({ token: 'second' })
    await expectStale(scene, 'first', 'after a takeover')
    await scene.lapse()
    await expectStale(scene, 'first', 'after its successor lapsed too')
    await scene.store.complete(scene.key, 'second', { token: 'second' })
    await expectStale(scene, 'first', 'after its successor completed')
  }),

  storeCase('a token that was released changes nothing', zombie, async (scene) => {
    const { store, key, claim } = scene
    await claim({ token: 'first' })
    await store.release(key, 'first')
    await expectStale(scene, 'first', 'after the release')
    await claim({ token: 'second' })
    await store.renew(key, 'second', { checkpoint: 'kept' })
    await store.release(key, 'second')
    await expectStale(scene, 'second', 'after the release of a claim with a checkpoint')
    await claim({ token: 'third' })
    await expectStale(scene, 'second', 'after the next claim')
  }),

  storeCase('a token of a record that is over changes nothing', zombie, async (scene) => {
    const { claim, pass, store, key } = scene
    await claim({ token: 'first' })
    await pass(leaseMs + retentionMs)
    await expectStale(scene, 'first', 'after the retention')
    await claim({ token: 'second' })
    await expectStale(scene, 'first', 'after the next record began')
    await store.complete(key, 'second', { token: 'second' })
  }),

  storeCase('a token that never claimed changes nothing', zombie, async (scene) => {
    await expectStale(scene, 'stranger', 'on a key that was never claimed')
    await scene.claim({ token: 'mine' })
    await expectStale(scene, 'stranger', 'under another’s claim')
    await expectStale(scene, 'MINE', 'with a token that differs in its case')
    await expectStale(scene, 'mine ', 'with a token that differs in a trailing space')
  }),

  storeCase('the token of one key holds no other', zombie, async (scene) => {
    await scene.claim({ token: 'mine' }, scene.keyOf('another'))
    await scene.claim({ token: 'theirs' })
    await expectStale(scene, 'mine', 'with the token of another key')
  }),

  storeCase('renew and release after completion are lease_lost', zombie, async ({ store, key, claim }) => {
    await claim({ token: 'mine' })
    await store.complete(key, 'done', { token: 'mine' })
    const before = await store.get(key)
    await expectRejection(() => store.renew(key, 'mine'), 'lease_lost', 'renew')
    await expectRejection(() => store.renew(key, 'mine', { checkpoint: 1 }), 'lease_lost', 'renew with a checkpoint')
    await expectRejection(() => store.release(key, 'mine'), 'lease_lost', 'release')
    expectEqual(await store.get(key), before, 'the record')
  }),

  storeCase('renew moves the lease from now on', stall, async ({ store, key, claim, begin, passAlmost, passRest }) => {
    await claim({ token: 'mine' })
    await passAlmost(leaseMs)
    await store.renew(key, 'mine', { leaseMs: 3 * leaseMs })
    await passAlmost(3 * leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before the renewed lease ends')
    await passRest()
    expectEqual(expectStatus(await begin(), 'new', 'begin after it').attempt, 2, 'attempt')
  }),

  storeCase('renew may shorten a lease', 'A worker that drains could not hand over.', async (scene) => {
    await scene.claim({ token: 'mine' })
    await scene.store.renew(scene.key, 'mine', { leaseMs: leaseMs / 2 })
    await scene.pass(leaseMs / 2)
    expectEqual(expectStatus(await scene.begin(), 'new', 'begin').attempt, 2, 'attempt')
  }),

  storeCase('a lease that was given up goes to the next begin', stall, async (scene) => {
    const { store, key, claim } = scene
    await claim({ token: 'first' })
    await store.renew(key, 'first', { leaseMs: 0 })
    const record = await store.get(key)
    expectEqual([record?.status, record?.leaseUntil], ['in_progress', undefined], 'status and lease')
    expectEqual((await claim({ token: 'second' })).attempt, 2, 'attempt')
    await expectStale(scene, 'first', 'after the next begin')
    await store.complete(key, 'done', { token: 'second' })
  }),

  storeCase('a lease that was given up keeps its token while nobody took over', stall, async (scene) => {
    const { store, key, keyOf, claim, begin } = scene
    await claim({ token: 'mine' })
    await store.renew(key, 'mine', { leaseMs: 0 })
    await store.complete(key, 'done', { token: 'mine' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'done', 'response')
    const renewed = keyOf('renewed')
    await claim({ token: 'mine' }, renewed)
    await store.renew(renewed, 'mine', { leaseMs: 0 })
    await store.renew(renewed, 'mine')
    expectStatus(await begin({}, renewed), 'in_progress', 'begin after it was taken back')
    const asked = keyOf('asked')
    await claim({ token: 'mine' }, asked)
    await store.renew(asked, 'mine', { leaseMs: 0 })
    expectEqual((await claim({ token: 'mine' }, asked)).attempt, 1, 'attempt of begin with the own token')
  }),

  storeCase(
    'complete without a token is accepted on the first attempt',
    unfenced,
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'mine' })
      await store.complete(key, 'done')
      expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'done', 'response')
    },
  ),

  storeCase('complete without a token is accepted after the lease while the claim holds', unfenced, async (scene) => {
    await scene.claim()
    await scene.lapse()
    await scene.store.complete(scene.key, 'done')
    expectStatus(await scene.begin(), 'completed', 'begin')
  }),

  storeCase('complete without a token is refused on every later attempt', unfenced, async (scene) => {
    const { store, key, claim, lapse } = scene
    await claim()
    await lapse()
    await claim({ token: 'second' })
    const before = await store.get(key)
    await expectRejection(() => store.complete(key, 'late'), 'lease_lost', 'complete without a token')
    expectEqual(await store.get(key), before, 'the record')
  }),

  storeCase(
    'complete without a token is refused once the claim was released',
    unfenced,
    async ({ store, key, claim }) => {
      await claim({ token: 'mine' })
      await store.renew(key, 'mine', { checkpoint: 1 })
      await store.release(key, 'mine')
      const before = await store.get(key)
      await expectRejection(() => store.complete(key, 'late'), 'lease_lost', 'complete without a token')
      expectEqual(await store.get(key), before, 'the record')
    },
  ),

  storeCase(
    'complete without a token says what it found',
    unfenced,
    async ({ store, key, keyOf, claim, begin, pass }) => {
      await expectRejection(() => store.complete(keyOf('never'), 1), 'unknown_key', 'a key that was never claimed')
      await expectRejection(
        () => store.complete(keyOf('never'), 1, { token: 'mine' }),
        'lease_lost',
        'the same, fenced',
      )
      await claim({ token: 'mine' })
      await store.complete(key, 'first')
      await expectRejection(() => store.complete(key, 'second'), 'already_completed', 'a completed key')
      expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'first', 'response')
      await pass(retentionMs)
      await expectRejection(() => store.complete(key, 'third'), 'unknown_key', 'a key that is over')
    },
  ),
]
