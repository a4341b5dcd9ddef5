import { systemClock } from 'retrysafe'
import { type CaseResult, runStoreCase, type StoreCase, storeCases } from 'retrysafe/testkit'
import { reasonOf } from '../stores/reason.js'
import { redact } from '../stores/redact.js'
import type { Bench, Facts } from './bench.js'

/** How a case ended, in words that may be printed. */
export interface CaseReport {
  readonly name: string
  readonly status: CaseResult['status']
  readonly why: string
  /** Why it was skipped, or what was seen instead. */
  readonly note?: string
}

export interface CheckReport {
  readonly facts: Facts
  readonly cases: readonly CaseReport[]
  /** Cases there were. */
  readonly total: number
  readonly interrupted: boolean
}

export interface CheckWatch {
  /** A case begins. */
  began(number: number, total: number, storeCase: StoreCase): void
  ended(report: CaseReport): void
}

/** How long an interrupted case may take to end by itself before its place is removed under it. */
const patienceMs = 5000

/** Runs every case, one after the other, until the signal aborts. Nothing of the bench is removed here. */
export async function runCheck(bench: Bench, watch: CheckWatch, signal: AbortSignal): Promise<CheckReport> {
  const aborted = whenAborted(signal)
  const givenUp = aborted.then(() => systemClock.sleep(patienceMs, undefined, true)).then(() => undefined)
  const facts = (await Promise.race([bench.facts(), aborted])) ?? unknown
  const cases: CaseReport[] = []
  for (const [index, storeCase] of storeCases.entries()) {
    if (signal.aborted) break
    watch.began(index + 1, storeCases.length, storeCase)
    const result = await Promise.race([runStoreCase(storeCase, bench.open), givenUp])
    if (result === undefined) break
    const report = reportOf(storeCase, result)
    cases.push(report)
    watch.ended(report)
  }
  return { facts, cases, total: storeCases.length, interrupted: signal.aborted }
}

const unknown: Facts = { server: 'a server that had not answered yet', remarks: [] }

function whenAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined)
    else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
}

/** What is left out on purpose, by what the case needs. */
const untried: Readonly<Record<string, string>> = {
  limited: 'values as large as the store takes are not tried beside a store in use',
  countable: 'the server removes what is past its retention by itself, some time later',
}

function reportOf({ name, why, needs }: StoreCase, result: CaseResult): CaseReport {
  switch (result.status) {
    case 'held':
      return { name, why, status: 'held' }
    case 'skipped':
      return { name, why, status: 'skipped', note: untried[needs ?? ''] ?? result.reason }
    case 'broken':
      return { name, why, status: 'broken', note: redact(reasonOf(result.error)) }
  }
}
