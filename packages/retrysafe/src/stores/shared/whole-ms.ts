import type { Clock } from '../../contract/index.js'

/** A clock for records that hold whole numbers; the one that is given may say more. */
export function wholeMs(clock: Clock): Clock {
  return {
    now: () => Math.floor(clock.now()),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal, background) => clock.sleep(ms, signal, background),
  }
}
