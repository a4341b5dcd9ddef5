/** The one source of time for everything that waits or judges a lease; a simulated one drives all of it in tests. */
export interface Clock {
  /** Milliseconds since the epoch. May jump. */
  now(): number
  /** Milliseconds that only grow. May stand still while the machine sleeps. */
  monotonic(): number
  /** Resolves after `ms`, or at once when the signal aborts. A background sleep does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal, background?: boolean): Promise<void>
}

/** Timers of the platforms hold a signed 32-bit number of milliseconds; longer sleeps are cut there. */
const longestSleepMs = 2 ** 31 - 1

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal, background = false) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer: unknown = setTimeout(end, Math.min(Math.max(ms, 0), longestSleepMs))
      signal?.addEventListener('abort', end, { once: true })
      if (background) unref(timer)
      function clearTimeout(handle: unknown): void {
        globalThis.clearTimeout(handle as Parameters<typeof globalThis.clearTimeout>[0])
      }
    }),
}

/** Node's timers are objects that can let the process end; elsewhere they are numbers and nothing is to be done. */
function unref(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as { unref(): void }).unref()
}

/** A number from 0 (included) to 1 (excluded), for jitter. */
export type Random = () => number
