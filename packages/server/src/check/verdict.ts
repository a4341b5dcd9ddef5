import type { CheckReport } from './run.js'

export type Verdict = 'sound' | 'broken' | 'unsafe' | 'interrupted'

/** `broken` outweighs the rest: what was seen to break is no matter of settings. */
export function verdictOf({ cases, facts, interrupted }: CheckReport): Verdict {
  if (cases.some(({ status }) => status === 'broken')) return 'broken'
  if (interrupted) return 'interrupted'
  return facts.remarks.some(({ level }) => level === 'unsafe') ? 'unsafe' : 'sound'
}

export function countsOf({ cases }: CheckReport): { held: number; skipped: number; broken: number } {
  const counts = { held: 0, skipped: 0, broken: 0 }
  for (const { status } of cases) counts[status]++
  return counts
}

export interface CheckAbout {
  readonly store: string
  /** What went wrong with the check itself: it could not be done, or not be cleaned up after. */
  readonly problems: readonly string[]
}

/** The report for a person. Line by line, the verdict last, except where problems are told instead of it. */
export function describeCheck(report: CheckReport, { store, problems }: CheckAbout): readonly string[] {
  const { facts, cases, total } = report
  const { held, skipped, broken } = countsOf(report)
  const of = (status: string) => cases.filter((one) => one.status === status)
  const lines = ['', `${store}: ${facts.server}`]
  if (skipped > 0) lines.push('', 'Skipped:', ...of('skipped').map(({ name, note }) => `  ${name} (${note})`))
  if (facts.remarks.length > 0) lines.push('', 'Settings that weaken promises:', ...facts.remarks.map(describeRemark))
  if (broken > 0) {
    lines.push('', 'Broken, and what that means in production:')
    for (const { name, note, why } of of('broken')) lines.push(`  ${name}`, `    seen: ${note}`, `    meaning: ${why}`)
  }
  lines.push('', `${held} held, ${skipped} skipped, ${broken} broken, of ${total}`)
  if (problems.length === 0) lines.push(sentences[verdictOf(report)])
  return lines
}

function describeRemark({ level, setting, meaning }: CheckReport['facts']['remarks'][number]): string {
  return `  ${level}: ${setting}: ${meaning}.`
}

const sentences: Readonly<Record<Verdict, string>> = {
  sound: 'Sound: every promise that could be tried on this store was kept.',
  broken: 'Broken: do not keep keys in this store. An operation can run twice, or a response be lost.',
  unsafe: 'Unsafe: the promises were kept, but as the server is set, a crash breaks them. See the settings above.',
  interrupted: 'Interrupted: the rest was not tried.',
}

/** The report for a machine: always one document. */
export function jsonOfCheck(report: CheckReport | undefined, { store, problems }: CheckAbout): object {
  const told = problems.length === 0 ? {} : { problems }
  if (report === undefined) return { verdict: 'broken' satisfies Verdict, store, ...told }
  const { facts, cases, total } = report
  return {
    verdict: problems.length === 0 ? verdictOf(report) : ('broken' satisfies Verdict),
    store,
    ...told,
    server: facts.server,
    remarks: facts.remarks,
    counts: { ...countsOf(report), total },
    cases,
  }
}
