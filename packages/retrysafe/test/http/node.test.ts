import { adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type HarnessOptions, openNode } from './node-harness.js'

const harnesses: readonly HarnessOptions[] = [
  { style: 'writeHead', protocol: 'http/1.1' },
  { style: 'pipeline', protocol: 'http/1.1' },
  { style: 'events', protocol: 'http/1.1' },
  { style: 'writeHead', protocol: 'http/2' },
]

/** What HTTP/2 does not have. */
const lacksOfHttp2 = {
  raw: 'its bytes are frames',
  reason: 'it has no status text',
}

let held = 0

beforeAll(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
})

afterAll(() => {
  vi.restoreAllMocks()
  console.log(`adapter cases held: ${held} of ${adapterCases.length} cases in ${harnesses.length} harnesses`)
})

for (const harness of harnesses)
  describe(`retrysafe/node over ${harness.protocol}, written by ${harness.style}`, () => {
    const lacks = harness.protocol === 'http/2' ? lacksOfHttp2 : {}
    for (const adapterCase of adapterCases)
      test(adapterCase.name, async (context) => {
        const result = await runAdapterCase(adapterCase, openNode(harness), lacks)
        if (result.status === 'skipped') context.skip(result.reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
        held++
      })
  })
