import {
  createIdempotency,
  type Idempotency,
  type IdempotencyEvent,
  type IdempotencyOptions,
  type IdempotencyStore,
  isRetrysafeError,
} from 'retrysafe'
import { type MemoryStore, memoryStore } from 'retrysafe/memory'
import { type SimulatedClock, simulatedClock } from 'retrysafe/testkit'
import { expect } from 'vitest'

export interface World {
  readonly clock: SimulatedClock
  /** The store that holds the keys. */
  readonly memory: MemoryStore
  /** Each event of each instance. */
  readonly events: IdempotencyEvent[]
  /** A process of its own on the store. Without jitter, so that waits are as long as they are at most. */
  open(options?: Partial<IdempotencyOptions>): Idempotency
}

/** A memory store and instances on it in a time that only `clock.advance` lets pass. */
export function simulatedWorld(): World {
  const clock = simulatedClock()
  const memory = memoryStore({ clock })
  const events: IdempotencyEvent[] = []
  const observe = (event: IdempotencyEvent): number => events.push(event)
  const open = (options: Partial<IdempotencyOptions> = {}): Idempotency =>
    createIdempotency({ store: memory, clock, observe, random: () => 1, ...options })
  return { clock, memory, events, open }
}

/** The store without what it can do besides the contract: it cannot push. */
export function withoutWake(store: IdempotencyStore): IdempotencyStore {
  const { begin, complete, get, renew, release, purge, close } = store
  return { begin, complete, get, renew, release, purge, close }
}

export function codeOf(error: unknown): string {
  return isRetrysafeError(error) ? error.code : String(error)
}

/** What a promise came to by now, or `pending`. */
export function watched<T>(promise: Promise<T>): { outcome: unknown } {
  const seen: { outcome: unknown } = { outcome: 'pending' }
  promise.then(
    (value) => {
      seen.outcome = value
    },
    (error: unknown) => {
      seen.outcome = codeOf(error)
    },
  )
  return seen
}

export interface Gate {
  readonly passed: Promise<void>
  open(): void
}

/** Work waits at it until the test lets it go on. */
export function gate(): Gate {
  let open = (): void => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open: () => open() }
}

export async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
}
