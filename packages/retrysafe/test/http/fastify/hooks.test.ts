/* Where in Fastify's lifecycle a request is decided, and what of it still happens for replays and refusals. */
import compress from '@fastify/compress'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { idempotent, idempotentRoute, operationOf, requireKey } from 'retrysafe/fastify'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, describe, expect, test, vi } from 'vitest'

const apps: FastifyInstance[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function create(options: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(options)
  apps.push(app)
  return app
}

const options = () => ({ store: memoryStore(), scope: () => 'tenant' })

async function post(app: FastifyInstance, headers: Record<string, string> = {}, url = '/charges', method = 'POST') {
  const all = { 'idempotency-key': 'k', ...headers }
  const reply = await app.inject({ method: method as 'POST', url, payload: { amount: 1 }, headers: all })
  return { status: reply.statusCode, text: reply.body, headers: reply.headers, bytes: reply.rawPayload }
}

/** A handler that tells its runs apart. */
function counting(): () => Promise<{ number: number }> {
  let number = 0
  return async () => ({ number: ++number })
}

const isReplay = { 'idempotent-replayed': 'true' }

describe('a replay is authorised like a first request', () => {
  const authenticate = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> =>
    request.headers.authorization === undefined ? reply.code(401).send({ message: 'who?' }) : undefined

  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const)
    for (const level of ['application', 'route'] as const)
      for (const placement of ['plugin', 'route'] as const)
        test(`by ${hook} of the ${level}, with ours as ${placement}`, async () => {
          const app = create()
          const once = idempotentRoute(options())
          if (placement === 'plugin') await app.register(idempotent(options()))
          if (level === 'application') app.addHook(hook, authenticate)
          const own = level === 'route' ? { [hook]: authenticate } : {}
          const ours = { preParsing: once.preParsing, preHandler: [own.preHandler ?? [], once.preHandler].flat() }
          app.post('/charges', placement === 'plugin' ? own : { ...own, ...ours }, counting())
          expect(await post(app, { authorization: 'yes' })).toMatchObject({ status: 200, text: '{"number":1}' })
          expect(await post(app)).toMatchObject({ status: 401, text: '{"message":"who?"}' })
          expect(await post(app, { authorization: 'yes' })).toMatchObject({ text: '{"number":1}', headers: isReplay })
        })

  test('by a hook that a plugin loaded after ours adds to every route', async () => {
    const app = create()
    await app.register(idempotent(options()))
    app.addHook('onRoute', (route) => {
      route.preHandler = [route.preHandler ?? [], authenticate].flat()
    })
    app.post('/charges', counting())
    await post(app, { authorization: 'yes' })
    expect((await post(app)).status).toBe(401)
  })

  test('and scope sees what the hooks of the route found', async () => {
    const app = create()
    app.decorateRequest('tenant', '')
    const scope = (request: FastifyRequest): string => request.getDecorator<string>('tenant')
    await app.register(idempotent({ store: memoryStore(), scope }))
    const find = async (request: FastifyRequest): Promise<void> =>
      request.setDecorator('tenant', String(request.headers['x-tenant']))
    app.post('/charges', { preHandler: find }, counting())
    expect((await post(app, { 'x-tenant': 'a' })).text).toBe('{"number":1}')
    expect((await post(app, { 'x-tenant': 'b' })).text).toBe('{"number":2}')
    expect((await post(app, { 'x-tenant': 'a' })).headers).toMatchObject(isReplay)
  })
})

test('hooks run in their order, onResponse for replays and refusals too, onSend for what runs', async () => {
  const app = create()
  const seen: string[] = []
  app.addHook('onRequest', async () => void seen.push('onRequest'))
  await app.register(idempotent({ ...options(), requireKey: true }))
  app.addHook('preHandler', async () => void seen.push('preHandler'))
  app.addHook('onSend', async () => void seen.push('onSend'))
  app.addHook('onResponse', async (_request, reply) => void seen.push(`onResponse ${reply.statusCode}`))
  app.post('/charges', { preHandler: async () => void seen.push('of the route') }, async () => {
    seen.push('handler')
    return 'done'
  })
  const all = async (headers?: Record<string, string>): Promise<string[]> => {
    await post(app, headers)
    await vi.waitFor(() => expect(seen.at(-1)).toMatch('onResponse'))
    return seen.splice(0)
  }
  const before = ['onRequest', 'preHandler', 'of the route']
  expect(await all()).toEqual([...before, 'handler', 'onSend', 'onResponse 200'])
  expect(await all()).toEqual([...before, 'onResponse 200'])
  expect(await all({ 'idempotency-key': 'bad key' })).toEqual(['onRequest', 'onResponse 400'])
})

test('every request has its line in the log', async () => {
  const lines: { msg: string; res?: { statusCode: number } }[] = []
  const app = create({ logger: { stream: { write: (line: string) => void lines.push(JSON.parse(line)) } } })
  await app.register(idempotent(options()))
  app.post('/charges', counting())
  for (const key of ['k', 'k', 'bad key']) await post(app, { 'idempotency-key': key })
  await vi.waitFor(() => expect(lines.filter(({ msg }) => msg === 'request completed')).toHaveLength(3))
  const completed = lines.filter(({ msg }) => msg === 'request completed')
  expect(completed.map(({ res }) => res?.statusCode)).toEqual([200, 200, 400])
})

