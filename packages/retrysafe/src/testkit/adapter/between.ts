/* What may stand between an adapter and its store. */
import type { IdempotencyStore } from '../../contract/index.js'
import { type Latch, latch } from './scene.js'

type Between = (store: IdempotencyStore) => IdempotencyStore

/** Completions that are asked for and do not reach the store before they may. */
export interface SlowCompletion {
  readonly between: Between
  /** How many completions were asked for. */
  asked(): number
  readonly go: Latch
}

export function slowCompletion(): SlowCompletion {
  const go = latch()
  let asked = 0
  return {
    go,
    asked: () => asked,
    between: (store) => ({
      ...store,
      complete: async (...args) => {
        asked++
        await go.opened
        return store.complete(...args)
      },
    }),
  }
}

/** Claims that are asked for and do not reach the store before they may. */
export function slowBegin(): { readonly between: Between; asked(): number; readonly go: Latch } {
  const go = latch()
  let asked = 0
  return {
    go,
    asked: () => asked,
    between: (store) => ({
      ...store,
      begin: async (...args) => {
        asked++
        await go.opened
        return store.begin(...args)
      },
    }),
  }
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
