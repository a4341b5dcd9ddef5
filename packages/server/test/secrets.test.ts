/* A password is in no output, whatever goes wrong, and in no list of processes. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { Redis } from 'ioredis'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { missing, mysqlUrl, postgresUrl, startRedis } from '../../../tools/engines/src/index.js'
import { afterwards, ask, portOf, proxyProgram, until, upstreamOf } from './bench.js'
import { runHere } from './command-line.js'

// Each of these starts several processes.
vi.setConfig({ testTimeout: 120_000 })

const password = 'p@s/s:w?o#r%d&"\'$(x)\\ *+[é]'
const encoded = encodeURIComponent(password)

/** Parts of it that no spelling changes, and the whole in each. */
function expectHidden(text: string): void {
  for (const spelling of [
    password,
    encoded,
    encoded.toLowerCase(),
    JSON.stringify(password).slice(1, -1),
    encodeURI(password),
  ])
    expect(text).not.toContain(spelling)
  expect(text).not.toMatch(/p%40s|p@s|s:w|\$\(x\)/i)
}

async function outputOf(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { out, err } = await runHere(args, env)
  return `${out}${err}`
}

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

test.each(['postgres', 'mysql', 'redis'])(
  '%s that is away is named without its password, by every command',
  async (scheme) => {
    const port = await closedPort()
    const url = `${scheme}://somebody:${encoded}@127.0.0.1:${port}/${scheme === 'redis' ? '0' : 'shop'}`
    const commands = [
      ['proxy', '--upstream', 'http://127.0.0.1:1', '--port', '0'],
      ['keys', 'list'],
      ['migrate'],
      ['check'],
      ['check', '--json'],
    ]
    for (const command of commands) {
      const said = await outputOf(command, { RETRYSAFE_STORE: url })
      expect(said).toContain(`${scheme}://…@127.0.0.1:${port}/`)
      expect(said).toContain('nothing listens at its address (ECONNREFUSED)')
      expectHidden(said)
    }
  },
)

test('PostgreSQL that refuses the password does not make us say it', async (context) => {
  const reason = await missing('postgres')
  const url = await postgresUrl()
  if (reason !== undefined || url === undefined) return context.skip(reason)
  const client = new pg.Client(url)
  await client.connect()
  const role = `r_${crypto.randomUUID().slice(0, 8)}`
  afterwards(async () => {
    await client.query(`DROP ROLE "${role}"`)
    await client.end()
  })
  await client.query(`CREATE ROLE "${role}" LOGIN PASSWORD ${client.escapeLiteral(password)}`)
  const own = new URL(url)
  for (const database of ['postgres', 'no-such-database']) {
    const said = await outputOf(['migrate'], {
      RETRYSAFE_STORE: `postgres://${role}:${encoded}@${own.host}/${database}`,
    })
    expect(said).toContain('postgres://…@')
    expectHidden(said)
  }
})

test('MariaDB that refuses the password does not make us say it', async (context) => {
  const reason = await missing('mysql')
  const url = await mysqlUrl()
  if (reason !== undefined || url === undefined) return context.skip(reason)
  const said = await outputOf(['keys', 'list'], {
    RETRYSAFE_STORE: `mysql://nobody:${encoded}@${new URL(url).host}/shop`,
  })
  expect(said).toContain('Access denied')
  expectHidden(said)
  const connection = await createConnection(url)
  const user = `u_${crypto.randomUUID().slice(0, 8)}`
  afterwards(async () => {
    await connection.query(`DROP USER '${user}'@'%'`)
    await connection.end()
  })
  await connection.query(`CREATE USER '${user}'@'%' IDENTIFIED BY ${connection.escape(password)}`)
  const entered = await outputOf(['keys', 'list'], {
    RETRYSAFE_STORE: `mysql://${user}:${encoded}@${new URL(url).host}/retrysafe`,
  })
  expect(entered).not.toContain('using password')
  expectHidden(entered)
})

test('a proxy whose password is right says it nowhere: not at its start, not when the store is gone, not to a probe', {
  timeout: 90_000,
}, async (context) => {
  const reason = await missing('redis')
  if (reason !== undefined) return context.skip(reason)
  const redis = await startRedis()
  afterwards(() => redis.stop())
  const client = new Redis(redis.url)
  client.on('error', () => {})
  await client.config('SET', 'requirepass', password)
  client.disconnect()
  const at = new URL(redis.url).host
  const wrong = await outputOf(['keys', 'list'], { RETRYSAFE_STORE: `redis://:${encoded}x@${at}` })
  expect(wrong).toContain('WRONGPASS')
  expectHidden(wrong)
  const upstream = await upstreamOf((_req, res) => res.end())
  // On the command line, where it does not belong: no list of processes shows it once the program runs.
  const args = ['--upstream', upstream.url, '--store', `redis://:${encoded}@${at}`, '--admin-port', '0']
  const proxy = await proxyProgram(args)
  expectHidden(readFileSync(`/proc/${proxy.child.pid}/cmdline`, 'utf8'))
  const { adminPort } = JSON.parse(proxy.out().split('\n')[0] ?? '') as { adminPort: number }
  await redis.kill()
  const ready = await until(
    () => ask(`http://127.0.0.1:${adminPort}/-/readyz`),
    ({ status }) => status === 503,
  )
  expect(ready.body).toContain('the store is not ready: ')
  await until(() => proxy.out().includes('a connection to the store broke'))
  proxy.child.kill('SIGTERM')
  await proxy.exited
  expectHidden(`${ready.body}${JSON.stringify(ready.headers)}${proxy.out()}${proxy.err()}`)
})

/** Longer than what is shown of a value that does not do. */
const long = 'zebra'.repeat(20)

test.each<[string[]]>([
  [['proxy', '--upstream', `http://u:${long}@h`]],
  [['proxy', '--upstream', `http://u:${long} ${long}@h`]],
  [['proxy', '--upstream', `postgres://u:${long}@h/d`]],
  [['proxy', '--cors-origin', `https://u:${long}@h`]],
  [['proxy', '--port', `redis://:${long}@h`]],
  [['proxy', '--lease', `postgres://u:${long}@h/d`]],
  [['proxy', '--max-body', `postgres://u:${long}@h/d`]],
  [['proxy', `--stroe=postgres://u:${long}@h/d`]],
  [['keys', 'list', '--limit', `postgres://u:${long}@h/d`, '--store', 'sqlite:x']],
  [['check', `postgres//u:${long}@h/d`]],
  [[`postgres://u:${long}@h/d`]],
])('a password in the wrong place is not said: %j', async (args) => {
  const { code, out, err } = await runHere(args)
  expect(code).toBe(2)
  expect(err).toContain('retrysafe: ')
  expect(`${out}${err}`).not.toContain('zebra')
})

test.each(['proxy', 'keys', 'migrate', 'check'])(
  '%s --help names the variable and shows no password of it',
  async (command) => {
    const said = await outputOf([command, '--help'], { RETRYSAFE_STORE: `postgres://u:${encoded}@h/d` })
    expect(said).toContain('RETRYSAFE_STORE')
    expectHidden(said)
  },
)
