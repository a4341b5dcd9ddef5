import { type AdapterNeed, adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type HarnessOptions, openNode } from './harness.js'

interface Harness extends HarnessOptions {
  readonly lacks: Readonly<Partial<Record<AdapterNeed, string>>>
}

const harnesses: readonly Harness[] = [
  { protocol: 'http/1.1', style: 'writeHead', lacks: {} },
  { protocol: 'http/1.1', style: 'pipeline', lacks: {} },
  { protocol: 'http/1.1', style: 'events', lacks: { throws: 'its handler has returned before it could throw' } },
  { protocol: 'http/2', style: 'writeHead', lacks: { raw: 'its bytes are frames', reason: 'it has no status text' } },
]

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
    // How a handler writes makes no difference to what is decided about requests.
    const isWhole = harness.style === 'writeHead'
    for (const adapterCase of adapterCases.filter(({ about }) => isWhole || about === 'responses'))
      test(adapterCase.name, async (context) => {
        const result = await runAdapterCase(adapterCase, openNode(harness), harness.lacks)
        if (result.status === 'skipped') context.skip(result.reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
        held++
      })
  })
