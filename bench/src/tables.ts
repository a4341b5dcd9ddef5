/* The tables of docs/performance.md. */
import { judge } from './aims.js'
import type { Report } from './chart.js'
import type { Row } from './measure.js'
import { number } from './print.js'

const shownAt = 64
const titles: Readonly<Record<string, string>> = {
  memory: 'Memory',
  sqlite: 'SQLite',
  postgres: 'PostgreSQL',
  mysql: 'MariaDB',
  redis: 'Redis',
  dynamodb: 'DynamoDB, on dynalite',
}

export function tables({ machine, engines, rows }: Report): string {
  const { date, cpu, cores, memoryGb, system, node } = machine
  const versions = engines.map(({ name, version }) => `${name} ${version}`).join(', ')
  const intro = `Run on ${date}: ${cpu}, ${cores} cores, ${memoryGb} GB, ${system}; Node ${node}, ${versions}.\n`
  const byEngine = Object.entries(titles).flatMap(([engine, title]) => engineTable(rows, engine, title))
  return [intro, ...byEngine, ...growthTable(rows), ...aimsTable(rows)].join('\n')
}

function engineTable(rows: readonly Row[], engine: string, title: string): string[] {
  const own = rows.filter(({ suite }) => suite.startsWith(`${engine}: `))
  if (own.length === 0) return []
  const callers = [...new Set(own.map(({ concurrency }) => concurrency))]
  const head = ['what', ...callers.map((count) => `× bare, ${count}`), 'a second', 'p50', 'p99', 'CPU', 'written']
  const lines = [`### ${title}\n`, ...tableHead(head)]
  for (const { suite, subject, baseline } of firstOf(own)) {
    const of = (concurrency: number): Row | undefined =>
      own.find(
        (row) =>
          row.suite === suite &&
          row.subject === subject &&
          row.baseline === baseline &&
          row.concurrency === concurrency,
      )
    const does = suite.slice(engine.length + 2)
    const ratios = callers.map((count) => number(of(count)?.ratio ?? Number.NaN, 2))
    lines.push(line([`${does}: ${code(subject)}`, ...ratios, ...figures(of(shownAt))]))
  }
  return [...lines, '']
}

/** One row a subject, the first, which is the one against the bare engine. */
function firstOf(rows: readonly Row[]): Row[] {
  const seen = new Set<string>()
  return rows.filter(({ suite, subject }) => {
    const id = `${suite} ${subject}`
    return !seen.has(id) && seen.add(id)
  })
}

function figures(row: Row | undefined): string[] {
  if (row === undefined) return ['', '', '', '', '']
  const { p50Ms, p99Ms, cpuMicros, bytes } = row.details ?? {}
  const given = (value: number | undefined, digits: number, unit: string): string =>
    value === undefined ? '–' : `${number(value, digits)} ${unit}`
  return [
    number(row.median, 0),
    given(p50Ms, 2, 'ms'),
    given(p99Ms, 2, 'ms'),
    given(cpuMicros, 1, 'µs'),
    given(bytes, 0, 'B'),
  ]
}

function growthTable(rows: readonly Row[]): string[] {
  const own = rows.filter(({ suite }) => suite.startsWith('growth'))
  if (own.length === 0) return []
  const head = ['what', 'keys stored', 'cost against few', 'a second', 'p50', 'p99', 'CPU', 'written']
  const lines = own.map((row) => line([row.suite, row.subject, number(1 / row.ratio, 2), ...figures(row)]))
  return ['### Growth\n', ...tableHead(head), ...lines, '']
}

function aimsTable(rows: readonly Row[]): string[] {
  const judged = judge(rows)
  if (judged.length === 0) return []
  const lines = judged.map(({ what, wanted, got, isMet }) => line([what, wanted, got, isMet ? 'yes' : '**no**']))
  return ['### Aims\n', ...tableHead(['what', 'aim', 'ratio', 'met']), ...lines, '']
}

function tableHead(titles: readonly string[]): string[] {
  return [line(titles), `|${'---|'.repeat(titles.length)}`]
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

/** Names of packages and functions are code, words are not. */
function code(subject: string): string {
  return /^(@|\w+Store\b)/.test(subject) ? subject.replace(/^[^,]+/, '`$&`') : subject
}
