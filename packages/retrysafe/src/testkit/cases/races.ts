/* Rule 9, promise 1: many callers at once, on one handle and on two. */
import type { IdempotencyStore, Outcome } from '../../contract/index.js'
import { isRetrysafeError } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const twice = 'Two workers would do the same work at the same time.'
const guess = 'The loser of a race would be told a guess.'
const racers = 100
const rounds = 25

/** A hundred begins at once, spread over two handles, each with a token of its own. */
async function race(scene: Scene, fingerprint?: string): Promise<Outcome[]> {
  const handles = [scene.store, await scene.again()]
  return Promise.all(
    Array.from({ length: racers }, (_, index) =>
      (handles[index % 2] ?? scene.store).begin(scene.key, {
        token: `racer-${index}`,
        leaseMs,
        retentionMs,
        fingerprint,
      }),
    ),
  )
}

/** Exactly one of them claimed, and everyone else was told of that very claim. */
function expectOneWinner(outcomes: readonly Outcome[], attempt: number): Extract<Outcome, { status: 'new' }> {
  const winners = outcomes.filter((outcome) => outcome.status === 'new')
  expectEqual(winners.length, 1, 'how many claimed')
  const [winner] = winners
  if (winner === undefined) throw new Error('Nobody claimed.')
  expectEqual(winner.attempt, attempt, 'the attempt of the winner')
  for (const outcome of outcomes.filter((other) => other !== winner))
    expectEqual(
      outcome,
      { status: 'in_progress', attempt, leaseUntil: winner.leaseUntil },
      'what a loser of the race was told',
    )
  return winner
}

/** How a write ended: done, or refused with this code. Anything else is thrown. */
async function settle(write: Promise<void>): Promise<string> {
  try {
    await write
    return 'done'
  } catch (error) {
    if (isRetrysafeError(error)) return error.code
    throw error
  }
}

/** Runs the two in either order, so that neither always goes first. */
async function together<A, B>(round: number, a: () => Promise<A>, b: () => Promise<B>): Promise<[A, B]> {
  if (round % 2 === 0) return Promise.all([a(), b()])
  const [second, first] = await Promise.all([b(), a()])
  return [first, second]
}

