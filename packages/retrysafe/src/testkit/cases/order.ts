/* Rule 1: the order in which begin decides. Each case has two answers at hand and says which one is right. */
import { expectEqual, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const late = 'A late retry after retention would be refused, or answered with a response that is no longer kept.'
const leak = 'A retry of another operation would be answered with this one, or run under its claim.'

export const orderCases: readonly StoreCase[] = [
  storeCase('the simple use needs no options', 'Most callers give none.', async ({ store, key }) => {
    const claim = expectStatus(await store.begin(key), 'new', 'the first begin')
    expectEqual(claim.attempt, 1, 'attempt')
    expectThat(!('checkpoint' in claim), 'a first claim carries no checkpoint')
    const second = expectStatus(await store.begin(key), 'in_progress', 'the second begin')
    expectEqual(second.attempt, 1, 'the running attempt')
    await store.complete(key, { charged: true })
    const replay = expectStatus(await store.begin(key), 'completed', 'begin after completion')
    expectEqual(replay.response, { charged: true }, 'the replayed response')
    expectEqual(replay.kind, 'value', 'kind')
    expectEqual(replay.attempt, 1, 'the attempt that completed')
    const record = await store.get(key)
    expectEqual(record?.response, { charged: true }, 'the response that get shows')
    expectEqual([record?.key, record?.status, record?.kind], [key, 'completed', 'value'], 'what get shows')
  }),

  storeCase('a key that was never claimed is absent', 'A guess here would run work twice or never.', async (scene) => {
    expectEqual(await scene.store.get(scene.key), undefined, 'get')
    await scene.claim({}, scene.keyOf('another'))
    expectEqual(await scene.store.get(scene.key), undefined, 'get after another key was claimed')
  }),

  storeCase(
    'a claim says when its lease ends, and everyone is told the same',
    'Callers plan their heartbeats and their waiting by it.',
    async ({ store, key, claim, begin }) => {
      const mine = await claim({ token: 'first' })
      const seen = expectStatus(await begin(), 'in_progress', 'begin while it runs')
      expectEqual(mine.token, 'first', 'the token that the caller made')
      expectEqual(seen.leaseUntil, mine.leaseUntil, 'leaseUntil as others see it')
      const record = await store.get(key)
      expectEqual(record?.leaseUntil, mine.leaseUntil, 'leaseUntil as get shows it')
      const lasts = mine.leaseUntil.getTime() - (record?.createdAt.getTime() ?? 0)
      expectThat(Math.abs(lasts - leaseMs) < 30_000, `the lease lasts ${leaseMs} ms and not ${lasts}`)
    },
  ),

  storeCase(
    'the token is shown to nobody but its owner',
    'Whoever reads another claim’s token could complete in its name.',
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'secret-of-the-owner' })
      const shown = [await begin(), await store.get(key)]
      await store.complete(key, 1, { token: 'secret-of-the-owner' })
      shown.push(await begin(), await store.get(key))
      expectThat(!JSON.stringify(shown).includes('secret-of-the-owner'), 'no answer holds the token')
    },
  ),

  storeCase('a store makes a new token where none is given', 'Two claims would share one.', async (scene) => {
    const one = await scene.claim()
    const two = await scene.claim({}, scene.keyOf('another'))
    expectThat(one.token.length >= 16 && one.token !== two.token, 'each claim gets an unguessable token of its own')
  }),

  storeCase('over comes before mismatch', late, async ({ store, key, claim, pass }) => {
    await claim({ token: 'old', fingerprint: 'v1:a' })
    await store.complete(key, 'old', { token: 'old' })
    await pass(retentionMs)
    const fresh = await claim({ fingerprint: 'v1:b' })
    expectEqual(fresh.attempt, 1, 'attempt')
  }),

  storeCase('over comes before completed', late, async ({ store, key, claim, begin, pass }) => {
    await claim({ token: 'old' })
    await store.complete(key, 'old', { token: 'old' })
    await pass(retentionMs)
    expectEqual((await claim({ token: 'new' })).attempt, 1, 'attempt')
    expectStatus(await begin(), 'in_progress', 'begin under the new claim')
    expectEqual((await store.get(key))?.response, undefined, 'the response of the record before')
  }),

  storeCase('over comes before the own token', late, async ({ store, key, claim, pass }) => {
    await claim({ token: 'mine' })
    await store.renew(key, 'mine', { checkpoint: 'done' })
    await pass(leaseMs + retentionMs)
    const fresh = await claim({ token: 'mine' })
    expectEqual(fresh.attempt, 1, 'attempt')
    expectThat(!('checkpoint' in fresh), 'no checkpoint outlives its record')
  }),

  storeCase('over comes before takeover', late, async ({ store, key, claim, pass }) => {
    await claim({ token: 'old', fingerprint: 'v1:a' })
    await store.renew(key, 'old', { checkpoint: 'done' })
    await store.release(key, 'old')
    await pass(retentionMs)
    const fresh = await claim({ token: 'new', fingerprint: 'v1:b' })
    expectEqual(fresh.attempt, 1, 'attempt')
    expectThat(!('checkpoint' in fresh), 'no checkpoint outlives its record')
    await store.complete(key, 'done', { token: 'new' })
  }),

  storeCase('mismatch comes before completed', leak, async ({ store, key, claim, begin }) => {
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    await store.complete(key, 'private', { token: 'mine' })
    expectEqual(await begin({ fingerprint: 'v1:b' }), { status: 'mismatch' }, 'begin of another operation')
  }),

  storeCase('mismatch comes before the own token', leak, async ({ claim, begin }) => {
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    expectEqual(await begin({ token: 'mine', fingerprint: 'v1:b' }), { status: 'mismatch' }, 'begin')
  }),

  storeCase('mismatch comes before a live lease', leak, async ({ claim, begin }) => {
    await claim({ fingerprint: 'v1:a' })
    expectEqual(await begin({ fingerprint: 'v1:b' }), { status: 'mismatch' }, 'begin of another operation')
  }),

  storeCase('mismatch comes before uncertain, also for a reconciler', leak, async ({ claim, begin, lapse }) => {
    await claim({ fingerprint: 'v1:a', afterCrash: 'uncertain' })
    await lapse()
    expectEqual(await begin({ fingerprint: 'v1:b' }), { status: 'mismatch' }, 'begin of another operation')
    const seen = await begin({ fingerprint: 'v1:b', rerunAttempt: 1 })
    expectEqual(seen, { status: 'mismatch' }, 'rerunAttempt with another fingerprint')
  }),

  storeCase('mismatch comes before takeover', leak, async ({ store, key, keyOf, claim, begin, lapse }) => {
    await claim({ fingerprint: 'v1:a' })
    await lapse()
    expectEqual(await begin({ fingerprint: 'v1:b' }), { status: 'mismatch' }, 'begin after the lease')
    const released = keyOf('released')
    await claim({ token: 'mine', fingerprint: 'v1:a' }, released)
    await store.renew(released, 'mine', { checkpoint: 1 })
    await store.release(released, 'mine')
    expectEqual(await begin({ fingerprint: 'v1:b' }, released), { status: 'mismatch' }, 'begin after a release')
    expectEqual((await store.get(key))?.attempt, 1, 'the attempt that a mismatch leaves as it was')
  }),

  storeCase(
    'completed comes before the own token',
    'The owner would run again what it completed.',
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'mine' })
      await store.complete(key, 'done', { token: 'mine' })
      const replay = expectStatus(await begin({ token: 'mine' }), 'completed', 'its own begin, repeated')
      expectEqual(replay.response, 'done', 'response')
    },
  ),

  storeCase(
    'the own token comes before a live lease',
    'After a lost answer the owner would wait for itself.',
    async ({ claim }) => {
      await claim({ token: 'mine' })
      expectEqual((await claim({ token: 'mine' })).attempt, 1, 'attempt')
    },
  ),

  storeCase(
    'the own token comes before uncertain',
    'The holder is the one who can say how far the attempt got.',
    async ({ claim, lapse }) => {
      await claim({ token: 'mine', afterCrash: 'uncertain' })
      await lapse()
      expectEqual((await claim({ token: 'mine' })).attempt, 1, 'attempt')
    },
  ),

  storeCase(
    'the own token comes before takeover',
    'A claim would fence itself, and its own completion would be refused.',
    async ({ store, key, claim, lapse }) => {
      await claim({ token: 'mine' })
      await lapse()
      expectEqual((await claim({ token: 'mine' })).attempt, 1, 'attempt')
      await store.complete(key, 'done', { token: 'mine' })
    },
  ),

  storeCase(
    'a live lease comes before uncertain, also for a reconciler',
    'A reconciler would fence an attempt that is at work.',
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'mine', afterCrash: 'uncertain' })
      expectStatus(await begin({ afterCrash: 'uncertain' }), 'in_progress', 'begin')
      expectStatus(await begin({ rerunAttempt: 1 }), 'in_progress', 'begin with rerunAttempt')
      await store.complete(key, 'done', { token: 'mine' })
    },
  ),

  storeCase('uncertain comes before takeover', 'Work would run twice, unasked.', async ({ claim, begin, lapse }) => {
    await claim({ afterCrash: 'uncertain' })
    await lapse()
    expectEqual(await begin({ afterCrash: 'rerun' }), { status: 'uncertain', attempt: 1 }, 'begin after the lease')
  }),

  storeCase(
    'a retry, a refusal and a look change nothing',
    'A waiting duplicate that writes is a bottleneck, and may keep a dead claim alive.',
    async ({ store, key, claim, begin }) => {
      await claim({ token: 'mine', fingerprint: 'v1:a' })
      const before = await store.get(key)
      await begin({ fingerprint: 'v1:a', leaseMs: 2 * leaseMs, retentionMs: 2 * retentionMs })
      await begin({ fingerprint: 'v1:b' })
      expectEqual(await store.get(key), before, 'the record after refused begins')
      await store.complete(key, 'done', { token: 'mine' })
      const completed = await store.get(key)
      await begin({ fingerprint: 'v1:a', retentionMs: 2 * retentionMs })
      expectEqual(await store.get(key), completed, 'the record after a replay')
    },
  ),
]
