/* What every adapter promises, seen through the proxy. */
import { adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { isLack, lacksOfProxy, openProxy } from './proxy-harness.js'

const seen = { held: 0, skipped: 0 }

afterAll(() => {
  console.log(`adapter cases through the proxy: ${seen.held} held, ${seen.skipped} skipped, of ${adapterCases.length}`)
})

describe('the proxy', () => {
  for (const adapterCase of adapterCases)
    test(adapterCase.name, async (context) => {
      const result = await runAdapterCase(adapterCase, openProxy, lacksOfProxy)
      const reason =
        result.status === 'skipped'
          ? result.reason
          : result.status === 'broken' && isLack(result.error)
            ? result.error.message
            : undefined
      if (reason !== undefined) {
        seen.skipped++
        return context.skip(reason)
      }
      if (result.status === 'broken') throw result.error
      expect(result.status).toBe('held')
      seen.held++
    })
})
