/* `retrysafe check` on every engine, as an operator or a pipeline runs it. */
import pg from 'pg'
import { expect, test } from 'vitest'
import { missing, startMariadb, startPostgres, startRedis } from '../../../tools/engines/src/index.js'
import { benchOf } from '../src/check/benches.js'
import { runCheck } from '../src/check/run.js'
import { describeCheck, jsonOfCheck } from '../src/check/verdict.js'
import { storeUrl } from '../src/stores/store-url.js'
import { afterwards, retrysafe, until } from './bench.js'
import { runHere } from './command-line.js'
import { anyAws, type Engine, placeOn } from './store-places.js'

const engines: readonly Engine[] = ['postgres', 'mysql', 'redis', 'redis-cluster', 'dynamodb']

interface Report {
  readonly verdict: string
  readonly store: string
  readonly server: string
  readonly remarks: readonly { readonly level: string; readonly setting: string }[]
  readonly counts: { readonly held: number; readonly skipped: number; readonly broken: number; readonly total: number }
  readonly cases: readonly { readonly name: string; readonly status: string; readonly note?: string }[]
}

const servers: Readonly<Record<Engine, RegExp>> = {
  postgres: /^PostgreSQL \d/,
  mysql: /^(MariaDB|MySQL) \d/,
  redis: /^(Redis|Valkey) \d/,
  'redis-cluster': /^(Redis|Valkey) \d/,
  'redis-sentinel': /^(Redis|Valkey) \d/,
  dynamodb: /^DynamoDB /,
}

test.for(engines)(
  'every promise that can be tried on %s holds, and nothing is left behind',
  { timeout: 300_000 },
  async (engine, context) => {
    const place = await placeOn(engine, context)
    if (engine === 'dynamodb') await runHere(['migrate', place.url], anyAws)
    const before = await place.look()
    const { code, out } = await runHere(['check', '--json'], { ...anyAws, RETRYSAFE_STORE: place.url })
    const report = JSON.parse(out) as Report
    expect(report.cases.filter(({ status }) => status === 'broken')).toEqual([])
    expect(report.counts.held).toBeGreaterThan(250)
    expect(report.counts.held + report.counts.skipped).toBe(report.counts.total)
    expect(report.server).toMatch(servers[engine])
    expect(report.store).not.toContain('@postgres')
    // The shared engines are fast because a crash of theirs may lose everything, which a check has to say.
    const unsafe = report.remarks.some(({ level }) => level === 'unsafe')
    expect([report.verdict, code]).toEqual(unsafe ? ['unsafe', 1] : ['sound', 0])
    expect(await place.look()).toEqual(before)
  },
)

interface Private {
  readonly url: string
  stop(): Promise<void>
}

type Settings = Record<string, string>

interface Weak {
  readonly engine: 'postgres' | 'redis' | 'mysql'
  readonly start: (settings: Settings) => Promise<Private>
  readonly settings: Settings
  /** What is said to be unsafe with these; nothing is with the engine's own. */
  readonly said: readonly string[]
}

const weak: readonly Weak[] = [
  {
    engine: 'postgres',
    start: (settings) => startPostgres({ settings }),
    settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' },
    said: ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'],
  },
  {
    engine: 'redis',
    start: (settings) => startRedis({ settings }),
    settings: { appendonly: 'no', save: '60 1', 'maxmemory-policy': 'allkeys-lru' },
    // How much a Redis keeps is a choice; that it drops live keys is none.
    said: ['maxmemory-policy=allkeys-lru'],
  },
  {
    engine: 'mysql',
    start: (settings) => startMariadb({ settings }),
    settings: { 'innodb-flush-log-at-trx-commit': '2', 'innodb-doublewrite': '0' },
    said: ['innodb_doublewrite=OFF', 'innodb_flush_log_at_trx_commit=2'],
  },
]

test.for(weak)(
  'a $engine that is set to lose what it acknowledged is unsafe, and one as it comes is not',
  { timeout: 120_000 },
  async ({ engine, start, settings, said }, context) => {
    const reason = await missing(engine)
    if (reason !== undefined) return context.skip(reason)
    const unsafeOf = async (given: Settings): Promise<readonly string[]> => {
      const server = await start(given)
      afterwards(() => server.stop())
      const bench = await benchOf(storeUrl(server.url, 'the store'))
      const { remarks } = await bench.facts()
      await bench.clean()
      return remarks.filter(({ level }) => level === 'unsafe').map(({ setting }) => setting)
    }
    const [told, usual] = await Promise.all([unsafeOf(settings), unsafeOf({})])
    expect([...told].sort()).toEqual([...said].sort())
    expect(usual).toEqual([])
  },
)

