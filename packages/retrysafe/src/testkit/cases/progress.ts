/* Rule 7, promise 5: what a release leaves, and how checkpoints and attempts go on. */
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const again = 'Steps that were done would be done again.'
const wait = 'A retry would wait for a lease that nobody uses.'

export const progressCases: readonly StoreCase[] = [
  storeCase('a release without a checkpoint leaves nothing', wait, async ({ store, key, claim }) => {
    await claim({ token: 'first', fingerprint: 'v1:a' })
    await store.release(key, 'first')
    expectEqual(await store.get(key), undefined, 'get')
    expectEqual((await claim({ fingerprint: 'v1:b' })).attempt, 1, 'attempt of the next claim, of any fingerprint')
  }),

  storeCase('a release with a checkpoint is free at once and goes on', again, async ({ store, key, claim }) => {
    await claim({ token: 'first', fingerprint: 'v1:a' })
    await store.renew(key, 'first', { checkpoint: { done: ['a', 'b'] } })
    await store.release(key, 'first')
    const record = await store.get(key)
    expectEqual([record?.status, record?.attempt, record?.leaseUntil], ['in_progress', 1, undefined], 'the free record')
    const next = await claim({ token: 'second', fingerprint: 'v1:a' })
    expectEqual([next.attempt, next.checkpoint], [2, { done: ['a', 'b'] }], 'attempt and checkpoint')
    await store.complete(key, 'done', { token: 'second' })
  }),

  storeCase('a takeover gets the last checkpoint', again, async ({ store, key, claim, lapse }) => {
    await claim({ token: 'first' })
    await store.renew(key, 'first', { checkpoint: 1 })
    await store.renew(key, 'first', { checkpoint: 2 })
    await store.renew(key, 'first')
    await lapse()
    const second = await claim({ token: 'second' })
    expectEqual([second.attempt, second.checkpoint], [2, 2], 'attempt and checkpoint')
    await lapse()
    const third = await claim({ token: 'third' })
    expectEqual([third.attempt, third.checkpoint], [3, 2], 'attempt and checkpoint of the one after')
  }),

  ...[null, false, 0, '', [], {}, new Uint8Array(0)].map((checkpoint) =>
    storeCase(
      `a checkpoint of ${checkpoint instanceof Uint8Array ? 'no bytes' : JSON.stringify(checkpoint)} is a checkpoint`,
      again,
      async ({ store, key, claim }) => {
        await claim({ token: 'first' })
        await store.renew(key, 'first', { checkpoint })
        await store.release(key, 'first')
        const next = await claim({ token: 'second' })
        expectThat('checkpoint' in next, 'the next claim is given it')
        expectEqual([next.attempt, next.checkpoint], [2, checkpoint], 'attempt and checkpoint')
      },
    ),
  ),

  storeCase('a delayed save never takes back a later step', again, async ({ store, key, claim }) => {
    await claim({ token: 'mine' })
    const save = (checkpoint: string, checkpointNumber?: number): Promise<void> =>
      store.renew(key, 'mine', { checkpoint, checkpointNumber })
    const saved = async (): Promise<unknown> => (await store.get(key))?.checkpoint
    await save('second', 2)
    await save('first', 1)
    expectEqual(await saved(), 'second', 'the checkpoint after a save with a lower number')
    await save('second again', 2)
    expectEqual(await saved(), 'second', 'the checkpoint after a save with the same number')
    await save('third', 3)
    expectEqual(await saved(), 'third', 'the checkpoint after a save with a higher number')
    await save('unnumbered')
    expectEqual(await saved(), 'unnumbered', 'the checkpoint after a save without a number')
  }),

  storeCase('a save that is ignored renews the lease all the same', wait, async (scene) => {
    const { store, key, claim, begin, passAlmost } = scene
    await claim({ token: 'mine' })
    await store.renew(key, 'mine', { checkpoint: 'second', checkpointNumber: 2 })
    await passAlmost(leaseMs)
    await store.renew(key, 'mine', { checkpoint: 'first', checkpointNumber: 1 })
    await passAlmost(leaseMs)
    expectStatus(await begin(), 'in_progress', 'begin just before the renewed lease ends')
  }),

  storeCase('each claim numbers its saves from one', again, async ({ store, key, claim, lapse }) => {
    await claim({ token: 'first' })
    await store.renew(key, 'first', { checkpoint: 'five', checkpointNumber: 5 })
    await lapse()
    await claim({ token: 'second' })
    await store.renew(key, 'second', { checkpoint: 'next', checkpointNumber: 1 })
    expectEqual((await store.get(key))?.checkpoint, 'next', 'the checkpoint')
  }),

  storeCase('a checkpoint is saved with the lease that is given up', again, async ({ store, key, claim }) => {
    await claim({ token: 'first' })
    await store.renew(key, 'first', { leaseMs: 0, checkpoint: 'last' })
    const next = await claim({ token: 'second' })
    expectEqual([next.attempt, next.checkpoint], [2, 'last'], 'attempt and checkpoint')
  }),

  storeCase('completion drops the checkpoint', 'Progress would be kept beside the response.', async (scene) => {
    const { store, key, claim, begin } = scene
    await claim({ token: 'mine' })
    await store.renew(key, 'mine', { checkpoint: 'step' })
    await store.complete(key, 'done', { token: 'mine' })
    const record = await store.get(key)
    expectThat(record !== undefined && !('checkpoint' in record), 'get shows no checkpoint')
    expectThat(!('checkpoint' in (await begin())), 'nor does a replay')
  }),

  storeCase('attempts only grow within the life of a record', again, async ({ store, key, claim, lapse, begin }) => {
    for (let attempt = 1; attempt <= 6; attempt++) {
      const token = `attempt-${attempt}`
      expectEqual((await claim({ token })).attempt, attempt, 'attempt')
      if (attempt === 2) await store.renew(key, token, { checkpoint: 'kept' })
      if (attempt % 2 === 0) await store.release(key, token)
      else await lapse()
      expectEqual((await store.get(key))?.attempt, attempt, 'the attempt between two claims')
    }
    await claim({ token: 'last' })
    await store.complete(key, 'done', { token: 'last' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').attempt, 7, 'the attempt that completed')
  }),

  storeCase(
    'the birth of a record stays through its attempts',
    'Nobody could tell how old a key is.',
    async (scene) => {
      const { store, key, claim, lapse } = scene
      await claim({ token: 'first', retentionMs })
      await lapse()
      const before = await store.get(key)
      await claim({ token: 'second' })
      const after = await store.get(key)
      expectEqual(after?.createdAt, before?.createdAt, 'createdAt after a takeover')
      expectThat((after?.updatedAt ?? 0) > (after?.createdAt ?? 0), 'updatedAt is later')
      await expectRejection(() => store.complete(key, 1, { token: 'first' }), 'lease_lost', 'the first')
    },
  ),
]
