import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sqliteStore } from 'retrysafe/sqlite'
import { expect, test } from 'vitest'
import { folder, portOf, post, proxyProgram, retrysafe, until, upstreamOf } from './bench.js'
import { runHere as run } from './command-line.js'

const proxy = ['proxy', '--upstream', 'http://127.0.0.1:1', '--port', '0', '--admin-port', 'off', '--store', 'memory:']

test.each<[string[], string]>([
  [['proxy'], '--upstream is missing: give the address of your service'],
  [[...proxy, '--upstream', 'localhost:3000'], 'such as http://localhost:3000'],
  [[...proxy, '--upstream', 'http://u:p@host'], 'without a user, a query or a fragment'],
  [['proxy', '--upstream', 'http://localhost:9', '--port', '9'], 'is this proxy itself'],
  [[...proxy, '--prot', '1'], 'Did you mean --port?'],
  [[...proxy, '--port', '70000'], 'a whole number from 0 to 65535'],
  [[...proxy, '--admin-port', 'on'], 'or off to have none'],
  [[...proxy, '--lease', '30'], 'such as 500ms, 30s, 15m, 24h'],
  [[...proxy, '--lease', '10ms'], 'a duration from 100ms to 24h'],
  [[...proxy, '--retention', '500d'], 'a duration from 1s to 400d'],
  [[...proxy, '--max-body', '10'], 'such as 64KiB, 10MiB or 1GiB'],
  [[...proxy, '--max-stored', '2GiB'], 'a size from 1KiB to 1GiB'],
  [[...proxy, '--remember', 'all'], 'definite or success or everything'],
  [[...proxy, '--after-crash', 'retry'], 'rerun or uncertain'],
  [[...proxy, '--not-applied', '409,x'], 'status codes from 300 to 599'],
  [[...proxy, '--scope-header', 'X Tenant'], 'the name of a request header'],
  [[...proxy, '--identity-header', 'X-User', '--scope-cookie', 's'], 'says nothing beside --identity-header'],
  [[...proxy, '--identity-header', 'X-User', '--allow-anonymous'], 'says nothing beside --identity-header'],
  [[...proxy, '--cors-origin', 'https://shop.example/'], 'no path, no slash at its end'],
  [
    [...proxy, '--store', 'postgres://u:hidden@h/db?shema=x'],
    '--store has a parameter that is not known here: "shema"',
  ],
  [[...proxy, '--store', 'redis://h,i'], '--store has several hosts: add ?cluster=true'],
  [[...proxy, '--store', 'http://h'], 'not in this version'],
  [[...proxy, '--store', 'retrysafe.db'], 'sqlite:PATH'],
  [[...proxy, 'stray'], 'too many arguments'],
  [['proxi'], 'Did you mean proxy?'],
  [['keys', 'list'], '--store is missing'],
  [['keys', 'list', '--store', 'memory:'], 'where no other can look into it'],
  [['keys', 'free', 'k', '--store', 'sqlite:x'], '--attempt'],
  [['check'], 'The store is missing: give it, or set RETRYSAFE_STORE'],
  [['check', 'mysql://h'], 'write mysql://USER:PASSWORD@HOST:PORT/DATABASE'],
  [['migrate'], 'The store is missing'],
  [['migrate', 'memory:'], 'where no other can look into it'],
])('%j is wrong usage and says what would do', async (args, advice) => {
  const { code, out, err } = await run(args)
  expect(err).toContain(advice)
  expect(err).not.toContain('    at ')
  expect(err).not.toContain('hidden')
  expect([code, out]).toEqual([2, ''])
})

test('every wrong flag is named at once, and the program ends with the code of wrong usage', async () => {
  const program = retrysafe([...proxy, '--port', 'x', '--lease', 'y', '--max-body', 'z'])
  expect((await program.exited).code).toBe(2)
  for (const name of ['--port', '--lease', '--max-body']) expect(program.err()).toContain(`retrysafe: ${name} is `)
})

/** Of a server that is not there: whatever is read before it is asked is told apart from that. */
const dead = 'mysql://u@127.0.0.1:1/d'

test.each<[string[]]>([
  [[...proxy, '--store', `${dead}?table=a.b.c`]],
  [['migrate', `${dead}?table=a.b.c`]],
  [['migrate', `${dead}?table=a.b.c`, '--print']],
  [['keys', 'list', '--store', `${dead}?table=a.b.c`]],
  [['keys', 'list', '--store', dead, '--limit', 'x']],
  [['keys', 'list', '--store', dead, '--status', 'x']],
  [['keys', 'free', 'k', '--attempt', 'x', '--store', dead]],
  [['check', 'postgres://127.0.0.1:1/d?schema=1x']],
  [['migrate', 'redis://127.0.0.1:1/0?prefix=']],
])('%j is wrong usage before any server is asked', async (args) => {
  const { code, err } = await run(args)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(code).toBe(2)
})

