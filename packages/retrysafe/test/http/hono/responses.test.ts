/* What becomes of responses of a Hono app, with Hono's own helpers and middleware around. */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import { streamSSE } from 'hono/streaming'
import { RetrysafeError } from 'retrysafe'
import { idempotent, requireKey } from 'retrysafe/hono'
import { memoryStore } from 'retrysafe/memory'
import { describe, expect, test, vi } from 'vitest'

interface Setting {
  readonly handler: (c: Context) => Response | Promise<Response>
  readonly outside?: readonly MiddlewareHandler[]
  readonly inside?: readonly MiddlewareHandler[]
  readonly options?: { readonly maxStoredBytes?: number }
}

function open({ handler, outside = [], inside = [], options = {} }: Setting) {
  const store = memoryStore()
  const app = new Hono()
  let runs = 0
  for (const one of outside) app.use(one)
  app.use(idempotent({ store, scope: () => 'tenant', ...options }))
  for (const one of inside) app.use(one)
  app.post('/charges', (c) => {
    runs++
    return handler(c)
  })
  const post = (headers: Record<string, string> = {}, path = '/charges') =>
    app.request(path, { method: 'POST', body: '{}', headers: { 'idempotency-key': 'k', ...origin, ...headers } })
  const status = async () => (await store.list({ limit: 9 })).records.map((record) => record.status)
  return { app, store, post, status, runs: () => runs }
}

async function seen(response: Response | Promise<Response>) {
  const { status, headers } = await response
  const body = await (await response).text()
  return { status, body, replayed: headers.get('idempotent-replayed'), headers }
}

const origin = { origin: 'https://shop.example' }

/** So long that it is worth compressing. */
const longText = (count: number) => 'x'.repeat(count)

describe('responses of every kind are replayed', () => {
  const kinds: Readonly<Record<string, readonly [(c: Context) => Response | Promise<Response>, object]>> = {
    'c.json()': [(c) => c.json({ a: 1 }, 201), { status: 201, body: '{"a":1}' }],
    'c.text()': [(c) => c.text('é'), { status: 200, body: 'é' }],
    'c.html()': [(c) => c.html('<p>', 202), { status: 202, body: '<p>' }],
    'c.body(null, 204)': [(c) => c.body(null, 204), { status: 204, body: '' }],
    'c.redirect()': [(c) => c.redirect('/there', 303), { status: 303, body: '' }],
    'c.notFound()': [(c) => c.notFound(), { status: 404, body: '404 Not Found' }],
    'a Response': [() => new Response(new Uint8Array([65])), { status: 200, body: 'A' }],
    'a stream': [() => new Response(new Blob(['ab', 'c']).stream()), { status: 200, body: 'abc' }],
    'a 422 of an HTTPException': [
      () => {
        throw new HTTPException(422, { message: 'no' })
      },
      { status: 422, body: 'no' },
    ],
  }
  for (const [name, [handler, expected]] of Object.entries(kinds))
    test(name, async () => {
      const { post, runs } = open({ handler })
      expect(await seen(post())).toMatchObject({ ...expected, replayed: null })
      const again = await seen(post())
      expect(again).toMatchObject({ ...expected, replayed: 'true' })
      expect(again.headers.get('location')).toBe(name === 'c.redirect()' ? '/there' : null)
      expect(runs()).toBe(1)
    })
})

test('a handler that returns nothing is a 500, and gives the key back', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  const { post, status, runs } = open({ handler: () => undefined as unknown as Response })
  expect((await post()).status).toBe(500)
  expect((await post()).status).toBe(500)
  expect([await status(), runs()]).toEqual([[], 2])
  vi.restoreAllMocks()
})

