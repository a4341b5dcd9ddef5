export interface Wakes {
  /** Resolves at the next wake of the key, or when the signal aborts. */
  wait(key: string, signal: AbortSignal): Promise<void>
  wake(key: string): void
  wakeAll(): void
}

/** Who waits for which key. A key that nobody waits for costs nothing. */
export function createWakes(): Wakes {
  const waiting = new Map<string, Set<() => void>>()

  function wait(key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const ends = waiting.get(key) ?? new Set()
      const end = (): void => {
        signal.removeEventListener('abort', end)
        ends.delete(end)
        if (ends.size === 0 && waiting.get(key) === ends) waiting.delete(key)
        resolve()
      }
      signal.addEventListener('abort', end, { once: true })
      ends.add(end)
      waiting.set(key, ends)
    })
  }

  function wake(key: string): void {
    if (waiting.size === 0) return
    for (const end of [...(waiting.get(key) ?? [])]) end()
  }

  function wakeAll(): void {
    for (const key of [...waiting.keys()]) wake(key)
  }

  return { wait, wake, wakeAll }
}