test('what is no key is wrong usage', async () => {
  const { url } = await storeWithKeys()
  for (const command of ['get', 'delete'])
    expect(await run(['keys', command, '', '--store', url])).toMatchObject({ code: 2, out: '' })
})

test.each<[string[]]>([[['keys', 'list', '--store', dead]], [['migrate', dead]], [['check', dead]]])(
  '%j on a server that is away is no wrong usage',
  async (args) => {
    expect(await run(args)).toMatchObject({ code: 1, out: '' })
  },
)

test('a setting is the flag, else the environment, else the default; an empty variable is unset', async () => {
  const env = { RETRYSAFE_LEASE: '5', RETRYSAFE_PORT: 'x', RETRYSAFE_MAX_BODY: ' ', RETRYSAFE_REQUIRE_KEY: 'maybe' }
  const { code, err } = await run([...proxy, '--lease', '1s'], env)
  expect(code).toBe(2)
  expect(err).toContain('RETRYSAFE_REQUIRE_KEY is "maybe": write true or false.')
  for (const name of ['LEASE', 'PORT', 'MAX_BODY']) expect(err).not.toContain(name)
})

test('all of the proxy can be set by the environment, lists and switches too', async () => {
  const upstream = await upstreamOf((req, res) => res.end(req.headers.host))
  const env = {
    RETRYSAFE_UPSTREAM: upstream.url,
    RETRYSAFE_STORE: 'memory:',
    RETRYSAFE_REWRITE_HOST: 'yes',
    RETRYSAFE_SCOPE_HEADER: 'X-Tenant, X-Shop',
    RETRYSAFE_REQUIRE_KEY: 'false',
  }
  const { url } = await proxyProgram([], env)
  const at = async (tenant: string) => (await post(url, 'same', '{}', { 'x-tenant': tenant })).headers
  expect((await post(url, 'host', '{}', { host: 'other' })).body).toBe(new URL(upstream.url).host)
  await at('a')
  expect(await at('a')).toHaveProperty('idempotent-replayed')
  expect(await at('b')).not.toHaveProperty('idempotent-replayed')
})

test('what Kubernetes says of a service named retrysafe is not taken for a port', async () => {
  const { err } = await run(['proxy'], { RETRYSAFE_PORT: 'tcp://10.0.0.1:8080' })
  expect(err).not.toContain('RETRYSAFE_PORT')
})

