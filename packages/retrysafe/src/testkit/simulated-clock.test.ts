import { expect, test } from 'vitest'
import { simulatedClock } from './simulated-clock.js'

test('time stands still until it is told to pass', async () => {
  const clock = simulatedClock(1000)
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect([clock.now(), clock.monotonic()]).toEqual([1000, 0])
  await clock.advance(250)
  expect([clock.now(), clock.monotonic()]).toEqual([1250, 250])
})

test('sleepers wake in the order of their ends, each at its instant', async () => {
  const clock = simulatedClock(0)
  const woken: string[] = []
  const sleep = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms)
    woken.push(`${name} at ${clock.now()}`)
  }
  const sleeps = [sleep('late', 30), sleep('early', 10), sleep('also early', 10), sleep('never', 31)]
  expect(clock.pending).toBe(4)
  await clock.advance(30)
  expect(woken).toEqual(['early at 10', 'also early at 10', 'late at 30'])
  expect([clock.now(), clock.pending]).toEqual([30, 1])
  await clock.advance(1)
  await Promise.all(sleeps)
})

test('who wakes may sleep again within the same advance, after many promises', async () => {
  const clock = simulatedClock(0)
  const beats: number[] = []
  const beat = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(10)
      for (let hop = 0; hop < 1000; hop++) await Promise.resolve()
      beats.push(clock.now())
    }
  }
  void beat()
  await clock.advance(35)
  expect(beats).toEqual([10, 20, 30])
  expect(clock.now()).toBe(35)
})

test('a sleep that begins in what was already under way is seen', async () => {
  const clock = simulatedClock(0)
  let woken = false
  const work = async (): Promise<void> => {
    await Promise.resolve()
    await clock.sleep(10)
    woken = true
  }
  void work()
  await clock.advance(10)
  expect(woken).toBe(true)
})

test('a jump moves the wall clock alone and wakes nobody', async () => {
  const clock = simulatedClock(1000)
  let woken = false
  const sleeping = clock.sleep(100).then(() => {
    woken = true
  })
  clock.jump(-5000)
  expect([clock.now(), clock.monotonic()]).toEqual([-4000, 0])
  clock.jump(10_000)
  await clock.advance(99)
  expect([clock.now(), clock.monotonic(), woken]).toEqual([6099, 99, false])
  await clock.advance(1)
  await sleeping
  expect(woken).toBe(true)
})

test('a sleep ends at once when its signal aborts, and leaves nothing behind', async () => {
  const clock = simulatedClock()
  const controller = new AbortController()
  const sleeping = clock.sleep(1000, controller.signal, true)
  expect(clock.pending).toBe(1)
  controller.abort()
  await sleeping
  await clock.sleep(1000, controller.signal)
  expect(clock.pending).toBe(0)
})

test('a sleep of no length wakes with the next advance', async () => {
  const clock = simulatedClock(0)
  const sleeping = [clock.sleep(0), clock.sleep(-5)]
  await clock.advance(0)
  await Promise.all(sleeping)
  expect(clock.now()).toBe(0)
})

test('time never passes backwards, nor for ever', async () => {
  const clock = simulatedClock()
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    await expect(clock.advance(ms)).rejects.toThrow(RangeError)
})

test('a day of heartbeats takes no time', async () => {
  const clock = simulatedClock()
  let beats = 0
  const controller = new AbortController()
  const beat = async (): Promise<void> => {
    while (!controller.signal.aborted) {
      await clock.sleep(60_000, controller.signal)
      beats++
    }
  }
  const beating = beat()
  await clock.advance(86_400_000)
  expect(beats).toBe(1440)
  controller.abort()
  await beating
})