test('cookies reach the first client, every one, and no other', async () => {
  const { post } = open({
    handler: (c) => {
      c.header('set-cookie', 'a=1', { append: true })
      c.header('set-cookie', 'b=2', { append: true })
      return c.text('ok')
    },
  })
  expect((await post()).headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  const again = await post()
  expect([again.headers.getSetCookie(), again.headers.get('idempotent-replayed')]).toEqual([[], 'true'])
})

test('what onError answers is judged by its status', async () => {
  for (const [status, kept] of [
    [422, true],
    [500, false],
  ] as const) {
    const { app, post, runs } = open({
      handler: () => {
        throw new Error('broken')
      },
    })
    app.onError((error, c) => c.text(error.message, status))
    expect(await seen(post())).toMatchObject({ status, body: 'broken', replayed: null })
    expect(await seen(post())).toMatchObject({ status, replayed: kept ? 'true' : null })
    expect(runs()).toBe(kept ? 1 : 2)
  }
})

test('an error of ours that a handler throws answers its problem, under a key and without', async () => {
  const { app, post } = open({
    handler: () => {
      throw new RetrysafeError('busy', 'Later.')
    },
    outside: [cors({ origin: 'https://shop.example' })],
  })
  app.onError((_error, c) => c.text('the service’s own', 500, { 'content-language': 'en' }))
  for (const headers of [{}, { 'idempotency-key': 'other' }]) {
    const reply = await seen(post(headers))
    expect(reply).toMatchObject({ status: 503, replayed: null })
    expect(JSON.parse(reply.body)).toMatchObject({ code: 'busy' })
    expect(reply.headers.get('access-control-allow-origin')).toBe('https://shop.example')
  }
  const unkeyed = await seen(app.request('/charges', { method: 'POST', body: '{}', headers: origin }))
  expect(unkeyed.headers.get('content-type')).toBe('application/problem+json')
  expect(unkeyed.headers.get('content-language')).toBe(null)
  expect(unkeyed.headers.get('access-control-allow-origin')).toBe('https://shop.example')
})

test('what stands outside wins on replays and is on problems', async () => {
  const set: MiddlewareHandler = async (c, next) => {
    c.header('x-outer', c.req.header('x-who') ?? '')
    c.header('vary', 'Accept-Encoding')
    await next()
  }
  const { post } = open({
    handler: (c) => c.json({ a: 1 }, 201, { 'x-inner': '1' }),
    outside: [cors({ origin: 'https://shop.example' }), secureHeaders(), set],
  })
  const replies = [
    await post({ 'x-who': 'first' }),
    await post({ 'x-who': 'second' }),
    await post({ 'x-who': 'third', 'idempotency-key': '' }),
  ]
  expect(replies.map(({ status, headers }) => [status, headers.get('x-outer'), headers.get('x-inner')])).toEqual([
    [201, 'first', '1'],
    [201, 'second', '1'],
    [400, 'third', null],
  ])
  for (const { headers } of replies) {
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('vary')).toContain('Accept-Encoding')
  }
  expect(replies[2]?.headers.get('content-type')).toBe('application/problem+json')
})

test('a content type that stands outside is not that of what is replayed', async () => {
  const outside: MiddlewareHandler = async (c, next) => {
    c.header('content-type', 'text/plain')
    await next()
  }
  const { post } = open({ handler: (c) => c.json({ a: 1 }), outside: [outside] })
  const types = [await post(), await post()].map(({ headers }) => headers.get('content-type'))
  expect(types).toEqual(['application/json', 'application/json'])
})

test('compression outside compresses replays too, and what is stored is plain', async () => {
  const { post } = open({ handler: (c) => c.text(longText(2000)), outside: [compress()] })
  const zip = { 'accept-encoding': 'gzip' }
  const first = await post(zip)
  expect(first.headers.get('content-encoding')).toBe('gzip')
  expect(await plain(first)).toBe(longText(2000))
  const again = await post(zip)
  expect([again.headers.get('content-encoding'), again.headers.get('idempotent-replayed')]).toEqual(['gzip', 'true'])
  expect(await plain(again)).toBe(longText(2000))
  expect(await seen(post())).toMatchObject({ body: longText(2000), replayed: 'true' })
})

test('compression inside is stored as it went out', async () => {
  const { post } = open({ handler: (c) => c.text(longText(2000)), inside: [compress()] })
  const zip = { 'accept-encoding': 'gzip' }
  expect(await plain(await post(zip))).toBe(longText(2000))
  const again = await post(zip)
  expect([again.headers.get('content-encoding'), again.headers.get('idempotent-replayed')]).toEqual(['gzip', 'true'])
  expect(await plain(again)).toBe(longText(2000))
})

function plain(response: Response): Promise<string> {
  if (response.body === null) throw new Error('there is no body')
  return new Response(response.body.pipeThrough(new DecompressionStream('gzip'))).text()
}

