import type { Clock } from '../contract/index.js'

/** A clock that moves only when told to. */
export interface SimulatedClock extends Clock {
  /**
   * Lets time pass. Sleepers wake in the order of their ends, those of one instant in the order in which they went to
   * sleep; what each of them goes on to do without waiting for anything outside runs before time moves on.
   */
  advance(ms: number): Promise<void>
  /** Sets the wall clock forwards or backwards, as an operator or NTP would. Nobody wakes, `monotonic` stays. */
  jump(ms: number): void
  /** How many sleep, background sleepers included. */
  readonly pending: number
}

interface Sleeper {
  readonly end: number
  wake(): void
}

/** 1 January 2026, a Thursday, in UTC. */
const defaultStart = 1_767_225_600_000

/**
 * A clock for tests: deterministic, and a day takes no longer than a millisecond. Give it to whatever takes a `Clock`.
 *
 * @param start what `now` says at first, in milliseconds since the epoch. Default: 1 January 2026.
 * @throws RangeError from `advance` for a negative or an unending time: that is what `jump` is for.
 * @example
 * ```ts
 * import { memoryStore } from 'retrysafe/memory'
 * import { simulatedClock } from 'retrysafe/testkit'
 *
 * const clock = simulatedClock()
 * const store = memoryStore({ clock })
 * await store.begin('charge-42', { leaseMs: 30_000 })
 * await clock.advance(30_000)
 * await store.begin('charge-42') // a new claim: the lease has ended
 * ```
 */
export function simulatedClock(start: number = defaultStart): SimulatedClock {
  let wall = start
  let passed = 0
  const sleepers = new Set<Sleeper>()

  function moveTo(instant: number): void {
    wall += instant - passed
    passed = instant
  }

  return {
    now: () => wall,
    monotonic: () => passed,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const sleeper: Sleeper = {
          end: passed + Math.max(ms, 0),
          wake: () => {
            sleepers.delete(sleeper)
            signal?.removeEventListener('abort', sleeper.wake)
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', sleeper.wake, { once: true })
      }),
    async advance(ms) {
      if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY))
        throw new RangeError(`advance(${ms}): time only passes forwards.`)
      await settle()
      const target = passed + ms
      for (let next = earliest(sleepers); next !== undefined && next.end <= target; next = earliest(sleepers)) {
        moveTo(Math.max(next.end, passed))
        next.wake()
        await settle()
      }
      moveTo(Math.max(target, passed))
    },
    jump(ms) {
      wall += ms
    },
    get pending() {
      return sleepers.size
    },
  }
}

/** The first of those that end first: a Set keeps the order in which they came. */
function earliest(sleepers: ReadonlySet<Sleeper>): Sleeper | undefined {
  let first: Sleeper | undefined
  for (const sleeper of sleepers) if (first === undefined || sleeper.end < first.end) first = sleeper
  return first
}

/** Taken when the module is loaded, so that a test that replaces the timers does not stop this clock. */
const { setTimeout, MessageChannel } = globalThis

/** Resolves once every promise that can go on has done so: a task begins only when no microtask is left. */
async function settle(): Promise<void> {
  // Twice: what a task of the platform (a stream, a message) resumes may go on in a task of its own.
  for (let turn = 0; turn < 2; turn++) await nextTask()
}

function nextTask(): Promise<void> {
  if (MessageChannel === undefined) return new Promise((resolve) => setTimeout(resolve, 0))
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
