import { fencingCases } from './cases/fencing.js'
import { fingerprintCases } from './cases/fingerprints.js'
import { keyCases } from './cases/keys.js'
import { lifetimeCases } from './cases/lifetime.js'
import { lostAnswerCases } from './cases/lost-answers.js'
import { operatorCases } from './cases/operators.js'
import { optionCases } from './cases/options.js'
import { orderCases } from './cases/order.js'
import { progressCases } from './cases/progress.js'
import { purgeCases } from './cases/purge.js'
import { raceCases } from './cases/races.js'
import { retentionCases } from './cases/retention.js'
import { uncertaintyCases } from './cases/uncertainty.js'
import { valueCases } from './cases/values.js'
import { lacks, type OpenStore, type StoreCase } from './store-case.js'

/**
 * What every store must hold, as data: one entry a promise. No test runner is needed, and none of the platform's own
 * modules, so that they run wherever the store does.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'retrysafe/memory'
 * import { runStoreCase, simulatedClock, storeCases, type OpenedStore } from 'retrysafe/testkit'
 *
 * async function open(): Promise<OpenedStore> {
 *   const clock = simulatedClock()
 *   const store = memoryStore({ clock })
 *   return {
 *     store,
 *     scratch: 'check/',
 *     frozen: true,
 *     again: async () => store,
 *     age: async (_key, ms) => clock.jump(ms),
 *     close: () => store.close(),
 *   }
 * }
 *
 * for (const storeCase of storeCases) console.log(storeCase.name, await runStoreCase(storeCase, open))
 * ```
 */
export const storeCases: readonly StoreCase[] = [
  ...orderCases,
  ...fingerprintCases,
  ...lostAnswerCases,
  ...fencingCases,
  ...retentionCases,
  ...progressCases,
  ...uncertaintyCases,
  ...purgeCases,
  ...operatorCases,
  ...raceCases,
  ...keyCases,
  ...valueCases,
  ...optionCases,
  ...lifetimeCases,
]

/** How a case ended. A skip says what the store does not offer. */
export type CaseResult =
  | { readonly status: 'held' }
  | { readonly status: 'skipped'; readonly reason: string }
  | { readonly status: 'broken'; readonly error: unknown }

/** Runs one case against a store: opens it, closes it whatever happens, and never rejects. */
export async function runStoreCase(storeCase: StoreCase, open: OpenStore): Promise<CaseResult> {
  try {
    if (storeCase.needs !== undefined) {
      const opened = await open()
      const reason = lacks(opened, storeCase.needs)
      await opened.close()
      if (reason !== undefined) return { status: 'skipped', reason }
    }
    await storeCase.run(open)
    return { status: 'held' }
  } catch (error) {
    return { status: 'broken', error }
  }
}
