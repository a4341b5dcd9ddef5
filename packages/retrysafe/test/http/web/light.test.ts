/* Light requests of `@hono/node-server` after us: as good as the platform's, and the same operation as Node's. */
import { idempotent, operationOf } from 'retrysafe/fetch'
import { memoryStore } from 'retrysafe/memory'
import { idempotent as idempotentNode } from 'retrysafe/node'
import type { ClientRequest } from 'retrysafe/testkit'
import { afterEach, expect, test } from 'vitest'
import { listen } from '../node/harness.js'
import { exchangeHttp1 } from '../raw-client.js'
import { type Fetch, serveWeb } from './server.js'

const closes: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closes.splice(0)) await close()
})

const request: ClientRequest = {
  method: 'POST',
  target: '/charges?a=1',
  headers: [
    ['Idempotency-Key', 'k'],
    ['Content-Type', 'application/json'],
  ],
  body: new TextEncoder().encode('{"a":"é"}'),
}

async function serve(handler: Fetch, store = memoryStore()) {
  const once = idempotent({ store, scope: () => 'tenant' })
  const served = await serveWeb(once(handler), 'light')
  closes.push(served.close)
  return served
}

const text = new TextDecoder()

const readers: Readonly<Record<string, (given: Request) => Promise<unknown>>> = {
  json: (given) => given.json(),
  text: async (given) => JSON.parse(await given.text()),
  arrayBuffer: async (given) => JSON.parse(text.decode(await given.arrayBuffer())),
  blob: async (given) => JSON.parse(await (await given.blob()).text()),
  clone: async (given) => [await given.clone().json(), await given.json()][1],
  body: (given) => new Response(given.body).json(),
  'new Request': (given) => new Request(given).json(),
}

for (const [name, read] of Object.entries(readers))
  test(`its body is read by ${name}, and only once`, async () => {
    const { exchange } = await serve(async (given) => {
      const before = given.bodyUsed
      const found = await read(given)
      const after = given.bodyUsed
      const again = await given.text().catch((error: Error) => error.name)
      const copy = ((): unknown => {
        try {
          return new Request(given).bodyUsed
        } catch (error) {
          return (error as Error).name
        }
      })()
      return Response.json([before, found, after, again, copy])
    })
    const { body } = await exchange(request).reply
    expect(JSON.parse(text.decode(body))).toEqual([false, { a: 'é' }, true, 'TypeError', 'TypeError'])
  })

test('its signal is that of the operation, whatever its client does', async () => {
  const { exchange } = await serve((given) => Response.json(given.signal === operationOf(given)?.signal))
  expect(text.decode((await exchange(request).reply).body)).toBe('true')
})

test('a request is the same operation by the adapter of Node', async () => {
  const store = memoryStore()
  const { exchange } = await serve(async (given) => Response.json(await given.json(), { status: 201 }), store)
  const handle = idempotentNode({ store, scope: () => 'tenant' })((_request, response) => void response.end('again'))
  const node = await listen('http/1.1', handle)
  closes.push(node.close)
  const first = await exchange(request).reply
  const again = await exchangeHttp1(node.port, request).reply
  expect([first.status, again.status, text.decode(again.body)]).toEqual([201, 201, '{"a":"é"}'])
  const other = { ...request, target: '/charges?a=2' }
  expect((await exchangeHttp1(node.port, other).reply).status).toBe(422)
})
