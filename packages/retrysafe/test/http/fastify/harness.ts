/* Real Fastify servers with the adapter under test, as the adapter cases drive them. */
import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { idempotent, idempotentRoute, operationOf } from 'retrysafe/fastify'
import { memoryStore } from 'retrysafe/memory'
import type { AdapterSetting, HandlerRequest, OpenAdapter, Script } from 'retrysafe/testkit'
import { optionsOf } from '../adapter-options.js'
import { answer } from '../node/harness.js'
import { connectRaw, exchangeHttp1, exchangeHttp2 } from '../raw-client.js'

/** How the adapter is mounted; `preHandler` stands alone, behind a parser that leaves the body to the handler. */
export type Placement = 'plugin' | 'route' | 'preHandler'

/** How a handler answers: by its result, by `reply.send`, by Node's own response, or by what the web has. */
export type Answering = 'return' | 'send' | 'hijack' | 'web'

export interface HarnessOptions {
  readonly placement: Placement
  readonly answering: Answering
  readonly protocol: 'http/1.1' | 'http/2'
}

export function openFastify({ placement, answering, protocol }: HarnessOptions): OpenAdapter {
  return async (setting) => {
    const store = memoryStore()
    const options = optionsOf(setting.options, setting.between?.(store) ?? store, readerOf)
    const app = createApp(protocol)
    app.removeAllContentTypeParsers()
    // Fastify's own shows the message of an error; what a failure shows is up to the service.
    app.setErrorHandler((_error, _request, reply) => reply.code(500).send('failed'))
    if (placement === 'preHandler') app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    else app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.addHook('onRequest', async (request, reply) => {
      for (const [name, values] of Object.entries(fieldsOf(setting.outerHeaders?.(viewOf(request)) ?? [])))
        reply.header(name, values)
    })
    if (placement === 'plugin') await app.register(idempotent(options))
    const once = placement === 'plugin' ? {} : idempotentRoute(options)
    const hooks = placement === 'preHandler' && 'preHandler' in once ? { preHandler: once.preHandler } : once
    app.all('*', { ...hooks }, handlerOf(setting, answering))
    return { store, ...(await listening(app, protocol)) }
  }
}

export function createApp(protocol: HarnessOptions['protocol']): FastifyInstance {
  const settings = { bodyLimit: 1024 ** 3, exposeHeadRoutes: false }
  // Of HTTP/2 an instance has other raw types, and nothing else that a harness sees.
  if (protocol === 'http/2') return Fastify({ ...settings, http2: true }) as unknown as FastifyInstance
  return Fastify(settings)
}

export async function listening(app: FastifyInstance, protocol: HarnessOptions['protocol']) {
  const sockets = new Set<Socket>()
  const server = app.server as Server | Http2Server
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return {
    port,
    exchange: (request: Parameters<typeof exchangeHttp1>[1]) =>
      protocol === 'http/2' ? exchangeHttp2(port, request) : exchangeHttp1(port, request),
    connect: () => connectRaw(port),
    async close() {
      for (const socket of sockets) socket.destroy()
      await app.close()
    },
  }
}

const readerOf =
  (request: FastifyRequest) =>
  (name: string): string | undefined =>
    headerOf(request, name)

function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

function viewOf(request: FastifyRequest): HandlerRequest {
  return {
    method: request.method,
    target: request.originalUrl,
    header: (name) => headerOf(request, name),
    body: () => readBody(request),
    operation: operationOf(request),
  }
}

async function readBody(request: FastifyRequest): Promise<Uint8Array> {
  if (request.body instanceof Uint8Array) return request.body
  const chunks: Buffer[] = []
  for await (const chunk of request.raw) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

function handlerOf(setting: AdapterSetting, answering: Answering): Handler {
  const play = async (request: FastifyRequest): Promise<Script> => setting.handler(viewOf(request))
  const payloadBy = answering === 'web' ? webPayloadOf : payloadOf
  switch (answering) {
    case 'return':
    case 'web':
      return async (request, reply) => {
        const script = await play(request)
        return mustHijack(script) ? hijack(script, request, reply) : payloadBy(script, reply)
      }
    case 'send':
      // Of the older kind: it returns at once, and what it began answers some time.
      return (request, reply) => {
        play(request).then(
          (script) => (mustHijack(script) ? hijack(script, request, reply) : reply.send(payloadOf(script, reply))),
          (error) => reply.send(error),
        )
      }
    case 'hijack':
      return async (request, reply) => hijack(await play(request), request, reply)
  }
}

/** What Fastify has no way to say: a last chunk with the end, a head before a body that is no stream, and no head. */
function mustHijack({ flush, chunks, body, cut }: Script): boolean {
  return chunks === undefined ? flush === 'head' || cut === true : body !== undefined
}

function hijack(script: Script, request: FastifyRequest, reply: FastifyReply): void {
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value)
  answer({ handler: () => script }, request.raw, reply.raw, 'writeHead').catch((error: Error) =>
    reply.raw.destroy(error),
  )
}

/** Says the head by `reply`, and gives what is left to say. */
function payloadOf(script: Script, reply: FastifyReply): unknown {
  const { status = 200, statusText, headers = [], body, chunks, trailers = [] } = script
  if (script.earlyHints !== undefined) reply.writeEarlyHints(fieldsOf(script.earlyHints))
  reply.code(status)
  if (statusText !== undefined) reply.raw.statusMessage = statusText
  for (const [name, values] of Object.entries(fieldsOf(headers))) reply.header(name, values)
  for (const [name, value] of trailers) reply.trailer(name, async () => value)
  if (script.flush === 'head') flush(reply)
  if (chunks === undefined) return bytesOf(body)
  return Readable.from(allOf(chunks, script.cut), { objectMode: false, highWaterMark: 1 })
}

function flush(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) reply.raw.setHeader(name, value)
  reply.raw.flushHeaders()
}

function bytesOf(body: Script['body']): Buffer | string | undefined {
  return body === undefined || typeof body === 'string' ? body : Buffer.from(body)
}

async function* allOf(chunks: NonNullable<Script['chunks']>, cut = false): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) yield Buffer.from(chunk)
  if (cut) throw new Error('cut')
}

function webPayloadOf(script: Script, reply: FastifyReply): unknown {
  const payload = payloadOf(script, reply)
  if (!(payload instanceof Readable)) return payload
  const stream = Readable.toWeb(payload) as ReadableStream
  return script.flush === 'head' ? stream : new Response(stream, { status: reply.statusCode })
}

function fieldsOf(headers: Script['headers'] = []): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    fields[lower] = lower in fields ? [fields[lower] ?? [], value].flat() : value
  }
  return fields
}
