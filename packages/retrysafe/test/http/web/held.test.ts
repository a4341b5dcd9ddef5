/* What all requests hold together is counted, and given back however they end. */
import { idempotent } from 'retrysafe/fetch'
import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'

const mebibyte = 1024 * 1024

function ask(key: string, size: number, init: RequestInit = {}): Request {
  const headers = { 'idempotency-key': key, 'content-length': String(size) }
  return new Request('http://h/', { method: 'POST', body: new Uint8Array(size), headers, ...init })
}

test('requests and responses hold no more than they may, and give all of it back', async () => {
  const once = idempotent({ store: memoryStore(), scope: () => 'tenant', maxHeldBytes: mebibyte })
  const size = 600 * 1024
  const handlers: Readonly<Record<string, () => Response>> = {
    whole: () => new Response('ok'),
    nothing: () => new Response(null, { status: 204 }),
    failed: () => new Response('failed', { status: 500 }),
    thrown: () => {
      throw new Error('thrown')
    },
    long: () => new Response(new Uint8Array(size)),
    streamed: () => new Response(slow(new Uint8Array(200 * 1024))),
    broken: () => new Response(slow(new Uint8Array(10), true)),
  }
  for (const [name, handler] of Object.entries(handlers)) {
    const response = await once(handler)(ask(name, size))
    await response.arrayBuffer().catch(() => {})
    await once(handler)(ask(name, size)).then((replay) => replay.arrayBuffer().catch(() => {}))
    // Where something was kept back, two of these have no room.
    const next = await once(() => new Response('room'))(ask(`${name}-after`, 1000 * 1024))
    expect([name, next.status]).toEqual([name, 200])
  }
})

test('a response whose client left gives back what it held', async () => {
  const once = idempotent({ store: memoryStore(), scope: () => 'tenant', maxHeldBytes: mebibyte })
  const waited: Promise<unknown>[] = []
  const context = { waitUntil: (work: Promise<unknown>) => void waited.push(work) }
  const handle = once((_request, _context: object) => new Response(slow(new Uint8Array(200 * 1024))))
  const response = await handle(ask('left', 600 * 1024), context)
  await response.body?.cancel()
  await Promise.all(waited)
  expect((await once(() => new Response('room'))(ask('after', 1000 * 1024))).status).toBe(200)
})

test('while one is held, another that has no room is told to come again', async () => {
  const once = idempotent({ store: memoryStore(), scope: () => 'tenant', maxHeldBytes: mebibyte })
  const size = 600 * 1024
  const handle = once(async () => {
    const refused = await once(() => new Response('ran'))(ask('second', size))
    return Response.json([refused.status, (await refused.json()).code])
  })
  expect(await (await handle(ask('first', size))).json()).toEqual([503, 'busy'])
})

function slow(bytes: Uint8Array<ArrayBuffer>, broken = false): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        await new Promise((resolve) => setImmediate(resolve))
        controller.enqueue(bytes)
        if (broken) controller.error(new Error('broken'))
        else controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
