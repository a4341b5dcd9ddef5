import { type Clock, type IdempotencyStore, systemClock } from 'retrysafe'

export interface ConnectOptions {
  readonly clock?: Clock | undefined
  /** How long a statement may take. Default 5 s; commands, for which nobody else waits, get more. */
  readonly statementMs?: number | undefined
  /** Somebody will wait for keys here, and changes be told to others who do: by pushes, where the store has them. */
  readonly wakes?: boolean | undefined
  /** Told once for each loss of a connection that nobody was waiting on; it comes back by itself. */
  readonly onLost?: ((error: unknown) => void) | undefined
}

/** How long a connection may take to be made, or to be free where all are taken. */
export const connectMs = 5000
/**
 * How long a statement may take. A call waits for a connection or for the batch before its own, and then for its
 * statement: about 10 s at most, which is less than a client of the proxy waits, and much less than a lease.
 */
export const statementMs = 5000
/** The same for what an operator runs: to go through all keys takes its time. */
export const commandMs = 60_000

/** Resolves as the work does, but rejects when that takes longer. What it brings too late is given to `late`. */
export function within<T>(ms: number, work: Promise<T>, late: (value: T) => void = () => {}): Promise<T> {
  const answered = new AbortController()
  let isLate = false
  const answer = work.finally(() => answered.abort())
  answer.then(
    (value) => isLate && late(value),
    () => {},
  )
  const limit = systemClock.sleep(ms, answered.signal).then(() => {
    if (answered.signal.aborted) return answer
    isLate = true
    throw Object.assign(new Error('no answer came in time'), { code: 'ETIMEDOUT' })
  })
  return Promise.race([answer, limit])
}

/** A store that owns what it stands on: `close` ends the clients too. */
export function owning<S extends IdempotencyStore>(store: S, end: () => Promise<void>): S {
  let closing: Promise<void> | undefined
  return {
    ...store,
    close: () => {
      closing ??= store.close().finally(end)
      return closing
    },
  }
}
