/** What an instance has begun and not yet ended, so that a drain can wait for it. */
export interface OpenWork {
  opened(work: object): void
  closed(work: object): void
  /** Keeps `drain` waiting for the promise. */
  background<T>(task: Promise<T>): Promise<T>
  /** Resolves when nothing is open. */
  drain(): Promise<void>
}

export function createOpenWork(): OpenWork {
  const open = new Set<object>()
  let waiting: (() => void)[] = []

  function closed(work: object): void {
    open.delete(work)
    if (open.size > 0) return
    const drained = waiting
    waiting = []
    for (const resolve of drained) resolve()
  }

  return {
    opened: (work) => open.add(work),
    closed,
    background(task) {
      open.add(task)
      return task.finally(() => closed(task))
    },
    drain: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
