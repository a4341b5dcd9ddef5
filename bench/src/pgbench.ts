/* The same statements from PostgreSQL's own program in C: what the engine does when no Node is in the way. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { percentiles, type Run, type Subject } from './measure.js'
import { poolSize, rawPostgres } from './postgres-raw.js'
import { chargeOf, claiming, leaseMs, replayKey, retentionMs } from './store-subjects.js'

export const pgbench: string = `pgbench, ${poolSize} connections`

// As long as every response; pgbench would take a colon before a letter for a variable of its own, and here is none.
const response = JSON.stringify(chargeOf(replayKey(0))).replaceAll("'", "''")
// pgbench knows no random string: two numbers of 64 bits make a key of as many characters.
const key = "'charge:' || to_hex(:a::int8) || to_hex(:b::int8) || '0000'"
const script = `\\set a random(1152921504606846976, 9223372036854775807)
\\set b random(1152921504606846976, 9223372036854775807)
\\set now 1700000000000
INSERT INTO pgbench_raw VALUES (${key}, 0, to_hex(:b::int8) || to_hex(:a::int8) || '0000',
  :now::int8 + ${leaseMs}, :now::int8 + ${leaseMs + retentionMs}, NULL) ON CONFLICT DO NOTHING;
UPDATE pgbench_raw SET status=1, response='${response}', expires_at=:now::int8 + ${retentionMs}
  WHERE key=${key} AND status=0;
`

function findPgbench(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const folders = (existsSync(versions) ? readdirSync(versions) : []).sort((a, b) => Number(b) - Number(a))
  const paths = [
    ...folders.map((version) => join(versions, version, 'bin')),
    ...(process.env.PATH ?? '').split(':').filter((folder) => folder !== ''),
  ]
  return paths.map((folder) => join(folder, 'pgbench')).find((path) => existsSync(path))
}

/** None where pgbench is not installed, and says so. */
export async function pgbenchSubject(server: { readonly port: number }, admin: pg.Pool): Promise<Subject[]> {
  const program = findPgbench()
  if (program === undefined) {
    console.log('Not compared: pgbench is not installed.')
    return []
  }
  await admin.query('CREATE TABLE pgbench_raw (LIKE raw INCLUDING ALL)')
  const completed = async (): Promise<number> => {
    const { rows } = await admin.query<{ count: string }>('SELECT count(*) FROM pgbench_raw WHERE status=1')
    return Number(rows[0]?.count)
  }
  const run = async (ms: number, callers: number): Promise<Run> => {
    const before = await completed()
    const done = await runPgbench(program, server.port, ms, Math.min(callers, poolSize))
    const after = await completed()
    if (after - before !== done.count) throw new Error(`pgbench completed ${after - before} of ${done.count}`)
    return done
  }
  return [{ does: claiming, name: pgbench, baselines: [rawPostgres], isElsewhere: true, run }]
}

/** pgbench counts transactions, not milliseconds: how many take about so long is known from the last run. */
let perMs = 0.1
/** Of fewer, the start of a connection would be most of what is measured. */
const leastEach = 25

async function runPgbench(program: string, port: number, ms: number, clients: number): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-pgbench-'))
  const file = join(folder, 'script.sql')
  writeFileSync(file, script)
  const each = Math.max(Math.round((perMs * ms) / clients), leastEach)
  const { stdout } = await promisify(execFile)(
    program,
    [
      ...['--no-vacuum', '--protocol=prepared', `--file=${file}`, `--client=${clients}`, `--transactions=${each}`],
      ...['--log', `--log-prefix=${join(folder, 'log')}`, `--jobs=${Math.min(clients, 2)}`],
      ...['--host=127.0.0.1', `--port=${port}`, '--username=postgres', 'postgres'],
    ],
    { cwd: folder },
  )
  const perSecond = Number(/^tps = ([\d.]+) \(without initial/m.exec(stdout)?.[1])
  // A line a transaction: client, number, microseconds, …
  const lines = readdirSync(folder)
    .filter((name) => name.startsWith('log'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
  rmSync(folder, { recursive: true, force: true })
  if (lines.length !== each * clients || !(perSecond > 0)) throw new Error(`pgbench said:\n${stdout}`)
  perMs = perSecond / 1000
  return {
    perSecond,
    count: lines.length,
    ...percentiles(Float64Array.from(lines, (line) => Number(line.split(' ')[2]) / 1000)),
  }
}
