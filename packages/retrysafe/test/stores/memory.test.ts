import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.js'
import { simulatedClock } from '../../src/testkit/simulated-clock.js'
import type { OpenedStore } from '../../src/testkit/store-case.js'
import { runStoreCase, storeCases } from '../../src/testkit/store-cases.js'

describe('the store contract', () => {
  async function open(): Promise<OpenedStore> {
    const clock = simulatedClock()
    const store = memoryStore({ clock })
    return {
      store,
      scratch: 'case/',
      frozen: true,
      again: async () => store,
      age: async (_key, ms) => clock.jump(ms),
      stored: async () => (await store.list({ prefix: 'case/', limit: 1000 })).records.length,
      close: () => store.close(),
    }
  }

  for (const storeCase of storeCases)
    test(storeCase.name, async (context) => {
      const result = await runStoreCase(storeCase, open)
      if (result.status === 'skipped') context.skip(result.reason)
      if (result.status === 'broken') throw result.error
      expect(result.status).toBe('held')
    })
})
