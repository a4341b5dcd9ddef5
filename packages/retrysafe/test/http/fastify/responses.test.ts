/* Every way in which Fastify answers is stored as it went out, and what failed is not. */
import { createReadStream } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { RetrysafeError } from 'retrysafe'
import { idempotent, idempotentRoute, operationOf } from 'retrysafe/fastify'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { listening } from './harness.js'

const apps: FastifyInstance[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

async function open(handler: Handler, more: { placement?: 'plugin' | 'route'; store?: object; app?: object } = {}) {
  const app = Fastify({ ...more.app }) as FastifyInstance
  apps.push(app)
  const store = memoryStore()
  const options = { store, scope: () => 'tenant', ...more.store }
  let runs = 0
  const count: Handler = (request, reply) => {
    runs++
    return handler(request, reply)
  }
  if (more.placement === 'route') app.post('/charges', { ...idempotentRoute(options) }, count)
  else {
    await app.register(idempotent(options))
    app.post('/charges', count)
  }
  return { app, store, runs: () => runs }
}

async function post(app: FastifyInstance, key: string | undefined = 'k') {
  const headers = key === '' ? {} : { 'idempotency-key': key }
  const reply = await app.inject({ method: 'POST', url: '/charges', payload: { amount: 1 }, headers })
  return { status: reply.statusCode, text: reply.body, headers: reply.headers, bytes: reply.rawPayload }
}

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, at) => at % 256))
const later = (what: () => void): void => void setImmediate(what)

const answers: Readonly<Record<string, Handler>> = {
  'a string': async () => 'done',
  'an object': async () => ({ done: true }),
  null: async () => null,
  'nothing, by an async handler': async () => undefined,
  'a Buffer': async () => bytes,
  'a value of a plain function': () => ({ done: true }),
  'reply.send in a callback': (_request, reply) => later(() => reply.code(201).send({ done: true })),
  'the reply, after it was sent': (_request, reply) => reply.code(202).send('done'),
  'the reply, before it is sent': async (_request, reply) => {
    later(() => reply.send('done'))
    return reply
  },
  'a stream': async (_request, reply) => reply.type('x/y').send(Readable.from([bytes, bytes], { objectMode: false })),
  'a file': async () => createReadStream(import.meta.filename),
  'a web stream': async () => Readable.toWeb(Readable.from([bytes], { objectMode: false })),
  'a Response': async () => new Response('done', { status: 203, headers: { 'x-charge': '7' } }),
  'Node’s response': (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(201, { 'x-charge': '7' })
    reply.raw.write('do')
    later(() => reply.raw.end('ne'))
  },
  'a redirect': async (_request, reply) => reply.redirect('/elsewhere', 303),
  'not found': (_request, reply) => void reply.callNotFound(),
  'what it throws as a refusal': async () => {
    throw Object.assign(new Error('No funds.'), { statusCode: 402 })
  },
}

for (const placement of ['plugin', 'route'] as const)
  describe(`as ${placement}, what a handler answers is replayed byte for byte`, () => {
    for (const [name, handler] of Object.entries(answers))
      test(name, async () => {
        const { app, runs } = await open(handler, { placement })
        const unkeyed = await post(app, '')
        const [first, again] = [await post(app), await post(app)]
        const { date: _date, connection: _connection, ...headers } = first.headers
        expect([first.status, first.bytes]).toEqual([unkeyed.status, unkeyed.bytes])
        expect([again.status, again.bytes]).toEqual([first.status, first.bytes])
        for (const framing of ['transfer-encoding', 'content-length']) delete headers[framing]
        expect(again.headers).toMatchObject({ ...headers, 'idempotent-replayed': 'true' })
        expect(runs()).toBe(2)
      })
  })

describe('what a handler throws', () => {
  for (const [how, fail] of Object.entries<Handler>({
    'by rejecting': async () => Promise.reject(new Error('half-way')),
    'at once': () => {
      throw new Error('half-way')
    },
    'a value that is no Error': async () => Promise.reject('half-way'),
    'by reply.send': (_request, reply) => later(() => reply.send(new Error('half-way'))),
    'by a stream before its first byte': async () =>
      new PassThrough({
        read() {
          this.destroy(new Error('half-way'))
        },
      }),
    'by what does not serialise': async () => ({
      toJSON: () => {
        throw new Error('half-way')
      },
    }),
  }))
    test(`${how} is answered as ever, and gives the key back`, async () => {
      const { app, store, runs } = await open(fail)
      const [unkeyed, first] = [await post(app, ''), await post(app)]
      expect([first.status, first.text]).toEqual([unkeyed.status, unkeyed.text])
      expect((await store.list()).records).toEqual([])
      await post(app)
      expect(runs()).toBe(3)
    })

  test('is answered by the error handlers of the application, whose 422 is stored', async () => {
    const handled = vi.fn()
    const { app, runs } = await open(async () => Promise.reject(new Error('invalid')))
    app.setErrorHandler((error, _request, reply) => {
      handled(error)
      return reply.code(422).send('as the handler says')
    })
    expect(await post(app)).toMatchObject({ status: 422, text: 'as the handler says' })
    expect((await post(app)).headers).toMatchObject({ 'idempotent-replayed': 'true' })
    expect([runs(), handled.mock.calls.length]).toEqual([1, 1])
  })

  for (const placement of ['plugin', 'route'] as const)
    test(`of our own codes answers its problem and passes no error handler, as ${placement}`, async () => {
      const { app } = await open(async () => Promise.reject(new RetrysafeError('in_progress', 'elsewhere')), {
        placement,
      })
      const handled = vi.fn()
      app.addHook('onRequest', async (_request, reply) => void reply.header('x-outer', '1'))
      app.setErrorHandler((_error, _request, reply) => {
        handled()
        return reply.code(500).send()
      })
      for (const key of ['k', '']) {
        const reply = await post(app, key)
        expect([reply.status, JSON.parse(reply.text).code]).toEqual([409, 'in_progress'])
        expect(reply.headers).toMatchObject({ 'retry-after': '1', 'x-outer': '1' })
      }
      expect(handled).not.toHaveBeenCalled()
    })
})

