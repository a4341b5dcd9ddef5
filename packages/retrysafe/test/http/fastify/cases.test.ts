import { type AdapterNeed, adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type HarnessOptions, openFastify } from './harness.js'

interface Harness extends HarnessOptions {
  /** Whether requests make a difference here, or only how the response is written. */
  readonly isWhole: boolean
  readonly lacks: Readonly<Partial<Record<AdapterNeed, string>>>
}

const http2 = { raw: 'its bytes are frames', reason: 'it has no status text' }

const harnesses: readonly Harness[] = [
  { placement: 'plugin', answering: 'return', protocol: 'http/1.1', isWhole: true, lacks: {} },
  { placement: 'route', answering: 'send', protocol: 'http/1.1', isWhole: true, lacks: {} },
  { placement: 'preHandler', answering: 'return', protocol: 'http/1.1', isWhole: true, lacks: {} },
  { placement: 'plugin', answering: 'hijack', protocol: 'http/1.1', isWhole: false, lacks: {} },
  { placement: 'plugin', answering: 'web', protocol: 'http/1.1', isWhole: false, lacks: {} },
  { placement: 'plugin', answering: 'return', protocol: 'http/2', isWhole: true, lacks: http2 },
]

let held = 0

beforeAll(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
})

afterAll(() => {
  vi.restoreAllMocks()
  console.log(`adapter cases held: ${held} of ${adapterCases.length} cases in ${harnesses.length} harnesses of Fastify`)
})

for (const { isWhole, lacks, ...harness } of harnesses)
  describe(`retrysafe/fastify as ${harness.placement} over ${harness.protocol}, answered by ${harness.answering}`, () => {
    for (const adapterCase of adapterCases.filter(({ about }) => isWhole || about === 'responses'))
      test(adapterCase.name, async (context) => {
        const result = await runAdapterCase(adapterCase, openFastify(harness), lacks)
        if (result.status === 'skipped') context.skip(result.reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
        held++
      })
  })
