/** What an instance has begun and not yet ended, so that a drain can wait for it. */
export interface OpenWork {
  opened(): void
  /** Once for each `opened`. */
  closed(): void
  /** Keeps `drain` waiting for the promise. */
  background<T>(task: Promise<T>): Promise<T>
  /** Resolves when nothing is open. */
  drain(): Promise<void>
}

export function createOpenWork(): OpenWork {
  let open = 0
  let waiting: (() => void)[] = []

  function closed(): void {
    open -= 1
    if (open > 0 || waiting.length === 0) return
    const drained = waiting
    waiting = []
    for (const resolve of drained) resolve()
  }

  return {
    opened() {
      open += 1
    },
    closed,
    background(task) {
      open += 1
      return task.finally(closed)
    },
    drain: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
