/* The body counts as it came, whatever Fastify's parsers and validation make of it. */
import { PassThrough, type Readable } from 'node:stream'
import compress from '@fastify/compress'
import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { idempotent, idempotentRoute } from 'retrysafe/fastify'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, describe, expect, test } from 'vitest'

const apps: FastifyInstance[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

interface Kind {
  readonly name: string
  readonly type: string
  readonly payload: string | Buffer
  readonly other: string | Buffer
  readonly setUp?: (app: FastifyInstance) => Promise<unknown> | unknown
  /** What the handler reads; the parsed body by default. */
  readonly read?: (request: FastifyRequest) => unknown
  /** What it then finds. */
  readonly found: unknown
}

const boundary = 'xyz'
function form(text: string): string {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name=`
  return `${head}"note"\r\n\r\n${text}\r\n${head}"file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n${text} in a file\r\n--${boundary}--\r\n`
}
const formData = { type: `multipart/form-data; boundary=${boundary}`, payload: form('one'), other: form('two') }

const kinds: readonly Kind[] = [
  { name: 'JSON', type: 'application/json', payload: '{"a":1}', other: '{"a":2}', found: { a: 1 } },
  { name: 'text', type: 'text/plain', payload: 'one', other: 'two', found: 'one' },
  {
    ...{ name: 'a form', type: 'application/x-www-form-urlencoded', payload: 'a=1&b=2', other: 'a=1&b=3' },
    setUp: (app) => app.register(formbody),
    found: { a: '1', b: '2' },
  },
  {
    ...{
      name: 'bytes',
      type: 'application/octet-stream',
      payload: Buffer.from([0, 255]),
      other: Buffer.from([0, 254]),
    },
    setUp: (app) =>
      app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_r, body, done) => done(null, body)),
    read: ({ body }) => [...(body as Buffer)],
    found: [0, 255],
  },
  {
    ...{ name: 'text of a parser of its own', type: 'text/csv', payload: 'é;1', other: 'é;2' },
    setUp: (app) => app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_r, body, done) => done(null, body)),
    found: 'é;1',
  },
  {
    ...{ name: 'multipart attached to the body', ...formData },
    setUp: (app) => app.register(multipart, { attachFieldsToBody: true }),
    read: async ({ body }) => {
      const { note, file } = body as { note: { value: string }; file: { toBuffer(): Promise<Buffer> } }
      return [note.value, String(await file.toBuffer())]
    },
    found: ['one', 'one in a file'],
  },
  {
    ...{ name: 'multipart as it streams', ...formData },
    setUp: (app) => app.register(multipart),
    read: async (request) => {
      const data = await request.file()
      return [data?.filename, String(await data?.toBuffer())]
    },
    found: ['a.txt', 'one in a file'],
  },
  {
    ...{ name: 'multipart saved to files', ...formData },
    setUp: (app) => app.register(multipart),
    read: async (request) => (await request.saveRequestFiles()).files.map(({ filename }) => filename),
    found: ['a.txt'],
  },
]

/** Multipart key values lose the names of files, so only the plugin, that read before, tells the whole of them. */
const onlyByPlugin: readonly Kind[] = [
  {
    ...{ name: 'multipart as key values', ...formData },
    setUp: (app) => app.register(multipart, { attachFieldsToBody: 'keyValues' }),
    read: ({ body }) => String((body as { file: Buffer }).file),
    found: 'one in a file',
  },
  {
    ...{ name: 'a stream that a parser passes on', type: 'application/octet-stream', payload: 'one', other: 'two' },
    setUp: (app) =>
      app.addContentTypeParser(
        'application/octet-stream',
        async (_request: unknown, payload: AsyncIterable<Buffer>) => {
          for await (const chunk of payload) return String(chunk)
          return ''
        },
      ),
    found: 'one',
  },
]

async function open(kind: Pick<Kind, 'setUp' | 'read'>, store = memoryStore()) {
  const seen: unknown[] = []
  const start = async (cover: (app: FastifyInstance) => Promise<object>): Promise<FastifyInstance> => {
    const app = Fastify()
    apps.push(app)
    await kind.setUp?.(app)
    const hooks = await cover(app)
    app.post('/charges', hooks, async (request) => {
      seen.push(kind.read === undefined ? request.body : await kind.read(request))
      return { number: seen.length }
    })
    return app
  }
  const options = { store, scope: () => 'tenant' }
  return {
    seen,
    byPlugin: () =>
      start(async (app) => {
        await app.register(idempotent(options))
        return {}
      }),
    byRoute: () => start(async () => idempotentRoute(options)),
    byPreHandler: () => start(async () => ({ preHandler: idempotentRoute(options).preHandler })),
  }
}

async function post(app: FastifyInstance, type: string, payload: string | Buffer, headers: object = {}) {
  const all = { 'idempotency-key': 'k', 'content-type': type, ...headers }
  const {
    statusCode,
    json,
    headers: got,
  } = await app.inject({ method: 'POST', url: '/charges', payload, headers: all })
  return { status: statusCode, body: json(), replayed: got['idempotent-replayed'] }
}

