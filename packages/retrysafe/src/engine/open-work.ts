import type { Clock } from '../contract/index.js'

/** What an instance has begun and not yet ended, so that a drain can wait for it. */
export interface OpenWork {
  opened(): void
  /** Once for each `opened`. */
  closed(): void
  /** Resolves when nothing is open. */
  drain(): Promise<void>
}

const holdMs = 60_000

export function createOpenWork(clock: Clock): OpenWork {
  let open = 0
  let waiting: (() => void)[] = []
  let hold: AbortController | undefined

  function closed(): void {
    open -= 1
    if (open > 0 || waiting.length === 0) return
    const drained = waiting
    waiting = []
    hold?.abort()
    hold = undefined
    for (const resolve of drained) resolve()
  }

  /** What is open may sleep in the background only, so that the process could end before it is done. */
  async function keepAlive({ signal }: AbortController): Promise<void> {
    while (!signal.aborted) await clock.sleep(holdMs, signal)
  }

  function drain(): Promise<void> {
    if (open === 0) return Promise.resolve()
    if (hold === undefined) {
      hold = new AbortController()
      void keepAlive(hold)
    }
    return new Promise((resolve) => waiting.push(resolve))
  }

  return {
    opened() {
      open += 1
    },
    closed,
    drain,
  }
}
