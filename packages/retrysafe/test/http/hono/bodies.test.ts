/* The body counts the same before and after Hono's own readers, and is there for whoever reads it after us. */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { idempotent, operationOf } from 'retrysafe/hono'
import { memoryStore } from 'retrysafe/memory'
import { describe, expect, test, vi } from 'vitest'

type Init = { readonly body: RequestInit['body']; readonly type?: string }

function form(text: string): FormData {
  const data = new FormData()
  data.append('note', text)
  data.append('tag', 'a')
  data.append('tag', 'b')
  data.append('file', new File([`${text} in a file`], 'a.txt', { type: 'text/plain' }))
  return data
}

/** Each as the one body, and another. */
const bodies: Readonly<Record<string, readonly [Init, Init]>> = {
  json: [
    { body: '{"amount":1.50,"note":"é"}', type: 'application/json' },
    { body: '{"amount":2,"note":"é"}', type: 'application/json' },
  ],
  text: [
    { body: 'één', type: 'text/plain' },
    { body: 'twee', type: 'text/plain' },
  ],
  urlencoded: [
    { body: 'a=1&b=x+y&a=%C3%A9', type: 'application/x-www-form-urlencoded' },
    { body: 'a=1&b=x+y&a=2', type: 'application/x-www-form-urlencoded' },
  ],
  multipart: [{ body: form('one') }, { body: form('two') }],
  bytes: [
    { body: new Uint8Array([0, 255, 10]), type: 'application/octet-stream' },
    { body: new Uint8Array([0, 254, 10]), type: 'application/octet-stream' },
  ],
}

const readers: Readonly<Record<string, (c: Context) => Promise<unknown>>> = {
  'c.req.json()': (c) => c.req.json(),
  'c.req.text()': (c) => c.req.text(),
  'c.req.arrayBuffer()': (c) => c.req.arrayBuffer(),
  'c.req.parseBody()': (c) => c.req.parseBody({ all: true }),
  'c.req.formData()': (c) => c.req.formData(),
  'c.req.blob()': (c) => c.req.blob(),
}

/** Which readers tell the whole of which body. */
const pairs: readonly (readonly [reader: string, body: string])[] = [
  ...['c.req.json()', 'c.req.text()', 'c.req.arrayBuffer()', 'c.req.blob()'].map((r) => [r, 'json'] as const),
  ...['c.req.text()', 'c.req.arrayBuffer()', 'c.req.blob()'].map((r) => [r, 'text'] as const),
  ...['c.req.arrayBuffer()', 'c.req.parseBody()', 'c.req.formData()', 'c.req.text()', 'c.req.blob()'].map(
    (r) => [r, 'urlencoded'] as const,
  ),
  ...['c.req.arrayBuffer()', 'c.req.parseBody()', 'c.req.formData()', 'c.req.blob()'].map(
    (r) => [r, 'multipart'] as const,
  ),
  ...['c.req.arrayBuffer()', 'c.req.blob()'].map((r) => [r, 'bytes'] as const),
]

function open(handler: (c: Context) => unknown = () => 'ran', before?: MiddlewareHandler, store = memoryStore()) {
  const app = new Hono()
  let runs = 0
  if (before !== undefined) app.use(before)
  app.post('/charges', idempotent({ store, scope: () => 'tenant' }), async (c) => {
    runs++
    return c.json({ found: await handler(c) }, 201)
  })
  return { store, app, runs: () => runs }
}

/** Each multipart body is made anew, as a client does: the boundary is another. */
async function post(app: Hono, { body, type }: Init) {
  const headers = { 'idempotency-key': 'k', ...(type === undefined ? {} : { 'content-type': type }) }
  const response = await app.request('/charges', { method: 'POST', body: body ?? null, headers })
  const json = (await response.json()) as { found?: unknown; code?: string }
  return { status: response.status, json, replayed: response.headers.get('idempotent-replayed') }
}

function before(reader: string): MiddlewareHandler {
  return async (c, next) => {
    await readers[reader]?.(c)
    await next()
  }
}

describe('a body is the same before and after it was read', () => {
  for (const [reader, kind] of pairs)
    for (const first of ['before', 'after'] as const)
      test(`${kind} by ${reader}, first ${first}`, async () => {
        const [one, other] = bodies[kind] ?? []
        if (one === undefined || other === undefined) throw new Error(kind)
        const plain = open()
        const read = open(undefined, before(reader), plain.store)
        const [a, b] = first === 'before' ? [plain, read] : [read, plain]
        expect(await post(a.app, one)).toMatchObject({ status: 201, replayed: null })
        expect(await post(b.app, one)).toMatchObject({ status: 201, replayed: 'true' })
        expect(await post(a.app, other)).toMatchObject({ status: 422, json: { code: 'mismatch' } })
        expect(await post(b.app, other)).toMatchObject({ status: 422, json: { code: 'mismatch' } })
        expect([a.runs(), b.runs()]).toEqual([1, 0])
      })
})

