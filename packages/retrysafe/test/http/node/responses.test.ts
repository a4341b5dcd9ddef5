/* What only Node's own responses have: forms of `writeHead`, events, state, streams and hooks of outer middleware. */
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryStore } from 'retrysafe/memory'
import { type HttpOptions, idempotent, type NodeHandler } from 'retrysafe/node'
import type { Exchange, Reply } from 'retrysafe/testkit'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { exchangeHttp1, exchangeHttp2 } from '../raw-client.js'
import { listen } from './harness.js'

type Protocol = 'http/1.1' | 'http/2'
type Listener = (request: IncomingMessage, response: ServerResponse) => void

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closing.splice(0)) await close()
})

interface Server {
  readonly store: ReturnType<typeof memoryStore>
  readonly port: number
  runs(): number
  start(key?: string, body?: Uint8Array | Uint8Array[]): Exchange
  ask(key?: string, body?: Uint8Array | Uint8Array[]): Promise<Reply>
}

async function serve(
  handler: NodeHandler,
  {
    protocol = 'http/1.1',
    outer,
    ...options
  }: { protocol?: Protocol; outer?: (next: Listener) => Listener } & Partial<HttpOptions<IncomingMessage>> = {},
): Promise<Server> {
  const store = memoryStore()
  let runs = 0
  const listener = idempotent({ store, allowAnonymous: true, ...options } as HttpOptions<IncomingMessage>)(
    (request, response) => {
      runs++
      return handler(request, response)
    },
  )
  const { port, close } = await listen(protocol, outer?.(listener) ?? listener)
  closing.push(close)
  const start: Server['start'] = (key = 'k1', body) => {
    const request = { method: 'POST', target: '/', headers: [['Idempotency-Key', key]], ...(body && { body }) } as const
    return protocol === 'http/2' ? exchangeHttp2(port, request) : exchangeHttp1(port, request)
  }
  return { store, port, runs: () => runs, start, ask: (key, body) => start(key, body).reply }
}

function headersOf(reply: Reply): Record<string, string> {
  return Object.fromEntries(reply.headers.map(([name, value]) => [name.toLowerCase(), value]))
}

async function expectReplay(
  server: Server,
  expected: { status: number; body: string; headers?: object },
): Promise<void> {
  for (const replayed of [undefined, 'true']) {
    const reply = await server.ask()
    expect([reply.status, String(reply.body), reply.complete]).toEqual([expected.status, expected.body, true])
    expect(headersOf(reply)).toMatchObject(expected.headers ?? {})
    expect(headersOf(reply)['idempotent-replayed']).toBe(replayed)
  }
  expect(server.runs()).toBe(1)
}

