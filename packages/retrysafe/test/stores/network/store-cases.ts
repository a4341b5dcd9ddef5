import { afterAll, describe, expect, test } from 'vitest'
import type { OpenStore } from '../../../src/testkit/store-case.js'
import { runStoreCase, storeCases } from '../../../src/testkit/store-cases.js'

/**
 * Every store case on one opener. `missing` resolves with the reason where the engine cannot be had: then each is
 * skipped with it. How many held and how many were skipped is printed.
 */
export function storeCaseSuite(
  name: string,
  open: OpenStore,
  missing: () => Promise<string | undefined> = async () => undefined,
): void {
  describe(`the store contract on ${name}`, () => {
    const counts = { held: 0, skipped: 0, broken: 0 }
    const reasons = new Set<string>()
    for (const storeCase of storeCases)
      test(storeCase.name, async (context) => {
        const reason = await missing()
        if (reason !== undefined) context.skip(reason)
        const result = await runStoreCase(storeCase, open)
        counts[result.status]++
        if (result.status === 'skipped') {
          reasons.add(result.reason)
          context.skip(result.reason)
        }
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
      })
    afterAll(() => {
      const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped (${[...reasons].join('; ')})`
      console.log(`${name}: ${counts.held} of ${storeCases.length} store cases held${skipped}`)
    })
  })
}