test('a person reads what held, what was skipped and why, and a verdict at the end', async () => {
  const { code, out: said } = await runHere(['check', 'memory:'])
  expect(code).toBe(0)
  expect(said).toMatch(/^held {4}\w/)
  expect(said).toContain('Skipped:')
  expect(said).toContain('weaker: memory: every key is gone')
  expect(said).toMatch(/\n\d+ held, \d+ skipped, 0 broken, of \d+\nSound: [^\n]+\n$/)
})

test('of a Redis that keeps nothing a check says what a restart forgets, and that the promises were kept', async (context) => {
  const reason = await missing('redis')
  if (reason !== undefined) return context.skip(reason)
  const server = await startRedis({ settings: { appendonly: 'no', save: '' } })
  afterwards(() => server.stop())
  const { code, out } = await runHere(['check', server.url])
  expect(out).toContain('weaker: appendonly=no, save="": a restart of the server forgets every claim and response')
  expect(out).toMatch(/\nSound: [^\n]+\n$/)
  expect(code).toBe(0)
})

test('a program that reads the report gets one document, also where there is nothing to report', async () => {
  const store = 'redis://127.0.0.1:1/0'
  const { code, out } = await runHere(['check', store, '--json'])
  expect(JSON.parse(out)).toEqual({
    verdict: 'broken',
    store,
    problems: [expect.stringContaining('nothing listens at its address')],
  })
  expect(code).toBe(1)
})

test('what could not be cleaned up is no sound verdict, to nobody', async () => {
  const report = { facts: { server: 'any', remarks: [] }, cases: [], total: 0, interrupted: false }
  const left = { store: 'any', problems: ['the table t could not be removed'] }
  expect(jsonOfCheck(report, left)).toMatchObject({ verdict: 'broken', problems: left.problems, server: 'any' })
  expect(describeCheck(report, left).join()).not.toContain('Sound')
  expect(describeCheck(report, { ...left, problems: [] }).join()).toContain('Sound')
})

test('a check is interrupted also while the server does not say what it is', async () => {
  const bench = await benchOf({ kind: 'memory', text: 'memory:' })
  const silent = { ...bench, facts: () => new Promise<never>(() => {}) }
  const report = await runCheck(silent, { began: () => {}, ended: () => {} }, AbortSignal.abort())
  expect(report).toMatchObject({ interrupted: true, cases: [] })
})

test.for<Engine>(['postgres', 'redis'])(
  'a check of %s that is interrupted removes what it made',
  { timeout: 120_000 },
  async (engine, context) => {
    const place = await placeOn(engine, context)
    const before = await place.look()
    const program = retrysafe(['check', place.url])
    await until(() => program.out().split('\n').length > 20)
    if (engine === 'postgres') expect(await place.look()).toHaveLength(before.length + 2)
    program.child.kill('SIGINT')
    expect((await program.exited).code).toBe(1)
    expect(program.out()).toContain('Interrupted: the rest was not tried.')
    expect(await place.look()).toEqual(before)
  },
)

test('who may make no table is told so, in one line', async (context) => {
  const place = await placeOn('postgres', context)
  const url = new URL(place.url)
  const client = new pg.Client({
    connectionString: `${url.origin.replace('null', 'postgres:')}//${url.username}@${url.host}${url.pathname}`,
  })
  await client.connect()
  const role = `r_${crypto.randomUUID().slice(0, 8)}`
  afterwards(async () => {
    await client.query(`DROP OWNED BY "${role}"`)
    await client.query(`DROP ROLE "${role}"`)
    await client.end()
  })
  await client.query(`CREATE ROLE "${role}" LOGIN`)
  url.username = role
  const { code, out, err } = await runHere(['check', String(url)])
  expect([code, out]).toEqual([1, ''])
  expect(err).toMatch(/^retrysafe: The store postgres:[^\n]* cannot be checked: [^\n]*permission denied[^\n]*\n$/)
})
