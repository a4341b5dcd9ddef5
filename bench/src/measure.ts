/* Measures subjects in turn: every one in every round, in a turning order, compared within rounds. */

/** One thing to measure. */
export interface Subject {
  /** What it does, such as `claim + complete`. Subjects that do the same are reported together. */
  readonly does: string
  readonly name: string
  /** What it is compared with, the most telling first: a name of a subject that does the same, or `does: name`. */
  readonly baselines: readonly string[]
  /** What it does is done by another process, so that nothing is known of its CPU time. */
  readonly isElsewhere?: boolean
  /** Runs for about so long with so many callers at once. It throws where an answer was wrong. */
  run(ms: number, callers: number): Promise<Run>
}

/** What one run of one subject came to. */
export interface Run {
  readonly perSecond: number
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
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
  /** Medians of the rounds; absent where only a rate was taken. */
  readonly details?: Details
}

/** What else a run says, each figure for one operation. */
export interface Details {
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of this process; the engine has its own. */
  readonly cpuMicros?: number
  /** What the engine says that it wrote; absent where it does not say. */
  readonly bytes?: number
}

export interface Plan {
  readonly suite: string
  readonly subjects: readonly Subject[]
  readonly callers: readonly number[]
  readonly rounds: number
  /** About how long one subject runs in one round. */
  readonly roundMs: number
  /** How many bytes the engine has written so far. */
  readonly written?: (() => Promise<number>) | undefined
  /** Called before each number of callers, to throw away what the last one left. */
  readonly reset?: (() => Promise<void>) | undefined
}

/** How long a suite takes: `quick` only shows that it runs. */
export interface Pace {
  readonly callers: readonly number[]
  readonly rounds: number
  readonly roundMs: number
}

export function paceOf(quick: boolean | undefined): Pace {
  return quick === true
    ? { callers: [1, 64], rounds: 1, roundMs: 20 }
    : { callers: [1, 16, 64, 256], rounds: 9, roundMs: 200 }
}

interface Sample extends Run {
  readonly cpuMicros: number | undefined
  readonly bytes: number | undefined
}

/** A warming round that is thrown away, then the rounds that count. */
export async function measure(plan: Plan, print: (row: Row) => void): Promise<Row[]> {
  const rows: Row[] = []
  for (const callers of plan.callers) {
    await plan.reset?.()
    const samples = new Map<string, Sample[]>(plan.subjects.map((subject) => [idOf(subject), []]))
    for (const subject of plan.subjects) await subject.run(plan.roundMs, callers)
    for (let round = 0; round < plan.rounds; round++)
      for (const index of turningOrder(plan.subjects.length, round)) {
        const subject = plan.subjects[index]
        if (subject === undefined) continue
        samples.get(idOf(subject))?.push(await sample(plan, subject, callers))
      }
    const bySuite = report(plan, callers, samples).sort((a, b) => (a.suite < b.suite ? -1 : a.suite > b.suite ? 1 : 0))
    for (const row of bySuite) {
      rows.push(row)
      print(row)
    }
  }
  return rows
}

/**
 * Another one begins in each round, and each comes after another one: what a subject leaves to its successor, such as
 * garbage or a disk that is still busy, is not always left to the same one.
 */
export function turningOrder(count: number, round: number): number[] {
  const steps = Array.from({ length: count }, (_, step) => step).filter((step) => greatestDivisor(step, count) === 1)
  const step = steps[round % steps.length] ?? 1
  return Array.from({ length: count }, (_, turn) => (round + turn * step) % count)
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}

export function idOf({ does, name }: Pick<Subject, 'does' | 'name'>): string {
  return `${does}: ${name}`
}

function report(plan: Plan, callers: number, samples: ReadonlyMap<string, readonly Sample[]>): Row[] {
  const rates = new Map([...samples].map(([id, all]) => [id, all.map(({ perSecond }) => perSecond)]))
  return plan.subjects.flatMap((subject) => {
    const id = idOf(subject)
    const details = detailsOf(samples.get(id) ?? [])
    return subject.baselines.map((baseline) => {
      const baselineId = samples.has(baseline) ? baseline : idOf({ does: subject.does, name: baseline })
      if (!samples.has(baselineId)) throw new Error(`${id} is compared with ${baseline}, which is not measured.`)
      const { median, ratio } = compare(plan.suite, id, baselineId, callers, rates)
      const { name, does } = subject
      return {
        suite: `${plan.suite}: ${does}`,
        subject: name,
        baseline,
        concurrency: callers,
        median,
        unit: '/s',
        ratio,
        details,
      } satisfies Row
    })
  })
}

function detailsOf(samples: readonly Sample[]): Details {
  const of = (figure: (one: Sample) => number): number => median(samples.map(figure))
  const bytes = of((one) => one.bytes ?? Number.NaN)
  const cpuMicros = of((one) => one.cpuMicros ?? Number.NaN)
  return {
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    ...(Number.isNaN(cpuMicros) ? {} : { cpuMicros }),
    ...(Number.isNaN(bytes) ? {} : { bytes }),
  }
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

async function sample(plan: Plan, subject: Subject, callers: number): Promise<Sample> {
  const writtenBefore = await plan.written?.()
  const cpuBefore = process.cpuUsage()
  const run = await subject.run(plan.roundMs, callers)
  const { user, system } = process.cpuUsage(cpuBefore)
  const written = await plan.written?.()
  return {
    ...run,
    cpuMicros: subject.isElsewhere === true ? undefined : (user + system) / run.count,
    bytes: written === undefined || writtenBefore === undefined ? undefined : (written - writtenBefore) / run.count,
  }
}

/** The newest latencies of a run, made once: what is measured is not to pay for arrays that grow. */
const latencies = new Float64Array(1 << 18)

/** `callers` loops that do one operation after the other until the time is over. */
export async function inParallel(ms: number, callers: number, once: (index: number) => Promise<void>): Promise<Run> {
  let count = 0
  let next = 0
  const startedAt = performance.now()
  const until = startedAt + ms
  const loop = async (): Promise<void> => {
    for (let before = performance.now(); before < until; ) {
      await once(next++)
      const now = performance.now()
      latencies[count++ % latencies.length] = now - before
      before = now
    }
  }
  await Promise.all(Array.from({ length: callers }, loop))
  const tookMs = performance.now() - startedAt
  return { count, perSecond: (count * 1000) / tookMs, ...percentiles(latencies.slice(0, count)) }
}

/** Sorts what it is given. */
export function percentiles(values: Float64Array): Pick<Run, 'p50Ms' | 'p99Ms'> {
  values.sort()
  const at = (share: number): number => values[Math.floor(values.length * share)] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** A subject of one operation in this process. */
export function subject(
  does: string,
  name: string,
  baselines: readonly string[],
  once: (index: number) => Promise<void>,
): Subject {
  return { does, name, baselines, run: (ms, callers) => inParallel(ms, callers, once) }
}
