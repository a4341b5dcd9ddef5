/* Clients that leave, and responses that break off, behind the middleware that Express services use. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import compression from 'compression'
import type { Express, Request, RequestHandler, Response } from 'express'
import multer from 'multer'
import type { IdempotencyStore } from 'retrysafe'
import { answerProblems, idempotent } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { listen } from '../node/harness.js'
import { connectRaw, exchangeHttp1 } from '../raw-client.js'
import { expresses, type Version } from './harness.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(version: Version, set: (app: Express) => void) {
  const app = expresses[version]()
  app.set('env', 'test') // logs no error
  set(app)
  const { port, close } = await listen('http/1.1', app)
  closing.push(close)
  const begin = (headers: [string, string][] = []) =>
    exchangeHttp1(port, { method: 'POST', target: '/charges', headers: [['Idempotency-Key', 'k'], ...headers] })
  return { port, begin }
}

const options = () => ({ store: memoryStore(), scope: () => 'tenant', maxStoredBytes: 64 * 1024 * 1024 })

/** A store whose `begin` answers only once it is let go. */
function slowStore(): { store: IdempotencyStore; begun(): boolean; go(): void } {
  const inner = memoryStore()
  let begun = false
  let go = (): void => {}
  const gone = new Promise<void>((resolve) => {
    go = resolve
  })
  const begin: IdempotencyStore['begin'] = async (...args) => {
    begun = true
    await gone
    return inner.begin(...args)
  }
  return { store: { ...inner, begin }, begun: () => begun, go: () => go() }
}

const form = '--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n7\r\n--x--\r\n'
const parsers: Readonly<
  Record<string, { type: string; body: string; found: unknown; parser(version: Version): RequestHandler }>
> = {
  'express.json()': {
    ...{ type: 'application/json', body: '{"amount":7}', found: { amount: 7 } },
    parser: (version) => expresses[version].json(),
  },
  'express.urlencoded()': {
    ...{ type: 'application/x-www-form-urlencoded', body: 'amount=7', found: { amount: '7' } },
    parser: (version) => expresses[version].urlencoded({ extended: true }),
  },
  multer: {
    ...{ type: 'multipart/form-data; boundary=x', body: form, found: { amount: '7' } },
    parser: () => multer().none(),
  },
}

