import { expect, test } from 'vitest'
import { turnOf } from './test-order.js'

test('long files begin a run, and those that kill or cut something end it', () => {
  const files = [
    '/x/packages/retrysafe/test/stores/redis/failover.test.ts',
    '/x/packages/retrysafe/test/stores/postgres/crashes.test.ts',
    '/x/packages/server/test/outages.test.ts',
    '/x/packages/retrysafe/test/stores/redis/wakes.test.ts',
    '/x/packages/retrysafe/src/contract/keys.test.ts',
    '/x/packages/retrysafe/test/stores/redis/cases.test.ts',
    '/x/packages/server/test/stores.test.ts',
  ]
  expect(files.map(turnOf)).toEqual([2, 2, 2, 1, 1, 0, 0])
})