describe.each(['http/1.1', 'http/2'] as const)('a handler over %s', (protocol) => {
  const forms: Record<string, (response: ServerResponse) => unknown> = {
    'writeHead with an object': (response) =>
      response.writeHead(201, { 'X-One': '1', 'x-two': ['2', '3'] }).end('done'),
    'writeHead with a status text and an object': (response) =>
      response.writeHead(201, 'Made', { 'X-One': '1', 'x-two': ['2', '3'] }).end('done'),
    'writeHead after setHeader': (response) => {
      response.setHeader('X-One', 'other')
      response.setHeader('x-two', ['2', '3'])
      response.writeHead(201, { 'X-One': '1' })
      response.end('done')
    },
    'a status and setHeader': (response) => {
      response.statusCode = 201
      response.setHeader('X-One', '1')
      response.setHeader('x-two', ['2', '3'])
      response.end('done')
    },
    'writeHead, write and end': (response) => {
      response.writeHead(201, { 'X-One': '1', 'x-two': ['2', '3'] })
      response.write('do')
      response.end('ne')
    },
    'a callback of end': (response) => {
      response.writeHead(201, { 'X-One': '1', 'x-two': ['2', '3'] })
      response.write('d', () => response.write(Buffer.from('o'), () => response.end('ne', () => {})))
    },
  }
  for (const [form, handler] of Object.entries(forms))
    test(`is replayed when it answers by ${form}`, async () => {
      vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      const server = await serve((_request, response) => handler(response), { protocol })
      await expectReplay(server, { status: 201, body: 'done', headers: { 'x-one': '1' } })
      const lines = (await server.ask()).headers.filter(([name]) => name.toLowerCase() === 'x-two')
      expect(lines.flatMap(([, value]) => value.split(', '))).toEqual(['2', '3'])
    })

  test('may give strings in other encodings, and reuse its buffer', async () => {
    const server = await serve(
      (_request, response) => {
        const buffer = Buffer.from('ab')
        response.write(buffer, () => {
          buffer.fill('x')
          response.write('6364', 'hex')
          response.write(new Uint8Array([101]))
          response.end('Zg==', 'base64')
        })
      },
      { protocol },
    )
    await expectReplay(server, { status: 200, body: 'abcdef' })
  })

  test('sees a response that has begun and ended as soon as it said so', async () => {
    const seen: unknown[] = []
    const server = await serve(
      (_request, response) => {
        seen.push(response.headersSent, response.writableEnded)
        response.writeHead(200)
        seen.push(response.headersSent, response.writableEnded)
        response.end('done')
        seen.push(response.headersSent, response.writableEnded)
      },
      { protocol },
    )
    await server.ask()
    expect(seen).toEqual([false, false, true, false, true, true])
  })

  test('gets finish and close once, after the response was stored', async () => {
    const events: string[] = []
    const server = await serve(
      (_request, response) => {
        for (const event of ['finish', 'close'])
          response.on(event, async () => {
            events.push(event)
            const [record] = (await server.store.list()).records
            if (record?.status !== 'completed') events.push(`${event} came too early`)
          })
        response.end('done')
      },
      { protocol },
    )
    await server.ask()
    await vi.waitFor(() => expect(events).toEqual(['finish', 'close']))
  })

  test('gets finish and close when its client left, so that a pipeline ends', async () => {
    const events: string[] = []
    let go = (): void => {}
    const left = new Promise<void>((resolve) => {
      go = resolve
    })
    const server = await serve(
      async (_request, response) => {
        response.on('close', () => events.push('close'))
        await left
        await pipeline(Readable.from(['do', 'ne']), response)
        events.push('pipeline')
      },
      { protocol },
    )
    const first = server.start()
    await vi.waitFor(() => expect(server.runs()).toBe(1))
    first.leave()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(events).toEqual([])
    go()
    await vi.waitFor(() => expect(events.sort()).toEqual(['close', 'pipeline']))
    expect(String((await server.ask()).body)).toBe('done')
  })

  test('that pipes a file is replayed, also when its client left in the middle', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'retrysafe-'))
    closing.push(() => rm(folder, { recursive: true }))
    const path = join(folder, 'file')
    const content = Buffer.alloc(3_000_000, 'abcdefg')
    await writeFile(path, content)
    const server = await serve(
      (_request, response) => {
        createReadStream(path).pipe(response)
      },
      { protocol },
    )
    const first = server.start('left')
    await first.head
    first.leave()
    await vi.waitFor(async () => expect((await server.store.list()).records[0]?.status).toBe('completed'), 10_000)
    for (const key of ['left', 'stayed', 'stayed'])
      expect(Buffer.compare((await server.ask(key)).body, content)).toBe(0)
    expect(server.runs()).toBe(2)
  })

  test('whose pipeline fails breaks the response off, and is not run again', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    async function* source(): AsyncIterable<string> {
      yield 'half'
      await new Promise((resolve) => setTimeout(resolve, 5))
      throw new Error('the source failed')
    }
    const server = await serve(
      async (_request, response) => {
        response.writeHead(200)
        await pipeline(
          Readable.from(source()),
          new Transform({ transform: (chunk, _, done) => done(null, chunk) }),
          response,
        )
      },
      { protocol },
    )
    expect((await server.ask()).complete).toBe(false)
    expect(JSON.parse(String((await server.ask()).body)).code).toBe('response_not_stored')
  })

  test('whose pipeline fails after its client left is told so', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    let go = (): void => {}
    const left = new Promise<void>((resolve) => {
      go = resolve
    })
    async function* source(): AsyncIterable<string> {
      yield 'half'
      await left
      throw new Error('the source failed')
    }
    const failures: unknown[] = []
    const server = await serve(
      (_request, response) => {
        response.on('close', () => failures.push('close'))
        return pipeline(Readable.from(source()), response).catch((error) => failures.push(String(error)))
      },
      { protocol },
    )
    const first = server.start()
    await first.head
    first.leave()
    await new Promise((resolve) => setTimeout(resolve, 20))
    go()
    await vi.waitFor(() => expect(failures.sort()).toEqual(['Error: the source failed', 'close']))
    expect(JSON.parse(String((await server.ask()).body)).code).toBe('response_not_stored')
  })

  test('that writes after its end is told so, and nothing of it reaches the client', async () => {
    const errors: unknown[] = []
    const server = await serve(
      (_request, response) => {
        response.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
        response.end('done')
        response.write(' and more', (error) => errors.push((error as NodeJS.ErrnoException).code))
        response.end('again')
      },
      { protocol },
    )
    await expectReplay(server, { status: 200, body: 'done' })
    expect(errors).toEqual(['ERR_STREAM_WRITE_AFTER_END', 'ERR_STREAM_WRITE_AFTER_END'])
  })

  test('that throws after its end has its response all the same', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    const failure = new Error('afterwards')
    const server = await serve(
      (_request, response) => {
        response.end('done')
        throw failure
      },
      { protocol },
    )
    await expectReplay(server, { status: 200, body: 'done' })
    expect(log).toHaveBeenCalledWith(failure)
  })

  test('that never reads the body answers all the same', async () => {
    const server = await serve((_request, response) => response.end('done'), { protocol })
    expect(String((await server.ask('k1', Buffer.alloc(500_000))).body)).toBe('done')
    expect(String((await server.ask('k1', Buffer.alloc(500_000))).body)).toBe('done')
    expect(server.runs()).toBe(1)
  })

  test('that sends early hints and informational heads has its one response replayed', async () => {
    const server = await serve(
      (_request, response) => {
        response.writeEarlyHints({ link: '</a.css>; rel=preload' })
        response.writeHead(201, { 'x-one': '1' })
        response.flushHeaders()
        response.end('done')
      },
      { protocol },
    )
    const first = await server.ask()
    expect(first.informational.map(({ status }) => status)).toEqual([103])
    expect([first.status, String(first.body)]).toEqual([201, 'done'])
    const retry = await server.ask()
    expect([retry.status, String(retry.body), headersOf(retry)['x-one']]).toEqual([201, 'done', '1'])
  })
})

