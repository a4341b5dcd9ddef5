import type { AdapterCase, AdapterNeed, OpenAdapter } from './adapter/adapter-case.js'
import { bodyCases } from './adapter/body-cases.js'
import { departureCases } from './adapter/departure-cases.js'
import { duplicateCases } from './adapter/duplicate-cases.js'
import { errorTableCases } from './adapter/error-table.js'
import { fingerprintCases } from './adapter/fingerprint-cases.js'
import { headerCases } from './adapter/header-cases.js'
import { keyCases } from './adapter/key-cases.js'
import { leaseCases } from './adapter/lease-cases.js'
import { limitCases } from './adapter/limit-cases.js'
import { outageCases } from './adapter/outage-cases.js'
import { scopeCases } from './adapter/scope-cases.js'
import { statusCases } from './adapter/status-cases.js'
import { streamCases } from './adapter/stream-cases.js'
import { wireCases } from './adapter/wire-cases.js'
import type { CaseResult } from './store-cases.js'

/**
 * What every HTTP adapter must hold, as data: one entry a promise, shown over real connections. No test runner is
 * needed, and none of the platform's own modules: whoever runs them gives a server with the adapter, and a client.
 *
 * @example
 * ```ts
 * import { adapterCases, type OpenAdapter, runAdapterCase } from 'retrysafe/testkit'
 *
 * async function check(open: OpenAdapter): Promise<void> {
 *   for (const adapterCase of adapterCases) console.log(adapterCase.name, await runAdapterCase(adapterCase, open))
 * }
 * ```
 */
export const adapterCases: readonly AdapterCase[] = [
  ...about('requests', keyCases, scopeCases, fingerprintCases, errorTableCases),
  ...about('responses', duplicateCases, statusCases, headerCases, bodyCases, streamCases),
  ...about('responses', limitCases, departureCases, leaseCases, outageCases, wireCases),
]

function about(
  theme: AdapterCase['about'],
  ...cases: readonly (readonly Omit<AdapterCase, 'about'>[])[]
): AdapterCase[] {
  return cases.flat().map((one) => ({ ...one, about: theme }))
}

/**
 * Runs one case against an adapter, and never rejects.
 *
 * @param lacks what the adapter cannot show, each with the reason for which its cases are skipped.
 */
export async function runAdapterCase(
  adapterCase: AdapterCase,
  open: OpenAdapter,
  lacks: Readonly<Partial<Record<AdapterNeed, string>>> = {},
): Promise<CaseResult> {
  for (const need of adapterCase.needs) {
    const reason = lacks[need]
    if (reason !== undefined) return { status: 'skipped', reason }
  }
  try {
    await adapterCase.run(open)
    return { status: 'held' }
  } catch (error) {
    return { status: 'broken', error }
  }
}
