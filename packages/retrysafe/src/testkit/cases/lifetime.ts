/* Opening, closing, reopening; waking and migrating. Promise 4 as far as a store can show it without a crash. */
import { type IdempotencyStore, type Migratable, systemClock, type Wakeable } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { type Scene, storeCase } from '../scene.js'
import { isInspectable, isMigratable, isWakeable, type StoreCase } from '../store-case.js'

const gone = 'A restart would run work again, or hand a claim to two.'
const patienceMs = 10_000

function wakeable({ store }: Scene): IdempotencyStore & Wakeable {
  if (isWakeable(store)) return store
  throw new Error('The store is not wakeable.')
}

function migratable({ store }: Scene): IdempotencyStore & Migratable {
  if (isMigratable(store)) return store
  throw new Error('The store is not migratable.')
}

async function reopen({ opened }: Scene): Promise<IdempotencyStore> {
  if (opened.reopen === undefined) throw new Error('The store is not reopening.')
  return opened.reopen()
}

/** A wake that never comes would hang the case: it fails instead. */
async function expectWoken(wake: Promise<void>, what: string): Promise<void> {
  const patience = new AbortController()
  const missed = systemClock.sleep(patienceMs, patience.signal).then(() => 'missed' as const)
  try {
    expectThat((await Promise.race([wake, missed])) !== 'missed', `a waiter is woken: ${what}`)
  } finally {
    patience.abort()
  }
}