describe('over http/1.1', () => {
  test('writeHead takes a flat list and a list of pairs, with repeated names', async () => {
    for (const headers of [
      ['X-One', '1', 'X-Two', '2', 'X-Two', '3'],
      [
        ['X-One', '1'],
        ['X-Two', '2'],
        ['X-Two', '3'],
      ],
    ]) {
      const server = await serve((_request, response) => response.writeHead(201, headers as never).end('done'))
      for (let time = 0; time < 2; time++) {
        const reply = await server.ask()
        const own = reply.headers.filter(([name]) => /^x-(one|two)$/i.test(name))
        expect(own).toEqual([
          ['X-One', '1'],
          ['X-Two', '2'],
          ['X-Two', '3'],
        ])
      }
    }
  })

  test('hooks of outer middleware see the response, and are there again for its end', async () => {
    const seen: string[] = []
    const upper = (chunk: Uint8Array | string): string =>
      Buffer.from(chunk as Uint8Array)
        .toString()
        .toUpperCase()
    // As compression and on-headers do: properties of their own in front of the response’s methods.
    const outer =
      (next: Listener): Listener =>
      (request, response) => {
        const { write, end, writeHead } = response
        response.writeHead = ((...args: Parameters<typeof writeHead>) => {
          seen.push('head')
          response.removeHeader('content-length')
          return writeHead.apply(response, args)
        }) as typeof writeHead
        response.write = ((chunk: Buffer | string) => write.call(response, upper(chunk), 'utf8')) as typeof write
        response.end = ((chunk?: Buffer | string) => {
          if (!response.headersSent) response.writeHead(response.statusCode)
          return end.call(response, chunk === undefined ? undefined : upper(chunk), 'utf8')
        }) as typeof end
        next(request, response)
      }
    const whole = await serve((_request, response) => response.end('done'), { outer })
    await expectReplay(whole, { status: 200, body: 'DONE' })
    const chunks = await serve(
      (_request, response) => {
        response.write('do')
        response.end('ne')
      },
      { outer },
    )
    await expectReplay(chunks, { status: 200, body: 'DONE' })
    expect(seen).toEqual(['head', 'head', 'head', 'head'])
  })

  test('a connection is used again after a first response, a replay and a refusal', async () => {
    const { Agent, request } = await import('node:http')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    closing.push(async () => agent.destroy())
    const server = await serve((_request, response) => response.end('done'))
    const ports = new Set<number | undefined>()
    for (const key of ['k1', 'k1', '"', 'k2', 'k2'])
      await new Promise<void>((resolve, reject) => {
        const headers = { 'idempotency-key': key, 'content-length': 2 }
        const sent = request({ port: server.port, method: 'POST', agent, headers }, (response) => {
          response.resume().on('end', resolve)
        })
        sent.on('socket', (socket) => socket.once('connect', () => ports.add(socket.localPort)))
        sent.on('error', reject)
        sent.end('{}')
      })
    expect(ports.size).toBe(1)
  })

  test('a handler that sets headers after its head is refused as ever', async () => {
    const codes: unknown[] = []
    const server = await serve((_request, response) => {
      response.writeHead(200)
      try {
        response.setHeader('x-late', '1')
      } catch (error) {
        codes.push((error as NodeJS.ErrnoException).code)
      }
      response.end('done')
    })
    await expectReplay(server, { status: 200, body: 'done' })
    expect(codes).toEqual(['ERR_HTTP_HEADERS_SENT'])
  })

  test('a bearer token that ends before the retention is warned of once', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const claims = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 600 })).toString('base64url')
    const authorization = `Bearer eyJhbGciOiJIUzI1NiJ9.${claims}.c2ln`
    const send = async (server: Server, key: string): Promise<number> => {
      const headers = [
        ['Idempotency-Key', key],
        ['Authorization', authorization],
      ] as const
      return (await exchangeHttp1(server.port, { method: 'POST', target: '/', headers }).reply).status
    }
    const short = await serve((_request, response) => response.end('done'))
    expect([await send(short, 'k1'), await send(short, 'k2'), warn.mock.calls.length]).toEqual([200, 200, 1])
    const long = await serve((_request, response) => response.end('done'), { retentionMs: 60_000 })
    const scoped = await serve((_request, response) => response.end('done'), { scope: () => 'tenant' })
    expect([await send(long, 'k1'), await send(scoped, 'k1'), warn.mock.calls.length]).toEqual([200, 200, 1])
    expect(String(warn.mock.calls[0])).not.toContain(claims)
  })

  test('a body that a parser took whole is refused with what to do', async () => {
    const outer =
      (next: Listener): Listener =>
      (request, response) => {
        request.resume().on('end', () => next(request, response))
      }
    const server = await serve((_request, response) => response.end('done'), { outer })
    const problem = JSON.parse(String((await server.ask('k1', Buffer.from('{}'))).body))
    expect([problem.code, server.runs()]).toEqual(['body_consumed', 0])
  })
})

