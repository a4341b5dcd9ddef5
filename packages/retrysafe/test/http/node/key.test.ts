import { requireKey } from 'retrysafe/node'
import { expect, test } from 'vitest'
import { listen } from './harness.js'

test('requireKey refuses requests without a key, or with a bad one, and lets all others through', async () => {
  const { port, close } = await listen(
    'http/1.1',
    requireKey()((_request, response) => response.end('done')),
  )
  const ask = (headers: Record<string, string>, method = 'POST') =>
    fetch(`http://127.0.0.1:${port}/charges`, { method, headers })
  const missing = await ask({})
  expect([missing.status, ((await missing.json()) as { code: string }).code]).toEqual([400, 'invalid_key'])
  expect((await ask({ 'idempotency-key': 'a, b' })).status).toBe(400)
  expect(await (await ask({ 'idempotency-key': 'k' })).text()).toBe('done')
  expect(await (await ask({}, 'GET')).text()).toBe('done')
  await close()
})

test('a key that middleware has set counts as one that was sent', async () => {
  const keyed = requireKey()((_request, response) => response.end('done'))
  const { port, close } = await listen('http/1.1', (request, response) => {
    request.headers['idempotency-key'] = 'event-1'
    keyed(request, response)
  })
  expect(await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })).text()).toBe('done')
  await close()
})
