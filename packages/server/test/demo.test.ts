/* The demo as somebody runs it who tries it. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ask, folder, post, retrysafe, until, upstreamOf } from './bench.js'

test('npm start’s demo prints three commands that do what they say', async () => {
  const cwd = folder()
  const busy = await upstreamOf((_req, res) => res.end())
  const port = new URL(busy.url).port
  const demo = retrysafe(['demo', '--port', port, '--admin-port', 'off'], { cwd })
  await until(() => demo.out().includes('Ctrl+C'))
  expect(demo.out()).toContain(`port ${port} is in use`)
  expect(demo.out()).toContain('--allow-anonymous is set')
  const commands = demo.out().match(/curl -i .*/g) ?? []
  expect(commands).toHaveLength(3)
  const outputs: string[] = []
  for (const command of commands) outputs.push(execFileSync('sh', ['-c', command], { encoding: 'utf8', stdio: 'pipe' }))
  expect(outputs[0]).toMatch(/^HTTP\/1\.1 201 .*"id":"ch_1","amount":4200/s)
  expect(outputs[1]).toMatch(/^HTTP\/1\.1 201 .*Idempotent-Replayed: true.*"id":"ch_1","amount":4200/s)
  expect(outputs[2]).toMatch(/^HTTP\/1\.1 422 .*"code":"mismatch"/s)
  await until(() => demo.out().includes('refused (mismatch)'))
  const shown = demo
    .out()
    .split('\n')
    .filter((line) => line.includes('POST /charges  key'))
  expect(shown.map((line) => line.trim().split(/ {2,}/)[0])).toEqual(['ran', 'replayed', 'refused (mismatch)'])
  const url = /http:\/\/localhost:\d+/.exec(demo.out())?.[0] ?? ''
  expect(JSON.parse((await ask(`${url}/charges`)).body)).toMatchObject({ charges: [{ id: 'ch_1' }] })
  demo.child.kill('SIGINT')
  expect((await demo.exited).code).toBe(0)
})

test('the demo takes one’s own service instead', async () => {
  const upstream = await upstreamOf((_req, res) => res.end('mine'))
  const demo = retrysafe([
    'demo',
    '--upstream',
    upstream.url,
    '--port',
    '0',
    '--admin-port',
    'off',
    '--store',
    'memory:',
  ])
  await until(() => demo.out().includes('Ctrl+C'))
  expect(demo.out()).not.toContain('in use')
  const url = /http:\/\/localhost:\d+/.exec(demo.out())?.[0] ?? ''
  expect((await post(`${url}/own`, 'own')).body).toBe('mine')
})

test('a demo that is told things that do not go together says so and ends', async () => {
  const args = ['demo', '--port', '0', '--admin-port', 'off', '--store', 'memory:']
  const demo = retrysafe([...args, '--identity-header', 'X-User', '--scope-header', 'X-Tenant'])
  expect((await demo.exited).code).toBe(2)
  expect(demo.err()).toContain('--scope-header says nothing beside --identity-header')
})