test('the help teaches: examples, what happens after a crash, and the variables', async () => {
  const { code, out } = await run(['proxy', '--help'])
  expect(code).toBe(0)
  for (const part of ['--upstream <url>', 'Examples:', 'after a crash', 'RETRYSAFE_MAX_RUN', 'Exit codes:'])
    expect(out).toContain(part)
  for (const text of [await run([]), await run(['help']), await run(['keys', '--help'])])
    expect(`${text.out}${text.err}`).toContain('Usage:')
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(await run(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
})

test.each<[string, (path: string) => string[], string]>([
  ['a folder that does not exist', (path) => ['--store', `sqlite:${path}/none/keys.db`], 'does not exist'],
  ['a folder instead of a file', (path) => ['--store', `sqlite:${path}`], 'is not a file'],
  ['a file that is no database', (path) => ['--store', `sqlite:${junkIn(path)}`], 'is not a database'],
  ['a place where no file can be made', () => ['--store', 'sqlite:/proc/keys.db'], 'cannot be opened'],
  ['an address of another machine', () => ['--host', '203.0.113.5'], '--host'],
])('%s is one clear line and no success', async (_name, args, advice) => {
  const { code, out, err } = await run([...proxy, ...args(folder())])
  expect(err).toContain(advice)
  expect(err.trim().split('\n')).toHaveLength(1)
  expect([code, out]).toEqual([1, ''])
})

function junkIn(path: string): string {
  const file = join(path, 'junk.db')
  writeFileSync(file, 'no database, but long enough to look at. '.repeat(200))
  return file
}

test('a port in use is one clear line that says what to do, for both ports', async () => {
  const busy = await upstreamOf((_req, res) => res.end())
  const port = String(portOf(busy.server))
  for (const args of [
    ['--host', '127.0.0.1', '--port', port],
    ['--admin-port', port],
  ]) {
    const { code, err } = await run([...proxy, ...args])
    expect(err).toContain(`Port ${port} is in use`)
    expect([code, err.trim().split('\n').length]).toEqual([1, 1])
  }
})

async function storeWithKeys(): Promise<{ path: string; url: string }> {
  const path = join(folder(), 'keys.db')
  const store = sqliteStore({ path })
  await store.begin('proxy/a/done')
  await store.complete('proxy/a/done', { secret: 'payload' })
  await store.begin('proxy/a/open')
  await store.begin('serve/b/lost', { afterCrash: 'uncertain', token: 't' })
  await store.renew('serve/b/lost', 't', { leaseMs: 0 })
  await store.close()
  return { path, url: `sqlite:${path}` }
}

test('keys list shows keys and never what they carry', async () => {
  const { url } = await storeWithKeys()
  const all = await run(['keys', 'list', '--store', url])
  expect(all.out.split('\n').map((line) => line.split('\t').slice(0, 3).join(' '))).toEqual([
    'proxy/a/done completed value attempt 1',
    'proxy/a/open in_progress attempt 1',
    'serve/b/lost in_progress attempt 1',
    '',
  ])
  expect(all.out).not.toContain('payload')
  const some = await run(['keys', 'list', '--prefix', 'proxy/', '--status', 'completed', '--json'], {
    RETRYSAFE_STORE: url,
  })
  expect(JSON.parse(some.out)).toMatchObject({ key: 'proxy/a/done', status: 'completed' })
  expect((await run(['keys', 'list', '--store', url, '--status', 'uncertain'])).out).toMatch(/^serve\/b\/lost\t/)
  expect((await run(['keys', 'list', '--store', url, '--limit', '1'])).out.trim().split('\n')).toHaveLength(1)
})

test('keys get shows the response where it is asked for, and only there', async () => {
  const { url } = await storeWithKeys()
  const plain = await run(['keys', 'get', 'proxy/a/done', '--store', url])
  expect(JSON.parse(plain.out)).toMatchObject({ status: 'completed', response: '20 bytes (not shown)' })
  expect(plain.out).not.toContain('payload')
  const shown = await run(['keys', 'get', 'proxy/a/done', '--show-response', '--store', url])
  expect(JSON.parse(shown.out)).toMatchObject({ response: { secret: 'payload' } })
  expect(await run(['keys', 'get', 'none', '--store', url])).toMatchObject({
    code: 1,
    err: 'retrysafe: There is no key none.\n',
  })
})

test('keys free ends the claim of the attempt that is named, and no other', async () => {
  const { path, url } = await storeWithKeys()
  expect((await run(['keys', 'free', 'proxy/a/open', '--attempt', '2', '--store', url])).code).toBe(1)
  expect((await run(['keys', 'free', 'proxy/a/open', '--attempt', '1', '--store', url])).code).toBe(0)
  const store = sqliteStore({ path })
  expect(await store.begin('proxy/a/open')).toMatchObject({ status: 'new' })
  await store.close()
})

test('keys delete forgets a key, and keys purge says how many it deleted', async () => {
  const { path, url } = await storeWithKeys()
  expect((await run(['keys', 'delete', 'proxy/a/done', '--store', url])).code).toBe(0)
  expect((await run(['keys', 'delete', 'proxy/a/done', '--store', url])).code).toBe(1)
  const store = sqliteStore({ path, clock: { now: () => 0, monotonic: () => 0, sleep: () => Promise.resolve() } })
  await store.begin('long over')
  await store.close()
  expect((await run(['keys', 'purge', '--store', url])).out).toBe('purged 1 records\n')
})

test('an operator’s look makes no store where there is none', async () => {
  const path = join(folder(), 'none.db')
  expect(await run(['keys', 'list', '--store', `sqlite:${path}`])).toMatchObject({ code: 1, out: '' })
  expect(existsSync(path)).toBe(false)
})

test('a reader that stops before the end makes no command fail', async () => {
  const { url } = await storeWithKeys()
  const list = retrysafe(['keys', 'list', '--store', url])
  list.child.stdout?.destroy()
  const check = retrysafe(['check', 'memory:', '--verbose'])
  check.child.stdout?.once('data', () => check.child.stdout?.destroy())
  // Its code says that it came to its end, and so has cleaned up.
  expect([await list.exited, await check.exited].map(({ code }) => code)).toEqual([0, 0])
  expect([list.err(), check.err()]).toEqual(['', ''])
})

test('check tries every promise on a real store and leaves nothing behind', async () => {
  const { url } = await storeWithKeys()
  const before = (await run(['keys', 'list', '--store', url])).out.split('\n').length
  const checked = await run(['check', url])
  expect(checked.out).toMatch(/\n\d+ held, \d+ skipped, 0 broken, of \d+\nSound: .*\n$/)
  expect(checked.code).toBe(0)
  expect((await run(['keys', 'list', '--store', url])).out.split('\n')).toHaveLength(before)
})

test('records past their retention are deleted while the proxy runs', async () => {
  const upstream = await upstreamOf((_req, res) => res.end())
  const path = join(folder(), 'keys.db')
  const args = ['--upstream', upstream.url, '--store', `sqlite:${path}`, '--retention', '1s', '--purge-every', '100ms']
  const { url, out } = await proxyProgram(args)
  await post(url, 'short')
  await until(() => out().includes('"records":1'))
})

test('the installed program runs by its name', () => {
  const root = new URL('../../..', import.meta.url)
  expect(execFileSync('npx', ['--no-install', 'retrysafe', '--version'], { cwd: root, encoding: 'utf8' })).toMatch(
    /^\d/,
  )
})
