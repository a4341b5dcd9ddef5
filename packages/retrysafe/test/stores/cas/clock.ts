import { type Clock, systemClock } from '../../../src/contract/index.js'

/** A clock whose wall stands still until it is told to jump, while naps between tries last as long as they do. */
export interface StandingClock extends Clock {
  jump(ms: number): void
}

export function standingClock(start = 1_767_225_600_000): StandingClock {
  let wall = start
  return {
    ...systemClock,
    now: () => wall,
    jump(ms) {
      wall += ms
    },
  }
}
