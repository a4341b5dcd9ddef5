/* The adapter cases in several harnesses of the web, with the reasons for which some cannot be shown. */
import { type AdapterNeed, adapterCases, type OpenAdapter, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

export interface WebHarness {
  readonly name: string
  readonly open: OpenAdapter
  /** Whether requests make a difference here, or only how the response is written. */
  readonly isWhole: boolean
  readonly lacks?: Readonly<Partial<Record<AdapterNeed, string>>>
  /** Single cases, by words of their names, under the reason. */
  readonly without?: Readonly<Record<string, RegExp>>
}

const lacksOfTheWeb = { informational: 'a Response has one head', trailers: 'a Response has no trailers' }

const withoutOfTheWeb: Readonly<Record<string, RegExp>> = {
  'a stream does not say of a chunk that it is the last, so only the end waits':
    /once it is stored: (chunks and a last one with the end|a head of its own and a body)$/,
  'a Response has a head before it can break off': /broken off before its head/,
  'no server tells the source of a response that waits in a pipeline that its client left':
    /wait in a pipeline whose client left/,
  'when a connection ends is up to the server': /refusal of a long upload/,
}

/** Of harnesses in which a middleware in front reads the body. */
export const afterReaders: Readonly<Record<string, RegExp>> = {
  'the reader in front waits for the whole body before the adapter is asked':
    /malformed key is told|declared and not sent|in chunks without an end|asks before it sends its body|no room is told/,
}

/** Of harnesses in which that reader makes text of it, as `c.req.json()` does too. */
export const afterTextReaders: Readonly<Record<string, RegExp>> = {
  ...afterReaders,
  'a text keeps no trace of a byte order mark': /a byte order mark/,
  'a text does not tell bytes that are none, so nothing runs': /equal bytes|bytes that are no text|byte for byte/,
}

export function describeWeb(harnesses: readonly WebHarness[]): void {
  let held = 0
  beforeAll(() => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
  })
  afterAll(() => {
    vi.restoreAllMocks()
    console.log(
      `adapter cases held: ${held} of ${adapterCases.length} cases in ${harnesses.length} harnesses of the web`,
    )
  })
  for (const { name, open, isWhole, lacks, without } of harnesses)
    describe(name, () => {
      const excluded = Object.entries({ ...withoutOfTheWeb, ...without })
      for (const adapterCase of adapterCases.filter(({ about }) => isWhole || about === 'responses'))
        test(adapterCase.name, async (context) => {
          const exception = excluded.find(([, names]) => names.test(adapterCase.name))
          if (exception !== undefined) context.skip(exception[0])
          const result = await runAdapterCase(adapterCase, open, { ...lacksOfTheWeb, ...lacks })
          if (result.status === 'skipped') context.skip(result.reason)
          if (result.status === 'broken') throw result.error
          expect(result.status).toBe('held')
          held++
        })
      test('what is left out are cases that there are', () => {
        for (const [, names] of excluded) expect(adapterCases.some(({ name }) => names.test(name))).toBe(true)
      })
    })
}
