import { type IdempotencyStore, RetrysafeError } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { simulatedClock } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { purgeForever } from './purge.js'

function purging(purge: IdempotencyStore['purge'], everyMs = 1000) {
  const clock = simulatedClock()
  const stop = new AbortController()
  const counts: number[] = []
  const errors: unknown[] = []
  const store = { ...memoryStore(), purge }
  const over = purgeForever({
    ...{ store, everyMs, clock, random: () => 0.5, signal: stop.signal },
    onPurged: (count) => counts.push(count),
    onError: (error) => errors.push(error),
  })
  return { clock, stop, over, counts, errors }
}

test('records are deleted in batches with a bound, round after round, until it is stopped', async () => {
  const batches = [1000, 1000, 7, 0, 3]
  const limits: unknown[] = []
  const { clock, stop, over, counts } = purging(async (options) => {
    limits.push(options?.limit)
    return batches.shift() ?? 0
  })
  for (let round = 0; round < 4; round++) await clock.advance(1000)
  expect(counts).toEqual([2007, 3])
  expect(new Set(limits)).toEqual(new Set([1000]))
  stop.abort()
  await over
})

test('one round deletes no more than a hundred batches, however much there is', async () => {
  let calls = 0
  const { clock, stop, over, counts } = purging(async () => {
    calls++
    return 1000
  })
  await clock.advance(1000)
  await clock.advance(0)
  expect([calls, counts]).toEqual([100, [100_000]])
  stop.abort()
  await over
})

test('a failed round is told and the next one comes all the same; a closed store ends it', async () => {
  const answers = [new RetrysafeError('store_unavailable', 'down'), 1, new RetrysafeError('store_closed', 'closed')]
  const { clock, over, counts, errors } = purging(async () => {
    const answer = answers.shift()
    if (typeof answer === 'number') return answer
    throw answer
  })
  for (let round = 0; round < 3; round++) await clock.advance(1000)
  await over
  expect([counts, errors.length]).toEqual([[1], 1])
})

test('0 never purges', async () => {
  const { over } = purging(async () => Promise.reject(new Error('purged')), 0)
  await over
})
