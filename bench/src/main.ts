/* npm run bench [-- embedded|http] [--json FILE]: everything of one suite in one run, interleaved; ratios are what counts. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { embedded } from './embedded.js'
import { http } from './http.js'
import type { Row } from './measure.js'

const suites = { embedded, http }

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } })
const unknown = positionals.find((name) => !(name in suites))
if (unknown !== undefined) {
  console.error(`There is no suite ${unknown}: ${Object.keys(suites).join(', ')}, or none for all.`)
  process.exit(2)
}

let suite = ''
function print(row: Row): void {
  if (row.suite !== suite) console.log(`\n${row.suite}`)
  suite = row.suite
  const rate = Math.round(row.median).toLocaleString('en').padStart(11)
  console.log(
    `  ${String(row.concurrency).padStart(4)} callers ${rate}/s  ${row.ratio.toFixed(2).padStart(6)} x ${row.baseline.padEnd(38)} ${row.subject}`,
  )
}

const rows: Row[] = []
for (const name of positionals.length === 0 ? Object.keys(suites) : positionals)
  rows.push(...(await suites[name as keyof typeof suites](print)))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
