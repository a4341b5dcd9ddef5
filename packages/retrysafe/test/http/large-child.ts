/* A server of its own process, whose memory is watched: node large-child.js node|express|fastify|hono|fetch */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { idempotent as idempotentExpress } from '../../src/http/express.js'
import { idempotent as idempotentFastify } from '../../src/http/fastify.js'
import { idempotent as idempotentFetch } from '../../src/http/fetch.js'
import { idempotent as idempotentHono } from '../../src/http/hono.js'
import { idempotent as idempotentNode } from '../../src/http/node.js'
import { memoryStore } from '../../src/stores/memory.js'

/** What the test asks for. */
export type Ask = 'watch' | 'report' | 'proceed'

export type Word =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'watching' }
  /** A handler has sent its first event and waits until it is told to proceed. */
  | { readonly type: 'waiting' }
  | { readonly type: 'report'; readonly report: Report }

/** Since the last `watch`. */
export interface Report {
  /** How far the resident memory was above where it began, at its highest. */
  readonly grownBytes: number
  /** What came over all connections. */
  readonly receivedBytes: number
  readonly runs: number
}

const totalBytes = 200 * 1024 * 1024
const chunk = Buffer.alloc(64 * 1024, 'x')
const options = { store: memoryStore(), scope: () => 'tenant', maxStoredBytes: 64 * 1024 }
let runs = 0
let proceed = (): void => {}

function say(word: Word): void {
  process.send?.(word)
}

function* download(): Iterable<Uint8Array> {
  runs++
  for (let sent = 0; sent < totalBytes; sent += chunk.byteLength) yield chunk
}

async function* events(): AsyncIterable<Uint8Array> {
  runs++
  yield Buffer.from('data: first\n\n')
  await new Promise<void>((resolve) => {
    proceed = resolve
    say({ type: 'waiting' })
  })
  yield Buffer.from('data: second\n\n')
}

async function count(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  runs++
  let bytes = 0
  for await (const { byteLength } of chunks) bytes += byteLength
  return String(bytes)
}

/** What a path streams, and the media type of it. */
function streamed(path: string): [chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, type: string] {
  return path === '/events' ? [events(), 'text/event-stream'] : [download(), 'application/octet-stream']
}

const handleNode: RequestListener = async (request, response) => {
  if (request.url === '/upload') return void response.end(await count(request))
  const [chunks, type] = streamed(request.url ?? '')
  response.setHeader('Content-Type', type)
  await pipeline(Readable.from(chunks, { objectMode: false }), response)
}

async function handleWeb(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname === '/upload') return new Response(await count(request.body as unknown as AsyncIterable<Uint8Array>))
  const [chunks, type] = streamed(pathname)
  return new Response(streamOf(chunks), { headers: { 'Content-Type': type } })
}

function streamOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
  })
}

const servers: Readonly<Record<string, () => Promise<Server>>> = {
  async node() {
    return createServer(idempotentNode(options)(handleNode))
  },
  async express() {
    const app = express()
    app.use(idempotentExpress(options))
    app.post('/upload', async (request, response) => void response.send(await count(request)))
    app.post('/{*path}', async (request, response) => {
      const [chunks, type] = streamed(request.path)
      response.type(type)
      await pipeline(Readable.from(chunks, { objectMode: false }), response)
    })
    return createServer(app)
  },
  async fastify() {
    const app = Fastify({ bodyLimit: 2 * totalBytes })
    await app.register(idempotentFastify(options))
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.post('/upload', async (request) => count(request.body as IncomingMessage))
    app.post('/*', async (request, reply) => {
      const [chunks, type] = streamed(request.url)
      return reply.type(type).send(Readable.from(chunks, { objectMode: false }))
    })
    await app.ready()
    return app.server
  },
  async hono() {
    const app = new Hono()
    app.use(idempotentHono(options))
    app.post('*', (context) => handleWeb(context.req.raw))
    return createAdaptorServer({ fetch: app.fetch }) as Server
  },
  async fetch() {
    return createAdaptorServer({ fetch: idempotentFetch(options)(handleWeb) }) as Server
  },
}

const sockets = new Set<Socket>()
const server = await servers[process.argv[2] ?? '']?.()
if (server === undefined) throw new Error('Which server?')
server.on('connection', (socket) => sockets.add(socket))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

let begunAt = 0
let highest = 0
// Collected first: what counts is what is held, not what the collector did not get to yet.
setInterval(() => {
  globalThis.gc?.()
  highest = Math.max(highest, process.memoryUsage.rss())
}, 25)

process.on('message', (ask: Ask) => {
  switch (ask) {
    case 'watch':
      globalThis.gc?.()
      begunAt = process.memoryUsage.rss()
      highest = begunAt
      runs = 0
      sockets.clear()
      return say({ type: 'watching' })
    case 'report': {
      const receivedBytes = [...sockets].reduce((sum, { bytesRead }) => sum + bytesRead, 0)
      return say({ type: 'report', report: { grownBytes: highest - begunAt, receivedBytes, runs } })
    }
    case 'proceed':
      return proceed()
  }
})
process.on('disconnect', () => process.exit())
say({ type: 'listening', port: (server.address() as AddressInfo).port })
