/* Every command on every store, as an operator runs it, on the real engine. */
import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { folder, post, proxyProgram, retrysafe, upstreamOf } from './bench.js'
import { runHere as run } from './command-line.js'
import { anyAws, type Engine, placeOn } from './store-places.js'

const engines: readonly Engine[] = ['postgres', 'mysql', 'redis', 'redis-cluster', 'redis-sentinel', 'dynamodb']

/** Who we are to an emulator of AWS does not matter, but we must be somebody. */
Object.assign(process.env, anyAws)

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
    const ended = await Promise.all(Array.from({ length: hasTables ? 10 : 1 }, () => run(['migrate', url])))
    expect(ended.filter(({ code }) => code !== 0)).toEqual([])
    expect(await run(['migrate'], { RETRYSAFE_STORE: url })).toMatchObject({
      code: 0,
      out: expect.stringContaining('is ready'),
      err: '',
    })
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
    for (const proxy of [a, b]) proxy.child.kill('SIGTERM')
    for (const proxy of [a, b]) expect((await proxy.exited).code).toBe(0)
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

test('a store that is refused once it is connected lets the program end', async (context) => {
  const { url } = await placeOn('redis', context)
  const program = retrysafe(['keys', 'list', '--store', `${url}${'x'.repeat(300)}`])
  expect((await program.exited).code).toBe(2)
  expect(program.err()).toContain('prefix')
})

test('a store on SQLite, and a check of it, load one SQLite client and the client of no other store', () => {
  const dist = (path: string): string => JSON.stringify(new URL(`../dist/${path}`, import.meta.url).href)
  const look = `
    import { createRequire } from 'node:module'
    const { main } = await import(${dist('cli/main.js')})
    const code = await main(['migrate', 'sqlite:keys.db'])
    const { benchOf } = await import(${dist('check/benches.js')})
    await (await benchOf({ kind: 'sqlite', path: 'keys.db', text: '' })).clean()
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    console.log(JSON.stringify({ code, clients: [process.getBuiltinModule?.('node:sqlite') !== undefined,
      loaded.some((path) => path.includes('libsql'))].filter(Boolean).length,
      others: loaded.filter((path) => /node_modules.(pg|ioredis|mysql2|@aws-sdk)/.test(path)) }))`
  const args = ['--input-type=module', '--eval', look]
  const said = execFileSync(process.execPath, args, { cwd: folder(), encoding: 'utf8' })
  expect(JSON.parse(said.trim().split('\n').at(-1) ?? '')).toEqual({ code: 0, clients: 1, others: [] })
})
