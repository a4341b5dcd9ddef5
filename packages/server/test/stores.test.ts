/* Every command on every store, as an operator runs it: the real program on the real engine. */
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { folder, post, proxyProgram, retrysafe, upstreamOf } from './bench.js'
import { anyAws, type Engine, placeOn } from './store-places.js'

const engines: readonly Engine[] = ['postgres', 'mysql', 'redis', 'redis-cluster', 'redis-sentinel', 'dynamodb']

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const program = retrysafe(args, { env: { ...anyAws, ...env } })
  const { code } = await program.exited
  // The SDK of AWS says on every start that it will leave Node 20.
  const err = program
    .err()
    .replace(/^\(node:\d+\) Warning: NodeVersionSupportWarning[\s\S]*?\(Use `node --trace-warnings.*\n/m, '')
  return { code, out: program.out(), err }
}

describe.each(engines)('on %s', (engine) => {
  const hasTables = engine === 'postgres' || engine === 'mysql' || engine === 'dynamodb'

  test('what the store needs is made by migrate, many times at once and again', {
    timeout: 120_000,
  }, async (context) => {
    const { url } = await placeOn(engine, context)
    if (hasTables) {
      const early = await run(['proxy', '--upstream', 'http://127.0.0.1:1', '--port', '0', '--store', url])
      expect(early).toMatchObject({ code: 1, out: '' })
      expect(early.err).toContain('run `retrysafe migrate`')
      expect(early.err.trim().split('\n')).toHaveLength(1)
      expect((await run(['keys', 'list', '--store', url])).code).toBe(1)
    }
    const ended = await Promise.all(
      Array.from({ length: hasTables ? 10 : 1 }, () => run(['migrate'], { RETRYSAFE_STORE: url })),
    )
    expect(ended.filter(({ code }) => code !== 0)).toEqual([])
    expect(await run(['migrate', url])).toMatchObject({ code: 0, out: expect.stringContaining('is ready'), err: '' })
    expect(await run(['keys', 'list', '--store', url])).toEqual({ code: 0, out: 'no keys\n', err: '' })
  })

  test('the proxy sends an operation once, and its keys are looked at and settled', {
    timeout: 120_000,
  }, async (context) => {
    const { url } = await placeOn(engine, context)
    await run(['migrate', url])
    const upstream = await upstreamOf((_req, res) => res.end(`run ${upstream.count}`))
    const env = { ...anyAws, RETRYSAFE_STORE: url }
    const args = ['--upstream', upstream.url, '--wait', '5s']
    const [a, b] = await Promise.all([proxyProgram(args, env), proxyProgram(args, env)])
    const host = { host: 'x' }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => post(n % 2 === 0 ? a.url : b.url, 'charge-42', '{}', host)),
    )
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(['200 run 1']))
    for (const proxy of [a, b]) {
      proxy.child.kill('SIGTERM')
      expect((await proxy.exited).code).toBe(0)
    }
    const key = 'proxy/anonymous/charge-42'
    const listed = await run(['keys', 'list', '--json'], { RETRYSAFE_STORE: url })
    expect(JSON.parse(listed.out)).toMatchObject({ key, status: 'completed', attempt: 1 })
    const shown = await run(['keys', 'get', key, '--store', url])
    expect(JSON.parse(shown.out)).toMatchObject({ key, status: 'completed' })
    expect(await run(['keys', 'free', key, '--attempt', '1', '--store', url])).toMatchObject({ code: 1 })
    expect(await run(['keys', 'purge', '--store', url])).toMatchObject({ code: 0, out: 'purged 0 records\n' })
    expect(await run(['keys', 'delete', key, '--store', url])).toMatchObject({ code: 0, out: `deleted ${key}\n` })
    expect((await run(['keys', 'list', '--store', url])).out).toBe('no keys\n')
  })
})

test.each<[Engine, string]>([
  ['postgres', 'CREATE TABLE IF NOT EXISTS'],
  ['mysql', 'ENGINE=InnoDB'],
])('migrate --print gives the SQL for %s and changes nothing', async (engine, part) => {
  const url =
    engine === 'postgres'
      ? 'postgres://u:hidden@nowhere.invalid/d?schema=own&table=keys'
      : 'mysql://nowhere.invalid/d?table=keys'
  const { code, out, err } = await run(['migrate', url, '--print'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toContain(part)
  expect(out).toContain('keys')
  expect(out).not.toContain('hidden')
})

test('migrate --print says of other stores that they have no SQL', async () => {
  for (const url of ['sqlite:x.db', 'redis://h', 'dynamodb:keys'])
    expect(await run(['migrate', url, '--print'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('has no SQL'),
    })
})

test('a store on SQLite loads the client of no other', () => {
  const main = new URL('../dist/cli/main.js', import.meta.url).href
  const look = `
    import { createRequire } from 'node:module'
    const { main } = await import(${JSON.stringify(main)})
    const code = await main(['migrate', 'sqlite:keys.db'])
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    console.log(JSON.stringify({ code, sqlite: loaded.filter((path) => path.includes('libsql')).length > 0,
      others: loaded.filter((path) => /node_modules.(pg|ioredis|mysql2|@aws-sdk)/.test(path)) }))`
  const args = ['--input-type=module', '--eval', look]
  const said = execFileSync(process.execPath, args, { cwd: folder(), encoding: 'utf8' })
  expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toEqual({ code: 0, sqlite: true, others: [] })
})
