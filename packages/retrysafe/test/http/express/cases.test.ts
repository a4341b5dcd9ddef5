import { type AdapterCase, type AdapterNeed, adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { type HarnessOptions, openExpress } from './harness.js'

interface Harness extends HarnessOptions {
  /** Which cases can turn out differently here. */
  readonly runs: 'all' | 'responses' | 'fingerprints'
  readonly lacks: Readonly<Partial<Record<AdapterNeed, string>>>
  /** Cases that are decided before the adapter is asked, by words of their names. */
  readonly exceptions?: Readonly<Record<string, RegExp>>
}

const afterRaw: Harness['exceptions'] = {
  'the parser waits for the whole body before the adapter is asked':
    /malformed key is told|declared and not sent|in chunks without an end|asks before it sends its body|refusal of a long upload|no room is told/,
}
const afterParsers: Harness['exceptions'] = {
  'the parser keeps no trace of the difference': /0\.1 and a tiny|a name twice|a lone surrogate|a byte order mark/,
  'the parser refuses what is not JSON': /odd JSON/,
  'what the parser makes of it does not tell the bytes, so nothing runs':
    /2\^53 and|1e400 and|1,001 levels|names of built-in members/,
}

const versions = ['express 5', 'express 4'] as const
const harnesses: readonly Harness[] = versions.flatMap((version): readonly Harness[] => [
  { version, placement: 'app', style: 'writeHead', runs: 'all', lacks: {} },
  { version, placement: 'raw', style: 'events', runs: 'all', lacks: {}, exceptions: afterRaw },
  { version, placement: 'parsed', style: 'events', runs: 'fingerprints', lacks: {}, exceptions: afterParsers },
  { version, placement: 'route', style: 'events', runs: 'responses', lacks: {} },
  { version, placement: 'compressed', style: 'writeHead', runs: 'responses', lacks: {} },
])
const pipelined: Harness = { version: 'express 5', placement: 'route', style: 'pipeline', runs: 'responses', lacks: {} }
const all = [...harnesses, pipelined]

let held = 0

afterAll(() => {
  console.log(`adapter cases held: ${held} of ${adapterCases.length} cases in ${all.length} harnesses of Express`)
})

function isRun({ name, about }: AdapterCase, runs: Harness['runs']): boolean {
  if (runs === 'fingerprints') return /^(a retry may differ|another request is told)/.test(name)
  return runs === 'all' || about === 'responses'
}

for (const { runs, lacks, exceptions = {}, ...harness } of all)
  describe(`retrysafe/express in ${harness.version}, as ${harness.placement}, written by ${harness.style}`, () => {
    for (const adapterCase of adapterCases.filter((one) => isRun(one, runs)))
      test(adapterCase.name, async (context) => {
        const exception = Object.entries(exceptions).find(([, names]) => names.test(adapterCase.name))
        if (exception !== undefined) context.skip(exception[0])
        const result = await runAdapterCase(adapterCase, openExpress(harness), lacks)
        if (result.status === 'skipped') context.skip(result.reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
        held++
      })
  })
