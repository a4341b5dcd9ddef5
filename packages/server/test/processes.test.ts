/* The real program, killed, stopped, stalled and shared, over one SQLite file. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  afterwards,
  ask,
  codeOf,
  folder,
  gate,
  portOf,
  post,
  proxyProgram,
  readBody,
  retrysafe,
  sleep,
  until,
  upstreamOf,
  wireTo,
} from './bench.js'

const fileIn = (path: string): string => `sqlite:${join(path, 'keys.db')}`

test('two proxies on one file send an operation once', async () => {
  const upstream = await upstreamOf(async (_req, res) => {
    await sleep(200)
    res.end(`run ${upstream.count}`)
  })
  const args = ['--upstream', upstream.url, '--store', fileIn(folder()), '--wait', '15s']
  const [a, b] = await Promise.all([proxyProgram(args), proxyProgram(args)])
  const asked = Array.from({ length: 40 }, (_, n) =>
    post(n % 2 === 0 ? a.url : b.url, `key-${n % 4}`, '{}', { host: 'x' }),
  )
  const answers = await Promise.all(asked)
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  expect(upstream.count).toBe(4)
})

test('after kill -9 a completed key replays, and an open one is 409 until its lease ends and then runs', async () => {
  const upstream = await upstreamOf((req, res) => {
    if (req.url === '/hang' && upstream.count < 3) return
    res.end(`run ${upstream.count}`)
  })
  const args = ['--upstream', upstream.url, '--store', fileIn(folder()), '--lease', '6s']
  const host = { host: 'x' }
  const first = await proxyProgram(args)
  expect((await post(`${first.url}/done`, 'done', '{}', host)).body).toBe('run 1')
  const broken = post(`${first.url}/hang`, 'open', '{}', host).catch(() => 'broken')
  await until(() => upstream.count === 2)
  first.child.kill('SIGKILL')
  expect(await broken).toBe('broken')
  const second = await proxyProgram(args)
  const replay = await post(`${second.url}/done`, 'done', '{}', host)
  expect(replay).toMatchObject({ body: 'run 1', headers: { 'idempotent-replayed': 'true' } })
  const seen: number[] = []
  const last = await until(
    async () => {
      const answer = await post(`${second.url}/hang`, 'open', '{}', host)
      seen.push(answer.status)
      return answer
    },
    ({ status }) => status !== 409,
  )
  expect(seen[0]).toBe(409)
  expect(last).toMatchObject({ status: 200, body: 'run 3' })
  expect(second.out()).toContain('took over a key whose attempt had died')
})

test('SIGTERM lets work in flight finish, takes nothing new, and exits 0', async () => {
  const answer = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await answer.passed
    res.end('done')
  })
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', 'memory:'])
  const running = post(proxy.url, 'drain')
  const plain = ask(proxy.url)
  await until(() => upstream.count === 2)
  proxy.child.kill('SIGTERM')
  await until(() => proxy.out().includes('stopping'))
  await expect(ask(proxy.url)).rejects.toThrow('ECONNREFUSED')
  answer.open()
  expect(await running).toMatchObject({ status: 200, body: 'done', headers: { connection: 'close' } })
  expect(await plain).toMatchObject({ status: 200, body: 'done' })
  expect(await proxy.exited).toEqual({ code: 0, signal: null })
})

test('SIGTERM waits for work whose client has left', async () => {
  const answer = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await answer.passed
    res.end('done')
  })
  const args = ['--upstream', upstream.url, '--store', fileIn(folder())]
  const proxy = await proxyProgram(args)
  const wire = await wireTo(proxy.port)
  wire.send('POST / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: left\r\nContent-Length: 0\r\n\r\n')
  await until(() => upstream.count === 1)
  wire.socket.destroy()
  proxy.child.kill('SIGTERM')
  await until(() => proxy.out().includes('stopping'))
  answer.open()
  expect((await proxy.exited).code).toBe(0)
  const next = await proxyProgram(args)
  const headers = { host: 'x', 'idempotency-key': 'left', 'content-length': '0' }
  expect(await ask(next.url, { method: 'POST', headers })).toMatchObject({
    body: 'done',
    headers: { 'idempotent-replayed': 'true' },
  })
})

test('after --drain claims are left to their leases, and the exit code says so', async () => {
  const upstream = await upstreamOf(() => {})
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', 'memory:', '--drain', '200ms'])
  const running = post(proxy.url, 'left').catch(() => 'cut')
  await until(() => upstream.count === 1)
  proxy.child.kill('SIGTERM')
  expect((await proxy.exited).code).toBe(1)
  expect(await running).toBe('cut')
  expect(proxy.out()).toContain('claims were left to their leases')
})

test('a request without a key that outlasts --drain is no reason for another exit code, nor is a WebSocket', async () => {
  const upstream = await upstreamOf(() => {})
  upstream.server.on('upgrade', (_req, socket) => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  const args = ['--upstream', upstream.url, '--store', 'memory:', '--drain']
  const patient = await proxyProgram([...args, '20s'])
  const tunnel = await wireTo(patient.port)
  tunnel.send(upgrade)
  await until(() => tunnel.received().includes('101'))
  patient.child.kill('SIGTERM')
  expect((await patient.exited).code).toBe(0)
  const hasty = await proxyProgram([...args, '200ms'])
  const hanging = ask(hasty.url).catch(() => 'cut')
  await until(() => upstream.count === 1)
  hasty.child.kill('SIGTERM')
  expect((await hasty.exited).code).toBe(0)
  expect(await hanging).toBe('cut')
})

test('a proxy that stood still for longer than its lease, with nobody else asking, delivers its one execution', async () => {
  const upstream = await upstreamOf(async (_req, res) => {
    await sleep(300)
    res.end(`run ${upstream.count}`)
  })
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', fileIn(folder()), '--lease', '300ms'])
  const running = post(proxy.url, 'stall')
  await until(() => upstream.count === 1)
  proxy.child.kill('SIGSTOP')
  await sleep(1200)
  proxy.child.kill('SIGCONT')
  expect(await running).toMatchObject({ status: 200, body: 'run 1' })
  expect(await post(proxy.url, 'stall')).toMatchObject({ body: 'run 1', headers: { 'idempotent-replayed': 'true' } })
  expect(upstream.count).toBe(1)
})

test('a proxy that stood still while another took over never gives its own answer', async () => {
  const upstream = await upstreamOf((_req, res) => {
    if (upstream.count > 1) res.end(`run ${upstream.count}`)
  })
  // Heartbeats are rare enough that none is stopped in the middle of its commit, with the file locked.
  const args = ['--upstream', upstream.url, '--store', fileIn(folder()), '--lease', '2s']
  const [stalled, other] = await Promise.all([proxyProgram(args), proxyProgram(args)])
  const running = post(stalled.url, 'stall', '{}', { host: 'x' })
  await until(() => upstream.count === 1)
  stalled.child.kill('SIGSTOP')
  const winner = await until(
    () => post(other.url, 'stall', '{}', { host: 'x' }),
    ({ status }) => status !== 409,
  )
  expect(winner.body).toBe('run 2')
  stalled.child.kill('SIGCONT')
  const late = await running
  if (late.status === 409) expect(codeOf(late)).toBe('lease_lost')
  else expect(late).toMatchObject({ body: 'run 2', headers: { 'idempotent-replayed': 'true' } })
  expect((await post(stalled.url, 'stall', '{}', { host: 'x' })).body).toBe('run 2')
})

test('a full disk refuses new keys with 503 and runs nothing; what was stored still replays', async (context) => {
  const path = join(folder(), 'small')
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', path], { stdio: 'pipe' })
  } catch {
    context.skip('mounting a small file system needs root')
  }
  afterwards(() => execFileSync('umount', ['-l', path]))
  const upstream = await upstreamOf(async (req, res) =>
    res.end(`run ${upstream.count} ${(await readBody(req)).length}`),
  )
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', fileIn(path)])
  const host = { host: 'x' }
  const first = await post(proxy.url, 'first', '{}', host)
  execFileSync('sh', ['-c', `head -c 1000000 /dev/zero > ${path}/ballast || true`], { stdio: 'pipe' })
  let before = upstream.count
  const refused = await until(
    async () => {
      before = upstream.count
      return post(proxy.url, `key-${Math.random()}`, '{}', host)
    },
    ({ status }) => status === 503,
  )
  expect(['store_full', 'store_unavailable']).toContain(codeOf(refused))
  expect(upstream.count).toBe(before)
  expect(await post(proxy.url, 'first', '{}', host)).toMatchObject({
    body: first.body,
    headers: { 'idempotent-replayed': 'true' },
  })
})

test('the admin port says whether requests should be sent here', async () => {
  const answer = gate()
  const upstream = await upstreamOf(async (_req, res) => {
    await answer.passed
    res.end()
  })
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', 'memory:', '--admin-port', '0'])
  const { adminPort } = JSON.parse(proxy.out().split('\n')[0] ?? '') as { adminPort: number }
  const admin = `http://127.0.0.1:${adminPort}`
  expect(await ask(`${admin}/-/healthz`)).toMatchObject({ status: 200, body: 'ok\n' })
  expect(await ask(`${admin}/-/readyz`)).toMatchObject({ status: 200, body: 'ready\n' })
  expect((await ask(`${admin}/other`)).status).toBe(404)
  const running = post(proxy.url, 'busy')
  await until(() => upstream.count === 1)
  proxy.child.kill('SIGTERM')
  await until(() => proxy.out().includes('stopping'))
  expect(await ask(`${admin}/-/readyz`)).toMatchObject({ status: 503, body: 'draining\n' })
  answer.open()
  expect((await running).status).toBe(200)
  expect((await proxy.exited).code).toBe(0)
})

test('a second signal does not wait', async () => {
  const upstream = await upstreamOf(() => {})
  const proxy = await proxyProgram(['--upstream', upstream.url, '--store', 'memory:', '--drain', '10m'])
  const running = post(proxy.url, 'hang').catch(() => 'cut')
  await until(() => upstream.count === 1)
  proxy.child.kill('SIGINT')
  await until(() => proxy.out().includes('stopping'))
  proxy.child.kill('SIGINT')
  expect((await proxy.exited).code).toBe(1)
  expect(await running).toBe('cut')
})

test('a signal that comes before the proxy listens is heard, and what was begun is ended in order', async () => {
  const opening = gate()
  const closing = gate()
  const silent = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', opening.open)
    void closing.passed.then(() => socket.destroy())
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  afterwards(() => silent.close())
  const store = `postgres://u:p@127.0.0.1:${portOf(silent)}/d`
  const program = retrysafe(['proxy', '--upstream', 'http://127.0.0.1:1', '--port', '0', '--store', store])
  await opening.passed
  program.child.kill('SIGTERM')
  closing.open()
  expect(await program.exited).toEqual({ code: 1, signal: null })
})

test.each(['json', 'lines'])(
  'with --log %s, who reads the log may stop: requests go on being answered',
  async (format) => {
    const upstream = await upstreamOf((_req, res) => res.end('done'))
    const port = await freePort()
    const args = [
      'proxy',
      '--upstream',
      upstream.url,
      '--store',
      'memory:',
      '--port',
      String(port),
      '--admin-port',
      'off',
    ]
    const program = retrysafe([...args, '--allow-anonymous', '--log', format])
    await until(() => program.out().includes('listening'))
    program.child.stdout?.destroy()
    for (const key of ['a', 'b', 'c']) expect((await post(`http://127.0.0.1:${port}`, key)).body).toBe('done')
    program.child.kill('SIGTERM')
    expect(await program.exited).toEqual({ code: 0, signal: null })
  },
)

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const port = portOf(probe)
  await new Promise((resolve) => probe.close(resolve))
  return port
}
