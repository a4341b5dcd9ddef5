/* Every way in which Express answers is stored as it went out, and what failed is not. */
import { createReadStream } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import compression from 'compression'
import { type ErrorRequestHandler, type Express, type RequestHandler, Router } from 'express'
import { RetrysafeError } from 'retrysafe'
import { answerProblems, idempotent, operationOf, requireKey } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import type { Reply } from 'retrysafe/testkit'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { listen } from '../node/harness.js'
import { exchangeHttp1 } from '../raw-client.js'
import { expresses, type Version } from './harness.js'

const versions = Object.keys(expresses) as Version[]
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closing.splice(0)) await close()
})

async function start(set: (app: Express) => void, version: Version = 'express 5') {
  const app = expresses[version]()
  app.set('env', 'production') // shows no stack of what failed
  vi.spyOn(console, 'error').mockImplementation(() => {})
  set(app)
  const { port, close } = await listen('http/1.1', app)
  closing.push(close)
  const begin = (key = 'k', target = '/charges', more: [string, string][] = []) => {
    const headers = [...(key === '' ? [] : [['Idempotency-Key', key] as [string, string]]), ...more]
    return exchangeHttp1(port, { method: 'POST', target, headers: [['Connection', 'close'], ...headers] })
  }
  return { begin, post: (...args: Parameters<typeof begin>) => begin(...args).reply }
}

const options = () => ({ store: memoryStore(), scope: () => 'tenant' })
const header = ({ headers }: Reply, name: string): string | undefined =>
  headers.find(([one]) => one.toLowerCase() === name)?.[1]
const text = ({ body }: Reply): string => Buffer.from(body).toString()
const isReplay = (reply: Reply): boolean => header(reply, 'idempotent-replayed') === 'true'
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, at) => at % 256))

const answers: Readonly<Record<string, RequestHandler>> = {
  json: (_request, response) => void response.status(201).json({ done: true }),
  'send of text': (_request, response) => void response.send('done'),
  'send of bytes': (_request, response) => void response.type('x/y').send(bytes),
  redirect: (_request, response) => response.redirect(303, '/elsewhere'),
  sendStatus: (_request, response) => void response.sendStatus(204),
  sendFile: (_request, response) => response.sendFile(import.meta.filename),
  download: (_request, response) => response.download(import.meta.filename, 'a.txt'),
  'a piped file': (_request, response) => void createReadStream(import.meta.filename).pipe(response),
  'a piped stream': (_request, response) => void Readable.from([bytes, bytes], { objectMode: false }).pipe(response),
  cookie: (_request, response) => void response.cookie('a', '1').cookie('b', '2').location('/x').end(),
}

