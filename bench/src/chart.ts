/* npm run bench -- chart FILE.json …: what runs came to, as tables in docs/performance.md and a chart beside it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chartSvg, engineNames } from './chart-svg.js'
import type { Engine, Machine } from './machine.js'
import type { Row } from './measure.js'
import { tables } from './tables.js'

/** What `--json` has written. */
export interface Report {
  readonly machine: Machine
  readonly engines: readonly Engine[]
  readonly rows: readonly Row[]
}

const docs = fileURLToPath(new URL('../../docs/', import.meta.url))
const page = `${docs}performance.md`
const begin = '<!-- figures of the stores: begin, written by npm run bench -- chart -->'
const end = '<!-- figures of the stores: end -->'

/** Takes the place of what earlier runs have left. Several files are taken together: they must be of one machine. */
export function chart(files: readonly string[]): void {
  if (files.length === 0) throw new Error('chart needs the files that --json has written')
  const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Report)
  const [first, ...others] = reports
  if (first === undefined) return
  if (others.some(({ machine }) => machine.cpu !== first.machine.cpu || machine.node !== first.machine.node))
    throw new Error('These runs are of different machines or versions of Node, which no table may mix.')
  const engines = new Map(reports.flatMap((report) => report.engines).map((engine) => [engine.name, engine]))
  const whole: Report = {
    machine: first.machine,
    engines: [...engines.values()],
    rows: reports.flatMap(({ rows }) => rows),
  }
  const text = readFileSync(page, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`${page} does not say where the figures go: ${begin}`)
  const hasChart = whole.rows.some(({ suite }) => (suite.split(':')[0] ?? '') in engineNames)
  if (hasChart) {
    mkdirSync(`${docs}charts`, { recursive: true })
    writeFileSync(`${docs}charts/stores.svg`, chartSvg(whole))
  }
  const image =
    '![Operations per second of each store at 64 callers, beside the bare engine and the peers](charts/stores.svg)\n\n'
  writeFileSync(page, `${text.slice(0, from)}${begin}\n\n${hasChart ? image : ''}${tables(whole)}\n${text.slice(to)}`)
  console.log(`Written: ${page}${hasChart ? ` and ${docs}charts/stores.svg` : ''}`)
}