test('the first event reaches the client before the later ones are there', async () => {
  let go = (): void => {}
  const gone = new Promise<void>((resolve) => {
    go = resolve
  })
  const { post, status } = open({
    handler: (c) =>
      streamSSE(c, async (out) => {
        await out.writeSSE({ data: '1' })
        await gone
        await out.writeSSE({ data: '2' })
      }),
  })
  const first = await post()
  const reader = first.body?.getReader()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 1\n\n')
  expect(await status()).toEqual(['in_progress'])
  go()
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('data: 2\n\n')
  expect((await reader?.read())?.done).toBe(true)
  expect(await seen(post())).toMatchObject({ body: 'data: 1\n\ndata: 2\n\n', replayed: 'true' })
})

test('of two on one request the first decides', async () => {
  const inner = memoryStore()
  const { post, runs } = open({
    handler: (c) => c.text('once'),
    inside: [idempotent({ store: inner, scope: () => 'tenant' })],
  })
  expect(await seen(post())).toMatchObject({ replayed: null })
  expect(await seen(post())).toMatchObject({ body: 'once', replayed: 'true' })
  expect([runs(), (await inner.list({ limit: 9 })).records]).toEqual([1, []])
})

test('in an app that is mounted beneath another, the whole path counts', async () => {
  const store = memoryStore()
  const inner = new Hono().basePath('/v1')
  inner.post('/charges', idempotent({ store, scope: () => 'tenant' }), (c) => c.text(c.req.path))
  const app = new Hono().route('/a', inner).route('/b', inner)
  const post = (path: string) => app.request(path, { method: 'POST', headers: { 'idempotency-key': 'k' } })
  expect(await seen(post('/a/v1/charges'))).toMatchObject({ body: '/a/v1/charges', replayed: null })
  expect(await seen(post('/a/v1/charges'))).toMatchObject({ replayed: 'true' })
  expect(await seen(post('/b/v1/charges'))).toMatchObject({ status: 422 })
})

test('a response over maxStoredBytes is delivered whole, and not run again', async () => {
  const bodies: readonly ((c: Context) => Response)[] = [
    (c) => c.text(longText(2000)),
    () => new Response(new Blob([longText(1200), longText(800)]).stream()),
  ]
  for (const handler of bodies) {
    const { post, runs } = open({ handler, options: { maxStoredBytes: 1024 } })
    expect(await seen(post())).toMatchObject({ status: 200, body: longText(2000) })
    const again = await seen(post())
    expect([again.status, JSON.parse(again.body).code, runs()]).toEqual([409, 'response_not_stored', 1])
  }
})

test('requireKey refuses what has no key, with what stands outside, and lets the rest through', async () => {
  const app = new Hono().use(cors({ origin: 'https://shop.example' }))
  app.use(async (c, next) => {
    c.header('x-outer', '1')
    await next()
  })
  app.post('/charges', requireKey(), (c) => c.text('ran'))
  const refused = await app.request('/charges', { method: 'POST', headers: origin })
  expect([refused.status, refused.headers.get('x-outer')]).toEqual([400, '1'])
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://shop.example')
  const passed = await app.request('/charges', { method: 'POST', headers: { 'idempotency-key': 'k' } })
  expect(await passed.text()).toBe('ran')
})

test('a status that an outer middleware has set is no part of what is ours', async () => {
  const teapot: MiddlewareHandler = async (c, next) => {
    c.status(418)
    await next()
  }
  const { post } = open({ handler: (c) => c.text('ok', 201), outside: [teapot] })
  expect((await post({ 'idempotency-key': '' })).status).toBe(400)
  expect((await post()).status).toBe(201)
})

test('a platform that ends with its clients is kept alive until the response is stored, where it gives a context', async () => {
  const { app, status } = open({ handler: (c) => c.text('ok') })
  const waited: Promise<unknown>[] = []
  const context = {
    waitUntil: (work: Promise<unknown>) => void waited.push(work),
    passThroughOnException() {},
    props: {},
  }
  const ask = (headers: Record<string, string>) =>
    app.fetch(new Request('http://a.example/charges', { method: 'POST', body: '{}', headers }), {}, context)
  await (await ask({})).text()
  expect(waited).toEqual([])
  await (await ask({ 'idempotency-key': 'k' })).text()
  expect(waited.length).toBe(1)
  await Promise.all(waited)
  expect(await status()).toEqual(['completed'])
})
