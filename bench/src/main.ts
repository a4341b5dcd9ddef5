/* npm run bench [-- embedded|http|http-growth] [--only express] [--json FILE]: interleaved; ratios are what counts. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { embedded } from './embedded.js'
import { http } from './http.js'
import { httpGrowth } from './http-growth.js'
import type { Row } from './measure.js'

const suites = { embedded, http, 'http-growth': httpGrowth }
/** Growth takes minutes, and says yes or no instead of how fast. */
const byDefault: readonly string[] = ['embedded', 'http']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, only: { type: 'string', multiple: true } },
})
const unknown = positionals.find((name) => !(name in suites))
if (unknown !== undefined) {
  console.error(
    `There is no suite ${unknown}: ${Object.keys(suites).join(', ')}; without one, ${byDefault.join(', ')}.`,
  )
  process.exit(2)
}

let suite = ''
function print(row: Row): void {
  if (row.suite !== suite) console.log(`\n${row.suite}`)
  suite = row.suite
  const digits = { '/s': 0, µs: 1, ms: 2, MB: 1 }[row.unit]
  const figure = row.median.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  console.log(
    `  ${String(row.concurrency).padStart(4)} callers ${figure.padStart(11)}${row.unit}  ${row.ratio.toFixed(2).padStart(6)} x ${row.baseline.padEnd(38)} ${row.subject}`,
  )
}

const rows: Row[] = []
for (const name of positionals.length === 0 ? byDefault : positionals)
  rows.push(...(await suites[name as keyof typeof suites](print, values)))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
