import { simulatedClock } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import { createAlarms } from '../../src/engine/alarms.js'

function rung() {
  const clock = simulatedClock(0)
  const alarms = createAlarms(clock)
  const log: string[] = []
  const set = (name: string, ms: number) => alarms.set(ms, () => log.push(`${name} at ${clock.now()}`))
  return { clock, alarms, log, set }
}

test('alarms ring once, in their order, not early and hardly late, whatever order they were set in', async () => {
  const { clock, log, set } = rung()
  for (const [name, ms] of [
    ['c', 300],
    ['a', 100],
    ['d', 400],
    ['b', 200],
  ] as const)
    set(name, ms)
  await clock.advance(99)
  expect(log).toEqual([])
  await clock.advance(1000)
  expect(log).toEqual(['a at 100', 'b at 200', 'c at 300', 'd at 400'])
  expect(clock.pending).toBe(0)
})

test('an alarm that is set while a later one sleeps rings in its time', async () => {
  const { clock, log, set } = rung()
  set('late', 10_000)
  await clock.advance(1000)
  set('soon', 500)
  await clock.advance(520)
  expect(log).toEqual(['soon at 1500'])
  await clock.advance(9000)
  expect(log).toEqual(['soon at 1500', 'late at 10000'])
})

test('alarms can be set again after all have rung', async () => {
  const { clock, log, set } = rung()
  set('one', 10)
  await clock.advance(100)
  set('two', 10)
  await clock.advance(100)
  expect(log).toEqual(['one at 10', 'two at 110'])
})

test('what is cancelled does not ring, the others do, and cancelling twice or late is harmless', async () => {
  const { clock, log, set } = rung()
  const all = ['a', 'b', 'c', 'd', 'e'].map((name, index) => set(name, 100 * (index + 1)))
  for (const index of [1, 1, 4]) all[index]?.cancel()
  await clock.advance(100)
  all[0]?.cancel()
  all[0]?.cancel()
  await clock.advance(1000)
  expect(log).toEqual(['a at 100', 'c at 300', 'd at 400'])
})

test('an alarm that another one cancels in the same instant does not ring', async () => {
  const { clock, alarms } = rung()
  const second = vi.fn()
  const first = vi.fn(() => cancelled.cancel())
  alarms.set(100, first)
  const cancelled = alarms.set(100, second)
  await clock.advance(200)
  expect([first.mock.calls.length, second.mock.calls.length]).toEqual([1, 0])
})

test('thousands of alarms share one sleep, which does not keep the process alive', async () => {
  const clock = simulatedClock(0)
  const sleep = vi.fn(clock.sleep)
  const alarms = createAlarms({ ...clock, now: clock.now, sleep })
  let count = 0
  for (let index = 0; index < 5000; index++) alarms.set(100 + (index % 50) / 10, () => count++)
  expect(clock.pending).toBe(1)
  await clock.advance(200)
  expect(count).toBe(5000)
  expect(sleep.mock.calls.length).toBeLessThan(5)
  for (const call of sleep.mock.calls) expect(call[2]).toBe(true)
})
