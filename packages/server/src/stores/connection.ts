import type { Clock, IdempotencyStore } from 'retrysafe'

export interface ConnectOptions {
  readonly clock?: Clock | undefined
  /** How long a statement may take. Default 10 s; migrations get more. */
  readonly statementMs?: number | undefined
  /** Somebody will wait for keys here, and changes be told to others who do: by pushes, where the store has them. */
  readonly wakes?: boolean | undefined
  /** Told once for each loss of a connection that nobody was waiting on; it comes back by itself. */
  readonly onLost?: ((error: unknown) => void) | undefined
}

/** How long a connection may take to be made. */
export const connectMs = 5000
/** Longer than any call of a store, and shorter than a client of the proxy waits. */
export const statementMs = 10_000

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