for (const version of versions)
  describe(`in ${version}, what a handler answers is replayed byte for byte`, () => {
    for (const [name, handler] of Object.entries(answers))
      test(name, async () => {
        let runs = 0
        const { post } = await start((app) => {
          app.use(idempotent(options()))
          app.post('/charges', (...args) => {
            runs++
            return handler(...args)
          })
        }, version)
        const [unkeyed, first, again] = [await post(''), await post(), await post()]
        expect([first.status, first.body]).toEqual([unkeyed.status, unkeyed.body])
        expect([again.status, again.body, isReplay(again)]).toEqual([first.status, first.body, true])
        for (const one of ['content-type', 'location', 'etag', 'content-disposition'])
          expect([one, header(again, one)]).toEqual([one, header(unkeyed, one)])
        expect(runs).toBe(2)
      })

    const failures: Readonly<Record<string, RequestHandler>> = {
      'next(error)': (_request, _response, next) => next(new Error('half-way')),
      'a throw': () => {
        throw new Error('half-way')
      },
      ...(version === 'express 5' ? { 'an async throw': async () => Promise.reject(new Error('half-way')) } : {}),
    }
    for (const [name, handler] of Object.entries(failures)) {
      test(`${name} is answered as ever, and gives the key back`, async () => {
        const { store, scope } = options()
        const { post } = await start((app) => app.post('/charges', idempotent({ store, scope }), handler), version)
        const [unkeyed, first] = [await post(''), await post()]
        expect([first.status, text(first)]).toEqual([unkeyed.status, text(unkeyed)])
        expect((await store.list()).records).toEqual([])
      })

      test(`${name} that an error handler makes a 422 of is stored`, async () => {
        const handled = vi.fn()
        const { post } = await start((app) => {
          app.post('/charges', idempotent(options()), handler)
          app.use(answerProblems())
          app.use(((error, _request, response, _next) => {
            handled(error)
            response.status(422).send('as the handler says')
          }) as ErrorRequestHandler)
        }, version)
        expect(text(await post())).toBe('as the handler says')
        expect([(await post()).status, handled.mock.calls.length]).toEqual([422, 1])
      })
    }

    test('a throw after the head closes the key before the connection breaks, and is then passed on', async () => {
      const told = vi.fn()
      let runs = 0
      const { post } = await start((app) => {
        app.post('/charges', idempotent(options()), (_request, response) => {
          runs++
          response.write('half')
          throw new Error('half-way')
        })
        app.use(answerProblems(), ((error, _request, _response, next) => {
          told(error)
          next(error)
        }) as ErrorRequestHandler)
      }, version)
      expect((await post()).complete).toBe(false)
      const again = await post()
      expect([again.status, JSON.parse(text(again)).code]).toEqual([409, 'response_not_stored'])
      expect([runs, told.mock.calls.length]).toEqual([1, 1])
    })

    test('a code of ours that a handler throws answers its problem', async () => {
      const { post } = await start((app) => {
        app.post('/charges', idempotent(options()), (_request, _response, next) =>
          next(new RetrysafeError('in_progress', 'elsewhere')),
        )
        app.use(answerProblems())
      }, version)
      for (const key of ['k', '']) expect(JSON.parse(text(await post(key))).code).toBe('in_progress')
    })

    for (const placed of ['outside', 'inside'] as const)
      test(`compression ${placed} of the adapter answers each client as it can read`, async () => {
        const { post } = await start((app) => {
          const order = [compression({ threshold: 0 }), idempotent(options())]
          app.use(...(placed === 'outside' ? order : order.reverse()))
          app.post('/charges', (_request, response) => void response.json({ much: 'x'.repeat(2000) }))
        }, version)
        const gzip: [string, string][] = [['Accept-Encoding', 'gzip']]
        const first = await post('k', '/charges', placed === 'outside' ? gzip : [])
        const again = await post('k', '/charges', [])
        expect(header(first, 'content-encoding')).toBe(placed === 'outside' ? 'gzip' : undefined)
        expect([isReplay(again), JSON.parse(text(again))]).toEqual([true, { much: 'x'.repeat(2000) }])
        if (placed === 'outside') expect(header(await post('k', '/charges', gzip), 'content-encoding')).toBe('gzip')
      })

    test('a wrapper of end, as sessions have it, works outside and inside', async () => {
      const saved: string[] = []
      const wrap =
        (name: string): RequestHandler =>
        (_request, response, next) => {
          const { end } = response
          response.end = function (this: typeof response, ...args: unknown[]) {
            setImmediate(() => {
              saved.push(name)
              Reflect.apply(end, this, args)
            })
            return this
          } as typeof end
          next()
        }
      const { post } = await start((app) => {
        app.use(wrap('outside'), idempotent(options()), wrap('inside'))
        app.post('/charges', (_request, response) => void response.send('done'))
      }, version)
      expect([text(await post()), isReplay(await post())]).toEqual(['done', true])
      expect(saved).toEqual(['inside', 'outside', 'outside'])
    })

    test('the key gate refuses what has no key and lets through what has', async () => {
      const { post } = await start(
        (app) =>
          app.post('/charges', requireKey(), (request, response) => void response.send(request.get('idempotency-key'))),
        version,
      )
      expect([(await post('')).status, text(await post('k'))]).toEqual([400, 'k'])
    })

    test('the path that the client sent counts, within a router too', async () => {
      const shared = options()
      const { post } = await start((app) => {
        const router = Router().post(
          '/charges',
          idempotent(shared),
          ({ baseUrl }, response) => void response.send(baseUrl),
        )
        app.use('/a', router).use('/b', router)
      }, version)
      expect(text(await post('k', '/a/charges'))).toBe('/a')
      expect((await post('k', '/b/charges')).status).toBe(422)
    })
  })

test('a client that leaves while a stream is piped has its response stored', async () => {
  const source = new PassThrough()
  const { begin, post } = await start((app) =>
    app.post('/charges', idempotent(options()), (_request, response) => void source.pipe(response)),
  )
  source.write('begun, ')
  const left = begin()
  await left.head
  left.leave()
  source.end('done')
  await vi.waitFor(async () => {
    const again = await post()
    expect([again.status, text(again)]).toEqual([200, 'begun, done'])
  })
})

test('events arrive while later ones are to come, and are replayed whole', async () => {
  const source = new PassThrough()
  const { begin, post } = await start((app) =>
    app.post('/charges', idempotent(options()), (_request, response) => {
      response.type('text/event-stream').flushHeaders()
      source.pipe(response)
    }),
  )
  const first = begin()
  await first.head
  source.write('data: 1\n\n')
  await vi.waitFor(() => expect(Buffer.from(first.body()).toString()).toContain('data: 1'))
  source.end('data: 2\n\n')
  expect(text(await first.reply)).toBe('data: 1\n\ndata: 2\n\n')
  expect(text(await post())).toBe('data: 1\n\ndata: 2\n\n')
})

test('of two on one request the first decides, headers set outside win, and listeners of the end are told', async () => {
  const [outer, inner] = [options(), options()]
  const finished = vi.fn()
  let requests = 0
  const { post } = await start((app) => {
    app.use((_request, response, next) => {
      response.set('x-frame-options', `deny ${++requests}`).on('finish', finished)
      next()
    })
    app.use(idempotent(outer), idempotent(inner))
    app.post('/charges', (request, response) => {
      response.on('finish', finished)
      response.json(operationOf(request)?.key ?? null)
    })
  })
  const [first, again] = [await post(), await post()]
  expect([text(first), text(again), isReplay(again)]).toEqual(['"k"', '"k"', true])
  expect([header(first, 'x-frame-options'), header(again, 'x-frame-options')]).toEqual(['deny 1', 'deny 2'])
  expect([(await outer.store.list()).records.length, (await inner.store.list()).records.length]).toEqual([1, 0])
  await vi.waitFor(() => expect(finished).toHaveBeenCalledTimes(3))
  expect([text(await post('')), text(await post(''))]).toEqual(['null', 'null'])
})