const first = { status: 200, body: { number: 1 }, replayed: undefined }
const again = { status: 200, body: { number: 1 }, replayed: 'true' }

describe('a body is the same by whichever hook it is read', () => {
  for (const kind of kinds)
    test(kind.name, async () => {
      const { seen, byPlugin, byRoute, byPreHandler } = await open(kind)
      const [plugin, route, preHandler] = [await byPlugin(), await byRoute(), await byPreHandler()]
      expect(await post(plugin, kind.type, kind.payload)).toEqual(first)
      for (const app of [plugin, route, preHandler]) {
        expect(await post(app, kind.type, kind.payload)).toEqual(again)
        expect(await post(app, kind.type, kind.other)).toMatchObject({ status: 422, body: { code: 'mismatch' } })
      }
      expect(seen).toEqual([kind.found])
    })

  for (const kind of kinds)
    test(`${kind.name}, first by a preHandler alone`, async () => {
      const { seen, byPlugin, byPreHandler } = await open(kind)
      expect(await post(await byPreHandler(), kind.type, kind.payload)).toEqual(first)
      expect(await post(await byPlugin(), kind.type, kind.payload)).toEqual(again)
      expect(seen).toEqual([kind.found])
    })
})

for (const kind of onlyByPlugin)
  test(`${kind.name} is told from another, and found by its reader`, async () => {
    const { seen, byPlugin } = await open(kind)
    const app = await byPlugin()
    expect(await post(app, kind.type, kind.payload)).toEqual(first)
    expect(await post(app, kind.type, kind.payload)).toEqual(again)
    expect(await post(app, kind.type, kind.other)).toMatchObject({ status: 422 })
    expect(seen).toEqual([kind.found])
  })

test('a preHandler alone runs nothing where a parser kept nothing', async () => {
  const setUp: Kind['setUp'] = (app) =>
    app.addContentTypeParser('application/octet-stream', async (_request: unknown, payload: AsyncIterable<Buffer>) => {
      for await (const _chunk of payload);
    })
  const { seen, byPreHandler } = await open({ setUp })
  const reply = await post(await byPreHandler(), 'application/octet-stream', 'one')
  expect(reply).toMatchObject({ status: 500, body: { code: 'body_consumed' } })
  expect(seen).toEqual([])
})

test('what validation coerces and fills in does not count', async () => {
  const store = memoryStore()
  const app = Fastify()
  apps.push(app)
  await app.register(idempotent({ store, scope: () => 'tenant' }))
  const properties = { a: { type: 'integer' }, currency: { type: 'string', default: 'EUR' } }
  app.post('/charges', { schema: { body: { type: 'object', properties } } }, async ({ body }) => body)
  const reply = await post(app, 'application/json', '{"a":"1"}')
  expect(reply).toEqual({ status: 200, body: { a: 1, currency: 'EUR' }, replayed: undefined })
  expect((await post(app, 'application/json', '{"a":"1"}')).replayed).toBe('true')
  expect((await post(app, 'application/json', '{"a":1}')).status).toBe(422)
})

for (const order of ['before', 'after'] as const)
  test(`a compressed body is decompressed by a plugin that is loaded ${order} ours`, async () => {
    const { gzipSync } = await import('node:zlib')
    const app = Fastify()
    apps.push(app)
    if (order === 'before') await app.register(compress)
    await app.register(idempotent({ store: memoryStore(), scope: () => 'tenant' }))
    if (order === 'after') await app.register(compress)
    let runs = 0
    app.post('/charges', async ({ body }) => ({ body, number: ++runs }))
    const send = (text: string) =>
      post(app, 'application/json', gzipSync(text), { 'content-encoding': 'gzip', 'accept-encoding': 'identity' })
    expect(await send('{"a":1}')).toEqual({ status: 200, body: { body: { a: 1 }, number: 1 }, replayed: undefined })
    expect((await send('{"a":1}')).replayed).toBe('true')
    expect((await send('{"a":2}')).status).toBe(422)
  })

test('the bytes count as they came, before hooks of the route replace them', async () => {
  const app = Fastify()
  apps.push(app)
  await app.register(idempotent({ store: memoryStore(), scope: () => 'tenant' }))
  app.addContentTypeParser('application/octet-stream', async (_request: unknown, payload: AsyncIterable<Buffer>) => {
    const seen: Buffer[] = []
    for await (const chunk of payload) seen.push(chunk)
    return { length: Buffer.concat(seen).byteLength }
  })
  const preParsing = async (_request: unknown, _reply: unknown, payload: Readable): Promise<Readable> =>
    payload.pipe(new PassThrough())
  app.post('/charges', { preParsing }, async ({ body }) => body)
  const send = (text: string) => post(app, 'application/octet-stream', text)
  expect(await send('one')).toEqual({ status: 200, body: { length: 3 }, replayed: undefined })
  expect((await send('one')).replayed).toBe('true')
  expect((await send('two')).status).toBe(422)
})