describe('over http/2', () => {
  test('no warning speaks of what HTTP/2 does not have', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const server = await serve((_request, response) => response.writeHead(201).end('done'), { protocol: 'http/2' })
    await expectReplay(server, { status: 201, body: 'done' })
    expect(warn).not.toHaveBeenCalled()
  })

  test('a client whose upload was refused is told to stop', async () => {
    const server = await serve((_request, response) => response.end(), { protocol: 'http/2', maxBodyBytes: 10 })
    const session = connectHttp2(`http://127.0.0.1:${server.port}`)
    closing.push(async () => session.destroy())
    const stream = session.request({ ':method': 'POST', 'idempotency-key': 'k1' }, { endStream: false })
    stream.write('more than ten bytes')
    const status = await new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])))
    expect(status).toBe(413)
    stream.resume()
    await new Promise((resolve) => stream.on('close', resolve))
    expect(stream.rstCode).toBe(0)
  })

  test('many requests on one connection run once each', async () => {
    const server = await serve((_request, response) => response.end('done'), { protocol: 'http/2' })
    const session = connectHttp2(`http://127.0.0.1:${server.port}`)
    closing.push(async () => session.destroy())
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const stream = session.request({ ':method': 'POST', 'idempotency-key': `k${index % 20}` })
        stream.end('{}')
        const headers = await new Promise<{ ':status'?: number }>((resolve) => stream.on('response', resolve))
        stream.resume()
        return headers[':status']
      }),
    )
    expect(server.runs()).toBe(20)
    expect(statuses.filter((status) => status !== 200 && status !== 409)).toEqual([])
  })
})