for (const version of Object.keys(expresses) as Version[])
  describe(`in ${version}`, () => {
    for (const [name, { type, body, found, parser }] of Object.entries(parsers))
      for (const leaves of ['hangs up', 'ends its side'] as const)
        test(`${name} behind the adapter finds the body of a client that ${leaves} meanwhile`, async () => {
          const { store, begun, go } = slowStore()
          let seen: Request | undefined
          const { port } = await start(version, (app) => {
            app.use(idempotent({ store, scope: () => 'tenant' }), parser(version))
            app.post('/charges', (request, response) => {
              seen = request
              response.json('done')
            })
          })
          const socket = connect(port, '127.0.0.1').on('error', () => {})
          const lines = ['POST /charges HTTP/1.1', 'Host: a', 'Idempotency-Key: k', `Content-Type: ${type}`]
          socket.resume().write(`${[...lines, `Content-Length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`)
          await vi.waitFor(() => expect(begun()).toBe(true))
          const gone = new Promise((resolve) => socket.once('close', resolve))
          if (leaves === 'hangs up') socket.destroy()
          else socket.end()
          await gone
          await sleep(10) // until the server has heard of it
          go()
          await vi.waitFor(() => expect(seen).toBeDefined())
          expect({ ...seen?.body }).toEqual(found)
        })

    for (const answered of [false, true])
      test(`what breaks off after its head is not run again, with${answered ? '' : 'out'} answerProblems`, async () => {
        let runs = 0
        const { begin } = await start(version, (app) => {
          app.post('/charges', idempotent(options()), (_request, response) => {
            runs++
            response.write('half')
            throw new Error('half-way')
          })
          if (answered) app.use(answerProblems())
        })
        expect((await begin().reply).complete).toBe(false)
        const again = await begin().reply
        expect([again.status, JSON.parse(Buffer.from(again.body).toString()).code, runs]).toEqual([
          ...[409, 'response_not_stored', 1],
        ])
      })

    test('a request whose connection the handler destroys before a head gives its key back', async () => {
      const { store, scope } = options()
      const { begin } = await start(version, (app) =>
        app.post('/charges', idempotent({ store, scope }), (request) => void request.socket.destroy()),
      )
      expect((await begin().reply).status).toBe(0)
      expect((await store.list()).records).toEqual([])
    })

    test('the connection of a request is as ever, and can be ended once the response has gone', async () => {
      let given: Response | undefined
      const { port } = await start(version, (app) =>
        app.post('/charges', idempotent(options()), (request, response) => {
          given = response
          const { socket } = request
          let own: unknown
          socket.once('probe', function (this: unknown) {
            own = this
          })
          socket.emit('probe')
          response.json([request.ip, request.protocol, socket instanceof Socket, own === response.socket])
        }),
      )
      const raw = connectRaw(port)
      raw.send('POST /charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n')
      const { body } = await raw.next()
      expect(JSON.parse(Buffer.from(body).toString())).toEqual(['127.0.0.1', 'http', true, true])
      await vi.waitFor(() => expect(given?.closed).toBe(true))
      const socket = given?.req.socket
      expect(socket?.destroyed).toBe(false)
      socket?.destroy()
      expect(socket?.destroyed).toBe(true)
      await raw.ended
    })

    test('a file that stops with its client closes the key', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'retrysafe-'))
      closing.push(() => rmSync(folder, { recursive: true }))
      writeFileSync(join(folder, 'large'), Buffer.alloc(30_000_000))
      let runs = 0
      const { begin } = await start(version, (app) =>
        app.post('/charges', idempotent(options()), (_request, response) => {
          runs++
          response.sendFile('large', { root: folder })
        }),
      )
      const left = begin()
      await left.head
      left.pause()
      left.leave()
      await vi.waitFor(async () => {
        const again = await begin().reply
        expect(JSON.parse(Buffer.from(again.body).toString()).code).toBe('response_not_stored')
      })
      expect(runs).toBe(1)
    })

    test('a source that fails while its client is there leaves the response to the handler', async () => {
      const { begin } = await start(version, (app) =>
        app.post('/charges', idempotent(options()), (_request, response) => {
          const source = new PassThrough()
          source.once('error', () => setImmediate(() => setImmediate(() => response.end('sorry'))))
          source.pipe(response)
          source.write('half, ')
          setImmediate(() => source.destroy(new Error('half-way')))
        }),
      )
      const texts = [await begin().reply, await begin().reply].map(({ body }) => Buffer.from(body).toString())
      expect(texts).toEqual(['half, sorry', 'half, sorry'])
    })

    test('within compression, a listener for a drain that was taken away is not called where the client leaves', async () => {
      const drained = vi.fn()
      let given: Request | undefined
      let end = (): void => {}
      const { store, scope } = options()
      const { begin } = await start(version, (app) => {
        app.use(compression())
        app.post('/charges', idempotent({ store, scope }), (request, response) => {
          given = request
          response.on('drain', drained).removeListener('drain', drained)
          end = () => response.end('done')
        })
      })
      const left = begin()
      await vi.waitFor(() => expect(given).toBeDefined())
      left.leave()
      await vi.waitFor(() => expect(given?.socket.destroyed).toBe(true))
      await sleep(10)
      end()
      await vi.waitFor(async () => expect((await store.list()).records[0]?.status).toBe('completed'))
      expect(drained).not.toHaveBeenCalled()
    })

    for (const waits of ['a pipe', 'a handler that waits for a drain'] as const)
      test(`within compression, ${waits} goes on where a slow client leaves`, async () => {
        let written = 0
        let left = false
        function* chunks(): Iterable<Buffer> {
          // As long as the client is there, and some more.
          for (let more = 4; more > 0 && written < 1000; more -= left ? 1 : 0) {
            written++
            yield randomBytes(64_000)
          }
        }
        const { store, scope } = options()
        const { begin } = await start(version, (app) => {
          app.use(compression({ threshold: 0 }))
          app.post(
            '/charges',
            idempotent({ store, scope, maxStoredBytes: 128_000_000 }),
            async (_request, response) => {
              response.type('text/plain')
              if (waits === 'a pipe') return void Readable.from(chunks(), { objectMode: false }).pipe(response)
              for (const chunk of chunks())
                if (!response.write(chunk))
                  await new Promise<void>((resolve) => response.once('drain', () => resolve()))
              response.end()
            },
          )
        })
        const slow = begin([['Accept-Encoding', 'gzip']])
        await slow.head
        slow.pause()
        for (let still = 0, seen = 0; still < 5; still = written === seen ? still + 1 : 0) {
          seen = written
          await sleep(20)
        }
        left = true
        slow.leave()
        await vi.waitFor(async () => expect((await store.list()).records[0]?.status).toBe('completed'), 10_000)
      }, 30_000)
  })