export const raceCases: readonly StoreCase[] = [
  storeCase('of a hundred begins at once one claims', twice, async (scene) => {
    const winner = expectOneWinner(await race(scene), 1)
    await scene.store.complete(scene.key, 'done', { token: winner.token })
    for (const outcome of await race(scene))
      expectEqual(expectStatus(outcome, 'completed', 'begin after completion').response, 'done', 'response')
  }),

  storeCase('of a hundred takeovers at once one claims', twice, async (scene) => {
    await scene.claim({ token: 'first', fingerprint: 'v1:a' })
    await scene.store.renew(scene.key, 'first', { checkpoint: 'step' })
    await scene.lapse()
    const winner = expectOneWinner(await race(scene, 'v1:a'), 2)
    expectEqual(winner.checkpoint, 'step', 'the checkpoint of the winner')
    await expectRejection(() => scene.store.complete(scene.key, 1, { token: 'first' }), 'lease_lost', 'the first')
    await scene.store.complete(scene.key, 'done', { token: winner.token })
  }),

  storeCase('of a hundred begins at the end of the retention one claims', twice, async (scene) => {
    await scene.claim({ token: 'old' })
    await scene.store.complete(scene.key, 'old', { token: 'old' })
    await scene.pass(retentionMs)
    const winner = expectOneWinner(await race(scene), 1)
    await scene.store.complete(scene.key, 'new', { token: winner.token })
  }),

  storeCase('of a hundred begins after a release one claims', twice, async (scene) => {
    await scene.claim({ token: 'first', afterCrash: 'uncertain' })
    await scene.store.release(scene.key, 'first')
    expectOneWinner(await race(scene), 2)
  }),

  storeCase('of ten reconcilers at once one claims', twice, async (scene) => {
    await scene.claim({ token: 'first', afterCrash: 'uncertain' })
    await scene.lapse()
    const other = await scene.again()
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? scene.store : other).begin(scene.key, { leaseMs, retentionMs, rerunAttempt: 1 }),
      ),
    )
    expectOneWinner(outcomes, 2)
  }),

  storeCase('begin sent many times with one token is one claim', twice, async (scene) => {
    const other = await scene.again()
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? scene.store : other).begin(scene.key, { token: 'mine', leaseMs, retentionMs }),
      ),
    )
    for (const outcome of outcomes) expectEqual(outcome, outcomes[0], 'each answer')
    expectEqual(expectStatus(outcomes[0] as Outcome, 'new', 'begin').attempt, 1, 'attempt')
  }),

  storeCase('one process sees at once what another did', guess, async (scene) => {
    const { store, key, claim, begin } = scene
    const other = await scene.again()
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    expectStatus(await other.begin(key), 'in_progress', 'begin of the other')
    expectEqual(
      await other.begin(key, { fingerprint: 'v1:b' }),
      { status: 'mismatch' },
      'its begin of another operation',
    )
    await other.renew(key, 'mine', { checkpoint: 'step' })
    expectEqual((await store.get(key))?.checkpoint, 'step', 'a checkpoint that the other saved')
    await other.complete(key, 'done', { token: 'mine' })
    expectEqual(expectStatus(await begin(), 'completed', 'begin').response, 'done', 'response')
    await expectRejection(() => store.release(key, 'mine'), 'lease_lost', 'release after the other completed')
  }),

  storeCase('a completion that races a takeover has one outcome', twice, async (scene) => {
    const { store, keyOf, claim, begin, lapse } = scene
    const other = await scene.again()
    for (let round = 0; round < rounds; round++) {
      const key = keyOf(`round-${round}`)
      await claim({ token: 'first' }, key)
      await lapse(key)
      const [completion, outcome] = await together(
        round,
        () => settle(store.complete(key, 'first', { token: 'first' })),
        () => other.begin(key, { token: 'second', leaseMs, retentionMs }),
      )
      if (completion === 'done') {
        expectEqual(expectStatus(outcome, 'completed', 'the takeover that lost').response, 'first', 'response')
      } else {
        expectEqual(completion, 'lease_lost', 'the completion that lost')
        expectEqual(expectStatus(outcome, 'new', 'the takeover that won').attempt, 2, 'attempt')
        await other.complete(key, 'second', { token: 'second' })
      }
      const response = completion === 'done' ? 'first' : 'second'
      expectEqual(
        expectStatus(await begin({}, key), 'completed', 'begin').response,
        response,
        'the response that stands',
      )
    }
  }),

  storeCase('of two completions at once the first response stands', twice, async (scene) => {
    const { store, keyOf, claim, begin } = scene
    const other = await scene.again()
    for (let round = 0; round < rounds; round++) {
      const key = keyOf(`round-${round}`)
      await claim({ token: 'mine' }, key)
      const ends = await together(
        round,
        () => settle(store.complete(key, 'a', { token: 'mine' })),
        () => settle(other.complete(key, 'b', { token: 'mine' })),
      )
      expectEqual(ends, ['done', 'done'], 'both calls')
      const one = expectStatus(await begin({}, key), 'completed', 'begin')
      expectThat(one.response === 'a' || one.response === 'b', 'it is one of the two')
      expectEqual(await other.begin(key), one, 'the replay of the other handle')
    }
  }),

  storeCase('of two completions without a token at once one is refused', twice, async (scene) => {
    const { store, keyOf, claim, begin } = scene
    const other = await scene.again()
    for (let round = 0; round < rounds; round++) {
      const key = keyOf(`round-${round}`)
      await claim({}, key)
      const ends = await together(
        round,
        () => settle(store.complete(key, 0)),
        () => settle(other.complete(key, 1)),
      )
      expectEqual([...ends].sort(), ['already_completed', 'done'], 'both calls')
      const response = ends.indexOf('done')
      expectEqual(
        expectStatus(await begin({}, key), 'completed', 'begin').response,
        response,
        'the response that stands',
      )
    }
  }),

  storeCase('a completion that races a release has one outcome', twice, async (scene) => {
    const { store, keyOf, claim, begin } = scene
    const other = await scene.again()
    for (let round = 0; round < rounds; round++) {
      const key = keyOf(`round-${round}`)
      await claim({ token: 'mine' }, key)
      const ends = await together(
        round,
        () => settle(store.complete(key, 'done', { token: 'mine' })),
        () => settle(other.release(key, 'mine')),
      )
      expectEqual([...ends].sort(), ['done', 'lease_lost'], 'both calls')
      expectStatus(await begin({}, key), ends[0] === 'done' ? 'completed' : 'new', 'begin')
    }
  }),

  storeCase('a purge that races the next claim does not take it', twice, async (scene) => {
    const { store, keyOf, claim, begin, pass } = scene
    const other = await scene.again()
    for (let round = 0; round < rounds; round++) {
      const key = keyOf(`round-${round}`)
      await claim({ token: 'old' }, key)
      await store.complete(key, 'old', { token: 'old' })
      await pass(retentionMs, key)
      await together(
        round,
        () => claim({ token: 'new' }, key),
        () => other.purge({ limit: 1000 }),
      )
      expectStatus(await begin({}, key), 'in_progress', 'begin under the new claim')
      await store.complete(key, 'new', { token: 'new' })
    }
  }),

  storeCase('saves that overtake each other keep the latest step', 'Steps would be done again.', async (scene) => {
    const { store, key, claim } = scene
    const handles = [store, await scene.again()]
    await claim({ token: 'mine' })
    const numbers = Array.from({ length: 20 }, (_, index) => ((index * 7) % 20) + 1)
    await Promise.all(
      numbers.map((number) =>
        (handles[number % 2] ?? store).renew(key, 'mine', { checkpoint: number, checkpointNumber: number }),
      ),
    )
    expectEqual((await store.get(key))?.checkpoint, 20, 'the checkpoint')
  }),

  storeCase(
    'many keys at once do not mix',
    'A caller would get the response of another.',
    async ({ store, keyOf, claim, begin }) => {
      const keys = Array.from({ length: 200 }, (_, index) => keyOf(`many-${index}`))
      await Promise.all(
        keys.map(async (key, index) => {
          await claim({ token: `token-${index}`, fingerprint: `v1:${index}` }, key)
          await store.complete(key, { index }, { token: `token-${index}` })
        }),
      )
      const replays = await Promise.all(keys.map((key, index) => begin({ fingerprint: `v1:${index}` }, key)))
      for (const [index, replay] of replays.entries())
        expectEqual(expectStatus(replay, 'completed', 'begin').response, { index }, 'response')
    },
  ),

  storeCase('among many calls at once a bad one fails alone', 'One caller could stop all others.', async (scene) => {
    const { store, keyOf, claim, begin } = scene
    const calls = Array.from({ length: 60 }, (_, index) => async (): Promise<unknown> => {
      const key = keyOf(`call-${index}`)
      if (index % 10 === 3) return expectRejection(() => store.begin('\u0000'), 'invalid_key', 'a bad key')
      if (index % 10 === 5)
        return expectRejection(() => store.begin(key, { leaseMs: 1 }), 'invalid_option', 'a bad option')
      await claim({ token: 'mine' }, key)
      if (index % 10 === 7)
        return expectRejection(() => store.complete(key, 1, { token: 'other' }), 'lease_lost', 'a stale token')
      await store.complete(key, index, { token: 'mine' })
      return expectEqual(expectStatus(await begin({}, key), 'completed', 'begin').response, index, 'response')
    })
    await Promise.all(calls.map((call) => call()))
  }),

  storeCase('the same key many times in one burst is one claim each', twice, async ({ store, keyOf }: Scene) => {
    const keys = Array.from({ length: 10 }, (_, index) => keyOf(`burst-${index}`))
    const burst = (of: IdempotencyStore): Promise<Outcome[]> =>
      Promise.all(Array.from({ length: racers }, (_, index) => of.begin(keys[index % keys.length] ?? '', { leaseMs })))
    const outcomes = await burst(store)
    for (const [index, key] of keys.entries()) {
      const ofKey = outcomes.filter((_, call) => call % keys.length === index)
      expectEqual(ofKey.filter((outcome) => outcome.status === 'new').length, 1, `how many claimed ${key}`)
    }
  }),
]
