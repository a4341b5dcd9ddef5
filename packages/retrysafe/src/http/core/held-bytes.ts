/** Counts the bytes that all requests of a process hold, so that many large ones cannot exhaust its memory. */
export interface HeldBytes {
  /** Whether there is room now. */
  fits(bytes: number): boolean
  /** False where there is no room; then nothing was counted. */
  take(bytes: number): boolean
  give(bytes: number): void
}

export function createHeldBytes(maxBytes: number): HeldBytes {
  let held = 0
  const fits = (bytes: number): boolean => held + bytes <= maxBytes
  return {
    fits,
    take(bytes) {
      if (!fits(bytes)) return false
      held += bytes
      return true
    },
    give(bytes) {
      held -= bytes
    },
  }
}
