import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { memoryStore } from 'retrysafe/memory'
import { idempotent } from 'retrysafe/node'
import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => vi.restoreAllMocks())

function tokenThatEnds(inSeconds: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ exp: Math.floor(Date.now() / 1000) + inSeconds })}.signature`
}

async function post(tokens: readonly string[]): Promise<number> {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const wrap = idempotent({ store: memoryStore(), retentionMs: 3_600_000 })
  const server = createServer(wrap((_request, response) => response.end('done'))).listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const [index, token] of tokens.entries()) {
    const headers = { authorization: `Bearer ${token}`, 'idempotency-key': `key-${index}` }
    expect((await fetch(`http://127.0.0.1:${port}`, { method: 'POST', headers })).status).toBe(200)
  }
  server.closeAllConnections()
  server.close()
  return warn.mock.calls.filter(([message]) => String(message).includes('token expires before the retention')).length
}

test('a token that ends before the retention does is warned of, once', async () => {
  expect(await post([tokenThatEnds(600), tokenThatEnds(600), tokenThatEnds(300)])).toBe(1)
})

test('a token that outlives the retention, or is no JWT, is not warned of', async () => {
  expect(await post([tokenThatEnds(7200), 'opaque', 'a.b.c'])).toBe(0)
})