export const lifetimeCases: readonly StoreCase[] = [
  storeCase('every call after close is store_closed', 'Work would start on a store that is gone.', async (scene) => {
    const { store, key, claim } = scene
    await claim({ token: 'mine' })
    await store.close()
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      begin: () => store.begin(key),
      complete: () => store.complete(key, 1, { token: 'mine' }),
      get: () => store.get(key),
      renew: () => store.renew(key, 'mine'),
      release: () => store.release(key, 'mine'),
      purge: () => store.purge(),
      ...(isInspectable(store) && {
        list: () => store.list(),
        delete: () => store.delete(key),
        free: () => store.free(key, { attempt: 1 }),
      }),
      ...(isMigratable(store) && { migrate: () => store.migrate() }),
      ...(isWakeable(store) && { wake: () => store.wake(key, new AbortController().signal) }),
    }
    for (const [name, call] of Object.entries(calls)) await expectRejection(call, 'store_closed', name)
    await store.close()
  }),

  storeCase(
    'close lets calls that are under way end',
    'An answer would be lost at every deployment.',
    async (scene) => {
      const { store, keyOf } = scene
      const claims = Array.from({ length: 10 }, (_, index) => store.begin(keyOf(`${index}`)))
      const closed = store.close()
      for (const claim of claims) expectStatus(await claim, 'new', 'begin')
      await closed
    },
  ),

  storeCase(
    'a response outlives the process',
    gone,
    async (scene) => {
      const { store, key, keyOf, claim } = scene
      await claim({ token: 'mine', fingerprint: 'v1:a' })
      await store.complete(key, { text: 'é\u0000\u{1f600}', zero: -0 }, { token: 'mine', kind: 'http' })
      const binary = keyOf('bytes')
      await claim({ token: 'mine' }, binary)
      await store.complete(binary, Uint8Array.of(0, 255, 128), { token: 'mine' })
      const before = [await store.get(key), await store.get(binary)]
      const reopened = await reopen(scene)
      expectEqual([await reopened.get(key), await reopened.get(binary)], before, 'the records')
      expectStatus(await reopened.begin(key, { fingerprint: 'v1:a' }), 'completed', 'begin')
      expectStatus(await reopened.begin(key, { fingerprint: 'v1:b' }), 'mismatch', 'begin of another operation')
    },
    'reopening',
  ),

  storeCase(
    'a claim outlives the process, and its token with it',
    gone,
    async (scene) => {
      const { store, key, keyOf, claim } = scene
      await claim({ token: 'mine' })
      await store.renew(key, 'mine', { checkpoint: ['step'], checkpointNumber: 7 })
      const before = await store.get(key)
      const freed = keyOf('freed')
      await claim({ token: 'first' }, freed)
      await store.renew(freed, 'first', { checkpoint: 'left' })
      await store.release(freed, 'first')
      const reopened = await reopen(scene)
      expectEqual(await reopened.get(key), before, 'the record')
      expectStatus(await reopened.begin(key), 'in_progress', 'begin of another')
      await reopened.renew(key, 'mine', { checkpoint: ['delayed'], checkpointNumber: 6 })
      expectEqual((await reopened.get(key))?.checkpoint, ['step'], 'the checkpoint after a delayed save')
      await reopened.complete(key, 'done', { token: 'mine' })
      const next = expectStatus(await reopened.begin(freed), 'new', 'begin of the freed key')
      expectEqual([next.attempt, next.checkpoint], [2, 'left'], 'attempt and checkpoint')
    },
    'reopening',
  ),

  storeCase(
    'an uncertain key outlives the process',
    gone,
    async (scene) => {
      await scene.claim({ token: 'mine', afterCrash: 'uncertain' })
      await scene.lapse()
      const reopened = await reopen(scene)
      expectEqual(await reopened.begin(scene.key), { status: 'uncertain', attempt: 1 }, 'begin')
    },
    'reopening',
  ),

  storeCase(
    'a waiter is woken by a completion and by a release',
    'Every duplicate would wait for the lease to end.',
    async (scene) => {
      const { store, key, keyOf, claim, begin } = scene
      await claim({ token: 'mine' })
      const completed = wakeable(scene).wake(key, new AbortController().signal)
      await store.complete(key, 'done', { token: 'mine' })
      await expectWoken(completed, 'wake on completion')
      expectStatus(await begin(), 'completed', 'begin of the woken')
      const released = keyOf('released')
      await claim({ token: 'mine' }, released)
      const waiting = Array.from({ length: 3 }, () => wakeable(scene).wake(released, new AbortController().signal))
      await store.release(released, 'mine')
      for (const wake of waiting) await expectWoken(wake, 'wake on release')
      expectStatus(await begin({}, released), 'new', 'begin of the woken')
    },
    'wakeable',
  ),

  storeCase(
    'a waiter of one process is woken by another',
    'Duplicates of one key rarely meet in one process.',
    async (scene) => {
      const other = await scene.again()
      await scene.claim({ token: 'mine' })
      const wake = wakeable(scene).wake(scene.key, new AbortController().signal)
      await other.complete(scene.key, 'done', { token: 'mine' })
      await expectWoken(wake, 'wake on a completion of the other handle')
    },
    'wakeable',
  ),

  storeCase(
    'a waiter that gives up is let go',
    'A waiter whose client hung up would be held for ever.',
    async (scene) => {
      await scene.claim({ token: 'mine' })
      const controller = new AbortController()
      const wake = wakeable(scene).wake(scene.key, controller.signal)
      controller.abort()
      await expectWoken(wake, 'wake after an abort')
      await expectWoken(wakeable(scene).wake(scene.key, controller.signal), 'wake with a signal that is aborted')
    },
    'wakeable',
  ),

  storeCase(
    'migrate may be repeated, by many at once, and touches no record',
    'Every process migrates when it starts.',
    async (scene) => {
      const { store, key, claim } = scene
      await claim({ token: 'mine' })
      await store.complete(key, 'done', { token: 'mine' })
      const before = await store.get(key)
      await migratable(scene).migrate()
      const other = await scene.again()
      await Promise.all([
        migratable(scene).migrate(),
        migratable(scene).migrate(),
        isMigratable(other) ? other.migrate() : undefined,
      ])
      expectEqual(await store.get(key), before, 'the record')
    },
    'migratable',
  ),
]