describe('over real connections', () => {
  const request = (key = 'k', body = '{"amount":1}') => ({
    ...{ method: 'POST', target: '/charges', body: Buffer.from(body) },
    headers: [
      ['Idempotency-Key', key],
      ['Content-Type', 'application/json'],
    ] as [string, string][],
  })

  test('a handler that answers nothing after its client left is stored all the same', async () => {
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    const { app, store, runs } = await open(async () => gone)
    const server = await listening(app, 'http/1.1')
    const first = server.exchange(request())
    await vi.waitFor(() => expect(runs()).toBe(1))
    first.leave()
    await first.reply
    await server.exchange(request('other', 'no JSON')).reply
    go()
    await vi.waitFor(async () => expect((await store.list()).records[0]?.status).toBe('completed'))
    expect((await server.exchange(request()).reply).status).toBe(200)
    expect(runs()).toBe(1)
  })

  test('a stream whose client leaves is read to its end and stored', async () => {
    const stream = new PassThrough()
    const { app, store, runs } = await open(async () => stream)
    const server = await listening(app, 'http/1.1')
    const first = server.exchange(request())
    stream.write('event 1\n')
    await vi.waitFor(() => expect(String(first.body())).toBe('event 1\n'))
    first.leave()
    await first.reply
    stream.end('event 2\n')
    await vi.waitFor(async () => expect((await store.list()).records[0]?.status).toBe('completed'))
    expect(String((await server.exchange(request()).reply).body)).toBe('event 1\nevent 2\n')
    expect(runs()).toBe(1)
  })

  test('close waits for a running request, whose response is stored', async () => {
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    const { app, store, runs } = await open(async () => gone.then(() => 'done'))
    const server = await listening(app, 'http/1.1')
    const first = server.exchange(request())
    await vi.waitFor(() => expect(runs()).toBe(1))
    const closed = app.close()
    go()
    expect(String((await first.reply).body)).toBe('done')
    await closed
    expect((await store.list()).records[0]?.status).toBe('completed')
  })

  test('bytes are given back when a later hook refuses the request, and when it is answered', async () => {
    const { app } = await open(async () => 'done', { store: { maxHeldBytes: 1024 ** 2 } })
    app.addHook('preValidation', async ({ headers }, reply) =>
      headers['idempotency-key'] === 'no' ? reply.code(401).send() : undefined,
    )
    const server = await listening(app, 'http/1.1')
    const large = JSON.stringify({ note: 'x'.repeat(600_000) })
    for (let round = 0; round < 3; round++) {
      expect((await server.exchange(request('no', large)).reply).status).toBe(401)
      expect((await server.exchange(request('k', large)).reply).status).toBe(200)
    }
  })

  for (const covered of [true, false])
    test(`an upload without a length that is too large is ${covered ? 'refused' : 'left as it came, where it is not covered'}`, async () => {
      const store = { maxBodyBytes: 200_000, covers: () => covered }
      const { app, runs } = await open(async ({ body }) => body, { store })
      const server = await listening(app, 'http/1.1')
      const parts = ['["', ...[...'abcd'].map((letter) => letter.repeat(100_000)), '"]'].map((part) =>
        Buffer.from(part),
      )
      const reply = await server.exchange({ ...request(), body: parts }).reply
      expect([reply.status, runs()]).toEqual(covered ? [413, 0] : [200, 1])
      if (!covered) expect(Buffer.concat(parts).equals(reply.body)).toBe(true)
    })

  test('what the store does not answer in time is answered by handlerTimeout, and runs nothing', async () => {
    const inner = memoryStore()
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    const begin: typeof inner.begin = async (...args) => gone.then(() => inner.begin(...args))
    const { app, runs } = await open(async () => 'done', {
      ...{ store: { store: { ...inner, begin } }, app: { handlerTimeout: 20 } },
    })
    const server = await listening(app, 'http/1.1')
    // Fastify forgets its time-out once a body was read.
    const bare = { method: 'POST', target: '/charges', headers: [['Idempotency-Key', 'k']] as [string, string][] }
    expect((await server.exchange(bare).reply).status).toBe(503)
    go()
    await vi.waitFor(async () => expect((await server.exchange(bare).reply).status).toBe(200))
    expect(runs()).toBe(1)
  })
})

test('steps and keys of an operation are reached by the request', async () => {
  const { app } = await open(async (request) => ({
    step: await operationOf(request)?.step('charge', async () => 7),
    key: operationOf(request)?.keyFor('charge') !== undefined,
  }))
  expect(JSON.parse((await post(app)).text)).toEqual({ step: 7, key: true })
  expect(JSON.parse((await post(app, '')).text)).toEqual({ key: false })
})
