/* Bodies far larger than what is held, through each adapter in a process of its own, whose memory is watched. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request as openRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileInto } from '../stores/compiled.js'
import type { Ask, Report, Word } from './large-child.js'

const mib = 1024 * 1024
const largeBytes = 200 * mib
/** What the collector may leave lying around; whoever keeps a body is far beyond it. */
const allowedBytes = 80 * mib
/** What may be in the buffers of both ends of a connection. */
const underWayBytes = 8 * mib
/** What comes after a response is up to whoever serves: `@hono/node-server` reads on for half a second. */
const readOnAfterwards: readonly string[] = ['hono', 'fetch']
const packageRoot = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'retrysafe-large-'))

beforeAll(() => {
  compileInto(folder, ['test/http/large-child.ts'], ['src/engine', 'src/http'])
  // The frameworks are found from where the compiled server stands.
  symlinkSync(join(packageRoot, '../../node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

for (const adapter of ['node', 'express', 'fastify', 'hono', 'fetch'])
  describe(adapter, () => {
    let server: LargeServer
    beforeAll(async () => {
      server = await startServer(adapter)
    })
    afterAll(() => server.stop())

    test('a response too large to be stored passes in flat memory, and its retry is told so', async () => {
      const headers = { 'Idempotency-Key': 'download' }
      await server.watch()
      const first = await replyOf(post(server.port, '/download', headers).end())
      const { grownBytes } = await server.report()
      expect([first.status, first.bytes]).toEqual([200, largeBytes])
      expect(grownBytes).toBeLessThan(allowedBytes)
      const retry = await replyOf(post(server.port, '/download', headers).end())
      expect([retry.status, JSON.parse(retry.start).code]).toEqual([409, 'response_not_stored'])
      expect((await server.report()).runs).toBe(1)
    })

    test('an upload without a key passes in flat memory', async () => {
      await server.watch()
      const upload = post(server.port, '/upload', { 'Content-Type': 'application/octet-stream' })
      const reply = replyOf(upload)
      await pump(upload, largeBytes)
      expect(await reply).toMatchObject({ status: 200, start: String(largeBytes) })
      const { grownBytes, receivedBytes } = await server.report()
      expect(receivedBytes).toBeGreaterThan(largeBytes)
      expect(grownBytes).toBeLessThan(allowedBytes)
    })

    test('an upload under a key that says how large it is is refused before a byte of it is sent', async () => {
      await server.watch()
      const headers = { 'Idempotency-Key': 'upload', 'Content-Type': 'application/octet-stream' }
      const upload = post(server.port, '/upload', { ...headers, 'Content-Length': largeBytes })
      upload.flushHeaders()
      const reply = await replyOf(upload)
      expect([reply.status, JSON.parse(reply.start).code]).toEqual([413, 'body_too_large'])
      expect((await server.report()).runs).toBe(0)
    })

    const isRead = readOnAfterwards.includes(adapter)
    test(`what a refused client goes on to send is not ${isRead ? 'held' : 'read'}`, async () => {
      await server.watch()
      // Of a client that neither reads nor gives up, so that it is the server that ends the connection.
      const socket = connect(server.port, '127.0.0.1')
      socket.write('POST /upload HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: upload\r\n')
      socket.write(`Content-Type: application/octet-stream\r\nContent-Length: ${largeBytes}\r\n\r\n`)
      await pump(socket, largeBytes)
      const { receivedBytes, grownBytes, runs } = await server.report()
      expect(runs).toBe(0)
      if (!isRead) expect(receivedBytes).toBeLessThan(underWayBytes)
      expect(grownBytes).toBeLessThan(allowedBytes)
    })

    test('the first event of a stream reaches the client while the handler waits before the second', async () => {
      const waiting = server.hears('waiting')
      const response = await responseOf(post(server.port, '/events', { 'Idempotency-Key': 'events' }).end())
      const events = textOf(response)
      expect((await events.next()).value).toBe('data: first\n\n')
      await waiting
      server.ask('proceed')
      expect((await events.next()).value).toBe('data: second\n\n')
      expect((await events.next()).done).toBe(true)
    })
  })

interface LargeServer {
  readonly port: number
  ask(ask: Ask): void
  hears<Type extends Word['type']>(type: Type): Promise<Extract<Word, { type: Type }>>
  watch(): Promise<void>
  report(): Promise<Report>
  stop(): void
}

async function startServer(adapter: string): Promise<LargeServer> {
  const child = fork(join(folder, 'test/http/large-child.js'), [adapter], { execArgv: ['--expose-gc'] })
  const hears = <Type extends Word['type']>(type: Type) => wordFrom(child, type)
  const { port } = await hears('listening')
  return {
    port,
    hears,
    ask: (ask) => child.send(ask),
    async watch() {
      const watching = hears('watching')
      child.send('watch')
      await watching
    },
    async report() {
      const word = hears('report')
      child.send('report')
      return (await word).report
    },
    stop: () => child.disconnect(),
  }
}

function wordFrom<Type extends Word['type']>(child: ChildProcess, type: Type): Promise<Extract<Word, { type: Type }>> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`The server ended with ${code}.`))
    const heard = (word: Word): void => {
      if (word.type !== type) return
      child.off('message', heard).off('exit', ended)
      resolve(word as Extract<Word, { type: Type }>)
    }
    child.on('message', heard).on('exit', ended)
  })
}

function post(port: number, path: string, headers: Readonly<Record<string, string | number>>): ClientRequest {
  return openRequest({ port, path, method: 'POST', headers, agent: false })
}

function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
}

/** The whole response, of which only the start is kept. */
async function replyOf(request: ClientRequest): Promise<{ status: number; bytes: number; start: string }> {
  const response = await responseOf(request)
  let bytes = 0
  let start = ''
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (start.length < 1000) start += chunk.toString('latin1')
  }
  return { status: response.statusCode ?? 0, bytes, start }
}

/** Sends as fast as the server reads, until all is sent or the connection is gone. */
async function pump(target: Writable, totalBytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  let isGone = false
  let goOn = (): void => {}
  target.on('drain', () => goOn())
  for (const event of ['error', 'close'])
    target.on(event, () => {
      isGone = true
      goOn()
    })
  for (let sent = 0; sent < totalBytes && !isGone; sent += chunk.byteLength) {
    const room = new Promise<void>((resolve) => {
      goOn = resolve
    })
    if (!target.write(chunk)) await room
  }
  if (!isGone) target.end()
}

async function* textOf(response: IncomingMessage): AsyncGenerator<string> {
  for await (const chunk of response as AsyncIterable<Buffer>) yield chunk.toString()
}
