/* Every case of the store contract, on the store of the example. */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from 'retrysafe'
import { type OpenedStore, runStoreCase, storeCases } from 'retrysafe/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kvServer } from './http-kv.js'
import { httpKvStore } from './http-kv-store.js'

const server = kvServer()
let url = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

let opened = 0

async function open(): Promise<OpenedStore> {
  // Hours pass in the cases, on a wall clock that jumps. Losers of a race nap in real time.
  let now = 1_767_225_600_000
  const clock: Clock = { ...systemClock, now: () => now }
  const store = httpKvStore({ url, clock })
  return {
    store,
    // Cases never meet: each has a beginning of its own for its keys.
    scratch: `case-${++opened}/`,
    frozen: true,
    skewMs: 5000,
    limits: { maxValueBytes: 1024 * 1024 },
    age: async (_key, ms) => {
      now += ms
    },
    again: async () => httpKvStore({ url, clock }),
    reopen: async () => httpKvStore({ url, clock }),
    close: () => store.close(),
  }
}

for (const storeCase of storeCases)
  test(storeCase.name, async (context) => {
    const result = await runStoreCase(storeCase, open)
    if (result.status === 'skipped') context.skip(result.reason)
    if (result.status === 'broken') throw result.error
    expect(result.status).toBe('held')
  })

test('docs/write-a-store.md shows the store that was just tested', () => {
  const source = readFileSync(new URL('http-kv-store.ts', import.meta.url), 'utf8')
  const page = readFileSync(new URL('../../docs/write-a-store.md', import.meta.url), 'utf8')
  expect(page).toContain(source.slice(source.indexOf('*/') + 2).trim())
})
