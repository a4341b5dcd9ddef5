/* npm run bench [-- SUITE …] [--only express] [--quick] [--json FILE]: interleaved; ratios are what counts. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { judge } from './aims.js'
import { type Engine, thisMachine } from './machine.js'
import type { Row } from './measure.js'
import { printer } from './print.js'
import type { RunOptions } from './run-options.js'

type Suite = (print: (row: Row) => void, options: RunOptions, engines: Engine[]) => Promise<Row[]>

/** Loaded when they are run: one engine's client is no matter of another's suite. */
const suites: Readonly<Record<string, () => Promise<Suite>>> = {
  memory: async () => (await import('./memory.js')).memory,
  sqlite: async () => (await import('./sqlite.js')).sqlite,
  postgres: async () => (await import('./postgres.js')).postgres,
  mysql: async () => (await import('./mysql.js')).mysql,
  redis: async () => (await import('./redis.js')).redis,
  dynamodb: async () => (await import('./dynamodb.js')).dynamodb,
  growth: async () => (await import('./growth.js')).growth,
  http: async () => (await import('./http.js')).http,
  'http-growth': async () => (await import('./http-growth.js')).httpGrowth,
}
/** What can be asked for together. */
const groups: Readonly<Record<string, readonly string[]>> = {
  stores: ['memory', 'sqlite', 'postgres', 'mysql', 'redis', 'dynamodb'],
}
/** Growth takes minutes, and says yes or no instead of how fast. */
const byDefault: readonly string[] = ['stores', 'http']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
    quick: { type: 'boolean' },
    keys: { type: 'string' },
  },
})

function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}

async function run(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !(name in suites) && !(name in groups))
  if (unknown !== undefined)
    refuse(
      `There is no suite ${unknown}: ${[...Object.keys(suites), ...Object.keys(groups)].join(', ')}, chart; ` +
        `without one, ${byDefault.join(', ')}.`,
    )
  const keys = values.keys === undefined ? undefined : Number(values.keys)
  if (keys !== undefined && !(Number.isInteger(keys) && keys > 0))
    refuse(`--keys ${values.keys}: must be a number of keys, such as 1e6.`)
  const engines: Engine[] = []
  const rows: Row[] = []
  const print = printer()
  for (const name of names.flatMap((one) => groups[one] ?? [one])) {
    const suite = await suites[name]?.()
    if (suite !== undefined)
      rows.push(...(await suite(print, { only: values.only, quick: values.quick, keys }, engines)))
  }
  const judged = judge(rows)
  if (judged.length > 0) console.log('\nAims')
  for (const { what, wanted, got, isMet } of judged)
    console.log(`  ${isMet ? 'met    ' : 'NOT MET'} ${got.padStart(7)} (${wanted})  ${what}`)
  if (values.json === undefined) return
  writeFileSync(values.json, `${JSON.stringify({ machine: thisMachine(), engines, rows }, undefined, 2)}\n`)
}

const [command, ...files] = positionals
if (command === 'chart') (await import('./chart.js')).chart(files)
else await run(positionals.length === 0 ? byDefault : positionals)
