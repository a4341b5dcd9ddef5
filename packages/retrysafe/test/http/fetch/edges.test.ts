/* Requests and responses that are not what they seem, of which a handler of the web's own requests must know. */
import { idempotent } from 'retrysafe/fetch'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
})

function ask(init: RequestInit = {}): Request {
  return new Request('http://h/charges?a=1', {
    ...{ method: 'POST', body: '{}', headers: { 'idempotency-key': 'k' } },
    ...init,
  })
}

function open() {
  const store = memoryStore()
  const statuses = async () => (await store.list({ limit: 9 })).records.map(({ status }) => status)
  return { once: idempotent({ store, scope: () => 'tenant' }), statuses }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('what the stream of a body fails with is its maker’s to answer, and nothing runs', async () => {
  const { once, statuses } = open()
  let runs = 0
  const handle = once(() => new Response(String(++runs)))
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error('over the limit')) })
  await expect(handle(ask({ body, duplex: 'half' } as RequestInit))).rejects.toThrow('over the limit')
  expect([runs, await statuses()]).toEqual([0, []])
})

test('a body that somebody else holds is as good as consumed, and nothing runs', async () => {
  const { once } = open()
  let runs = 0
  const request = ask()
  request.body?.getReader()
  const reply = await once(() => new Response(String(++runs)))(request)
  expect([reply.status, (await reply.json()).code, runs]).toEqual([500, 'body_consumed', 0])
})

test('a body that was unpacked behind its declared length is held to the limit all the same', async () => {
  let runs = 0
  const handle = idempotent({ store: memoryStore(), scope: () => 'tenant', maxBodyBytes: 100 })(
    () => new Response(String(++runs)),
  )
  const headers = { 'idempotency-key': 'k', 'content-length': '10' }
  expect((await handle(ask({ headers, body: 'x'.repeat(101) }))).status).toBe(413)
  expect((await handle(ask({ headers, body: 'x'.repeat(100) }))).status).toBe(200)
  expect(runs).toBe(1)
})

test('what a platform and others put on the request is there under a key too', async () => {
  class PlatformRequest extends Request {
    get nextUrl(): URL {
      return new URL(this.url)
    }
    readonly #country = 'NL'
    country(): string {
      return this.#country
    }
  }
  type Given = PlatformRequest & { params: { id: string } }
  const { once } = open()
  const handle = once(
    async (request: Given) =>
      new Response(`${request.nextUrl.search} ${request.country()} ${request.params.id} ${await request.text()}`),
  )
  const reply = await handle(Object.assign(new PlatformRequest(ask()), { params: { id: '7' } }))
  expect(await reply.text()).toBe('?a=1 NL 7 {}')
})

test('a length that is of something else, as of a body that fetch unpacked, does not cut what is stored', async () => {
  const { once } = open()
  async function* unpacked(): AsyncGenerator<Uint8Array> {
    for (const text of ['00000', '11111', '22222']) {
      await turn()
      yield new TextEncoder().encode(text)
    }
  }
  const handle = once(() => {
    const headers = { 'content-length': '8', 'content-encoding': 'gzip' }
    const pieces = unpacked()
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    })
    return new Response(body, { headers })
  })
  for (const replayed of [null, 'true']) {
    const reply = await handle(ask())
    expect([await reply.text(), reply.headers.get('idempotent-replayed')]).toEqual(['000001111122222', replayed])
  }
})

for (const when of ['at once', 'later'] as const)
  test(`a chunk that is no bytes, ${when}, breaks the response off, and is not run again`, async () => {
    const { once } = open()
    let runs = 0
    const handle = once(() => {
      runs++
      const body = new ReadableStream({
        async pull(controller) {
          if (when === 'later') await turn()
          controller.enqueue('text')
        },
      })
      return new Response(body, { status: 201 })
    })
    const reply = await handle(ask())
    expect(reply.status).toBe(201)
    await expect(reply.text()).rejects.toThrow('must be a Uint8Array')
    expect([(await (await handle(ask())).json()).code, runs]).toEqual(['response_not_stored', 1])
  })

test('Response.error() is a 500, and gives the key back', async () => {
  const { once, statuses } = open()
  expect((await once(() => Response.error())(ask())).status).toBe(500)
  expect(await statuses()).toEqual([])
})
