/* What may stand between an adapter and its store. */
import type { IdempotencyStore } from '../../contract/index.js'
import { type Latch, latch } from './scene.js'

type Between = (store: IdempotencyStore) => IdempotencyStore

/** Calls that are asked for and do not reach the store before they may. */
export interface SlowCalls {
  readonly between: Between
  /** How many were asked for. */
  asked(): number
  readonly go: Latch
}

export function slowCompletion(): SlowCalls {
  return slow((store, arrive) => ({ ...store, complete: (...args) => arrive().then(() => store.complete(...args)) }))
}

export function slowBegin(): SlowCalls {
  return slow((store, arrive) => ({ ...store, begin: (...args) => arrive().then(() => store.begin(...args)) }))
}

function slow(delay: (store: IdempotencyStore, arrive: () => Promise<void>) => IdempotencyStore): SlowCalls {
  const go = latch()
  let asked = 0
  const arrive = async (): Promise<void> => {
    asked++
    await go.opened
  }
  return { go, asked: () => asked, between: (store) => delay(store, arrive) }
}

/** A store whose methods of these names reject. */
export function failing(
  names: readonly ('begin' | 'complete' | 'release' | 'renew' | 'get')[],
  error: () => unknown,
): Between {
  return (store) => {
    const broken = async (): Promise<never> => {
      throw error()
    }
    return { ...store, ...Object.fromEntries(names.map((name) => [name, broken])) }
  }
}