test('a body that was read past Hono runs nothing', async () => {
  const { app, runs } = open(undefined, async (c, next) => {
    await c.req.raw.text()
    await next()
  })
  expect(await post(app, { body: '{}' })).toMatchObject({ status: 500, json: { code: 'body_consumed' } })
  expect(runs()).toBe(0)
})

for (const type of ['application/octet-stream', 'application/json'])
  test(`bytes that a text does not tell run nothing: ${type}`, async () => {
    const { app, runs } = open(undefined, before('c.req.text()'))
    const init = { body: new Uint8Array([34, 255, 34]), type }
    expect(await post(app, init)).toMatchObject({ status: 500, json: { code: 'body_consumed' } })
    expect(runs()).toBe(0)
  })

test('what the stream of a body fails with is for the middleware that made it', async () => {
  const { app, runs } = open(undefined, async (c, next) => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('over the limit')) })
    c.req.raw = new Request(c.req.raw, { body, duplex: 'half' } as RequestInit)
    await next()
    if (c.error?.message === 'over the limit') c.res = c.json({ code: 'limit' }, 413)
  })
  vi.spyOn(console, 'error').mockImplementation(() => {})
  expect(await post(app, { body: '{}' })).toMatchObject({ status: 413, json: { code: 'limit' } })
  vi.restoreAllMocks()
  expect(runs()).toBe(0)
})

const raw: Readonly<Record<string, (c: Context) => Promise<unknown>>> = {
  'c.req.json()': (c) => c.req.json(),
  'c.req.text()': async (c) => JSON.parse(await c.req.text()),
  'c.req.raw.json()': (c) => c.req.raw.json(),
  'c.req.raw.text()': async (c) => JSON.parse(await c.req.raw.text()),
  'c.req.raw.body': async (c) => new Response(c.req.raw.body).json(),
  'c.req.raw.blob()': async (c) => JSON.parse(await (await c.req.raw.blob()).text()),
  'c.req.raw.clone()': async (c) => [await c.req.raw.clone().json(), await c.req.raw.json()][1],
  'new Request(c.req.raw)': (c) => new Request(c.req.raw).json(),
  'twice by Hono': async (c) => [await c.req.text(), await c.req.json()][1],
}

describe('the handler reads the body', () => {
  for (const [name, read] of Object.entries(raw))
    test(`by ${name}`, async () => {
      const { app } = open(read)
      const init = { body: '{"a":"é"}', type: 'application/json' }
      expect(await post(app, init)).toMatchObject({ status: 201, json: { found: { a: 'é' } } })
    })

  for (const kind of ['urlencoded', 'multipart'])
    test(`by c.req.parseBody(), of ${kind}`, async () => {
      const { app } = open(async (c) => {
        const { note, file, b } = await c.req.parseBody()
        return [note ?? b, file instanceof File ? [file.name, await file.text()] : null]
      })
      const found = kind === 'multipart' ? ['one', ['a.txt', 'one in a file']] : ['x y', null]
      expect(await post(app, bodies[kind]?.[0] ?? { body: '' })).toMatchObject({ status: 201, json: { found } })
    })

  test('again, where a middleware had read it before', async () => {
    const { app } = open((c) => c.req.json(), before('c.req.json()'))
    const init = { body: '{"a":1}', type: 'application/json' }
    expect(await post(app, init)).toMatchObject({ status: 201, json: { found: { a: 1 } } })
  })

  test('only once, as of any request', async () => {
    const { app } = open(async (c) => {
      await c.req.raw.text()
      return (
        c.req.raw.bodyUsed &&
        c.req.raw.text().then(
          () => 'twice',
          (error: Error) => error.name,
        )
      )
    })
    expect(await post(app, { body: 'x' })).toMatchObject({ json: { found: 'TypeError' } })
  })
})

test('a client that leaves does not abort the signal of the work', async () => {
  const leaving = new AbortController()
  const { app } = open((c) => {
    leaving.abort()
    return [c.req.raw.signal.aborted, operationOf(c)?.signal.aborted]
  })
  const headers = { 'idempotency-key': 'k' }
  const request = new Request('http://h/charges', { method: 'POST', body: '{}', headers, signal: leaving.signal })
  expect(await (await app.fetch(request)).json()).toEqual({ found: [false, false] })
})

test('an unkeyed request is passed on as it is, and so is its response', async () => {
  const app = new Hono()
  const seen: unknown[] = []
  app.use(async (c, next) => {
    seen.push(c.req.raw)
    await next()
    seen.push(c.res)
  })
  const response = new Response('plain')
  app.post('/charges', idempotent({ store: memoryStore() }), (c) => {
    seen.push(c.req.raw, operationOf(c))
    return response
  })
  const request = new Request('http://h/charges', { method: 'POST', body: '{}' })
  expect(await app.fetch(request)).toBe(response)
  expect(seen.map((one) => one === request || (one === response && 'response'))).toEqual([
    true,
    true,
    false,
    'response',
  ])
})
