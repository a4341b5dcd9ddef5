/** One thing to measure. `run` does `count` operations with so many callers at once. */
export interface Subject {
  readonly name: string
  run(count: number, callers: number): Promise<void>
}

export type Unit = '/s' | 'µs' | 'ms' | 'MB'

export interface Row {
  readonly suite: string
  readonly subject: string
  /** What the ratio compares with; the subject itself where it is the measure. */
  readonly baseline: string
  readonly concurrency: number
  /** The median of the rounds. */
  readonly median: number
  /** Of a rate more is better; of a time or a size, less. */
  readonly unit: Unit
  /** Median of the ratios within each round, so that what the machine does meanwhile hits both sides. */
  readonly ratio: number
}

export interface Plan {
  readonly suite: string
  readonly subjects: readonly Subject[]
  readonly baselines: readonly string[]
  readonly callers: readonly number[]
  readonly rounds: number
  /** About how long one subject runs in one round. */
  readonly roundMs: number
}

/** Runs every subject in every round, in a turning order, and compares within rounds. */
export async function measure(plan: Plan, print: (row: Row) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const callers of plan.callers) {
    const counts = new Map<string, number>()
    for (const subject of plan.subjects) counts.set(subject.name, await calibrate(subject, callers, plan.roundMs))
    const rates = new Map<string, number[]>(plan.subjects.map(({ name }) => [name, []]))
    for (let round = 0; round < plan.rounds; round++)
      for (let turn = 0; turn < plan.subjects.length; turn++) {
        const subject = plan.subjects[(turn + round) % plan.subjects.length]
        if (subject === undefined) continue
        rates.get(subject.name)?.push(await rate(subject, counts.get(subject.name) ?? 1, callers))
      }
    for (const { name } of plan.subjects)
      for (const baseline of plan.baselines) {
        if (name === baseline && plan.baselines.length > 1) continue
        const row = compare(plan.suite, name, baseline, callers, rates)
        rows.push(row)
        print(row)
      }
  }
  return rows
}

export function compare(
  suite: string,
  subject: string,
  baseline: string,
  concurrency: number,
  figures: ReadonlyMap<string, readonly number[]>,
  unit: Unit = '/s',
): Row {
  const own = figures.get(subject) ?? []
  const base = figures.get(baseline) ?? []
  const ratios = own.map((value, round) => value / (base[round] ?? Number.NaN))
  return { suite, subject, baseline, concurrency, median: median(own), unit, ratio: median(ratios) }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

async function rate(subject: Subject, count: number, callers: number): Promise<number> {
  const startedAt = performance.now()
  await subject.run(count, callers)
  return (count * 1000) / (performance.now() - startedAt)
}

/** Finds how many operations take about `roundMs`, which also warms the subject up. */
async function calibrate(subject: Subject, callers: number, roundMs: number): Promise<number> {
  let count = callers
  for (;;) {
    const perSecond = await rate(subject, count, callers)
    const tookMs = (count / perSecond) * 1000
    if (tookMs >= roundMs / 2) return Math.max(Math.round((perSecond * roundMs) / 1000), callers)
    count *= 2
  }
}

/** `callers` loops that together do `count` operations, one after the other each. */
export async function inParallel(
  count: number,
  callers: number,
  once: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const loop = async (): Promise<void> => {
    while (next < count) await once(next++)
  }
  await Promise.all(Array.from({ length: Math.min(callers, count) }, loop))
}