test('headers that hooks set with reply.header are sent with replays and refusals, and win', async () => {
  const app = create()
  let number = 0
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-request', String(++number)).header('set-cookie', ['a=1', 'b=2'])
  })
  await app.register(idempotent(options()))
  app.post('/charges', async (_request, reply) => reply.header('x-charge', '7').send('done'))
  await post(app)
  const own = { 'x-request': '2', 'set-cookie': ['a=1', 'b=2'], 'x-charge': '7' }
  expect((await post(app)).headers).toMatchObject({ ...own, ...isReplay })
  const refused = await post(app, { 'idempotency-key': 'bad key' })
  expect(refused.headers).toMatchObject({ 'x-request': '3', 'content-type': 'application/problem+json' })
})

test('what is stored is what went out, compressed', async () => {
  const app = create()
  await app.register(compress, { threshold: 0 })
  await app.register(idempotent(options()))
  app.post('/charges', async () => 'done '.repeat(1000))
  const first = await post(app, { 'accept-encoding': 'gzip' })
  const second = await post(app, { 'accept-encoding': 'identity' })
  expect(second.headers).toMatchObject({ 'content-encoding': 'gzip', ...isReplay })
  expect(second.bytes).toEqual(first.bytes)
})

describe('the plugin covers', () => {
  test('routes of contexts within, with their prefix, and not those beside', async () => {
    const app = create()
    await app.register(
      async (inner) => {
        await inner.register(idempotent(options()))
        inner.post('/', counting())
        await inner.register(async (deeper) => void deeper.post('/deep', counting()), { prefix: '/sub' })
      },
      { prefix: '/in' },
    )
    app.post('/out', counting())
    for (const [url, isCovered] of [
      ['/in', true],
      ['/in/', true],
      ['/in/sub/deep', true],
      ['/out', false],
    ] as const) {
      const headers = { 'idempotency-key': url.replaceAll('/', '-') }
      await post(app, headers, url)
      const again = await post(app, headers, url)
      expect([url, again.headers['idempotent-replayed']]).toEqual([url, isCovered ? 'true' : undefined])
    }
  })

  test('the covered methods of a route with several, and leaves the others alone', async () => {
    const app = create({ exposeHeadRoutes: true })
    await app.register(idempotent(options()))
    app.all('/all', async (request) => String(operationOf(request)?.key))
    app.get('/get', async (request) => String(operationOf(request)?.key))
    expect((await post(app, {}, '/all')).text).toBe('k')
    expect((await post(app, {}, '/all', 'PUT')).text).toBe('undefined')
    expect((await app.inject({ url: '/get', headers: { 'idempotency-key': 'k' } })).body).toBe('undefined')
    expect((await app.inject({ method: 'HEAD', url: '/get' })).statusCode).toBe(200)
  })

  test('a target that is rewritten as its client sent it', async () => {
    const app = create({ rewriteUrl: () => '/charges' })
    await app.register(idempotent(options()))
    app.post('/charges', counting())
    await post(app, {}, '/one')
    expect((await post(app, {}, '/two')).status).toBe(422)
  })

  test('no route that was declared before it, and lets nothing of it run under a key', async () => {
    const app = create()
    const handler = vi.fn(async () => 'done')
    app.register(idempotent(options()))
    app.post('/charges', handler)
    const reply = await post(app)
    expect([reply.status, JSON.parse(reply.text).message]).toEqual([500, expect.stringContaining('Await app.register')])
    expect(handler).not.toHaveBeenCalled()
    expect((await app.inject({ method: 'POST', url: '/charges' })).statusCode).toBe(200)
    expect((await post(app, {}, '/nowhere')).status).toBe(404)
  })
})

describe('where several adapters reach a route, the nearest decides', () => {
  test('that of an inner context', async () => {
    const app = create()
    const shared = options()
    await app.register(idempotent({ ...shared, requireKey: true }))
    await app.register(async (inner) => {
      await inner.register(idempotent({ ...shared, replayHeader: 'x-inner' }))
      inner.post('/charges', counting())
    })
    expect((await post(app)).text).toBe('{"number":1}')
    const again = await post(app)
    expect([again.text, again.headers['x-inner'], again.headers['idempotent-replayed']]).toEqual([
      ...['{"number":1}', 'true', undefined],
    ])
    expect((await app.inject({ method: 'POST', url: '/charges' })).statusCode).toBe(200)
  })

  test('that of the route', async () => {
    const app = create()
    await app.register(idempotent({ ...options(), requireKey: true }))
    app.post('/charges', { ...idempotentRoute({ ...options(), replayHeader: 'x-route' }) }, counting())
    await post(app)
    expect((await post(app)).headers).toMatchObject({ 'x-route': 'true' })
    expect((await app.inject({ method: 'POST', url: '/charges' })).statusCode).toBe(200)
  })
})

test('requireKey refuses requests without a key, or with a bad one, and stores nothing', async () => {
  const app = create()
  app.post('/charges', { onRequest: requireKey() }, counting())
  expect((await post(app)).text).toBe('{"number":1}')
  expect((await post(app)).text).toBe('{"number":2}')
  expect((await post(app, { 'idempotency-key': 'bad key' })).status).toBe(400)
  const missing = await app.inject({ method: 'POST', url: '/charges' })
  expect([missing.statusCode, missing.json().code]).toEqual([400, 'invalid_key'])
})
