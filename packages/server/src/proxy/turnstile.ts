/** Lets in so many at once. The others wait in line, and who gives up waiting is forgotten at once. */
export interface Turnstile {
  /** Calls `inside` as soon as there is a place, and never once the signal has aborted. It is left by `leave`. */
  enter(signal: AbortSignal, inside: (leave: () => void) => void): void
  /** Lets everybody in from now on. */
  open(): void
  /** How many wait. */
  waiting(): number
}

export function createTurnstile(places: number): Turnstile {
  const line = new Set<() => void>()
  let free = places

  function letIn(inside: (leave: () => void) => void): void {
    let isInside = true
    free--
    inside(() => {
      if (!isInside) return
      isInside = false
      free++
      next()
    })
  }

  function next(): void {
    for (const go of line) {
      if (free <= 0) return
      go()
    }
  }

  return {
    enter(signal, inside) {
      if (signal.aborted) return
      if (free > 0) {
        letIn(inside)
        return
      }
      const forget = (): void => {
        line.delete(go)
      }
      const go = (): void => {
        forget()
        signal.removeEventListener('abort', forget)
        letIn(inside)
      }
      signal.addEventListener('abort', forget, { once: true })
      line.add(go)
    },
    open() {
      free = Number.POSITIVE_INFINITY
      next()
    },
    waiting: () => line.size,
  }
}
