/* Node's own server with the adapter under test, as the adapter cases drive it. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { memoryStore } from 'retrysafe/memory'
import { idempotent, operationOf } from 'retrysafe/node'
import type { AdapterSetting, HandlerRequest, HeaderLines, OpenAdapter, Script } from 'retrysafe/testkit'
import { optionsOf } from '../adapter-options.js'
import { connectRaw, exchangeHttp1, exchangeHttp2 } from '../raw-client.js'

/** How a handler writes: by `writeHead` and `write`, by `setHeader` and a pipeline, or event by event without promises. */
export type Style = 'writeHead' | 'pipeline' | 'events'

export interface HarnessOptions {
  readonly style: Style
  readonly protocol: 'http/1.1' | 'http/2'
}

export function openNode({ style, protocol }: HarnessOptions): OpenAdapter {
  return async (setting) => {
    const store = memoryStore()
    const once = idempotent(optionsOf(setting.options, setting.between?.(store) ?? store, readerOf))
    const handle = once((request, response) => {
      const played = answer(setting, request, response, style)
      // A handler of the older kind returns at once, and what it began ends the response some time.
      if (style !== 'events') return played
      played.catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
    })
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      for (const [name, value] of setting.outerHeaders?.(viewOf(request, style)) ?? [])
        response.appendHeader(name, value)
      handle(request, response)
    }
    const { port, close } = await listen(protocol, listener)
    return {
      store,
      exchange: (request) => (protocol === 'http/2' ? exchangeHttp2(port, request) : exchangeHttp1(port, request)),
      connect: () => connectRaw(port),
      close,
    }
  }
}

export async function listen(
  protocol: 'http/1.1' | 'http/2',
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ port: number; close(): Promise<void> }> {
  // The compatibility layer of http2 has the same requests and responses, as far as a listener sees them.
  const server = protocol === 'http/2' ? createHttp2Server(listener as never) : createServer(listener)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    },
  }
}

const readerOf =
  (request: IncomingMessage) =>
  (name: string): string | undefined =>
    headerOf(request, name)

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

function viewOf(request: IncomingMessage, style: Style): HandlerRequest {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    header: (name) => headerOf(request, name),
    body: () => (style === 'events' ? readByEvents(request) : readByIteration(request)),
    operation: operationOf(request),
  }
}

async function readByIteration(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function readByEvents(request: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

/** Plays what the handler of a setting answers. */
export async function answer(
  setting: Pick<AdapterSetting, 'handler'>,
  request: IncomingMessage,
  response: ServerResponse,
  style: Style,
): Promise<void> {
  const script = await setting.handler(viewOf(request, style))
  await play(script, response, style)
}

async function play(script: Script, response: ServerResponse, style: Style): Promise<void> {
  if (script.earlyHints !== undefined)
    response.writeEarlyHints(fieldsOf(script.earlyHints.map(([name, value]) => [name.toLowerCase(), value])))
  const { status = 200, statusText, headers = [], body, chunks } = script
  if (style === 'writeHead') {
    const flat = headers.flat()
    if (statusText === undefined) response.writeHead(status, flat)
    else response.writeHead(status, statusText, flat)
  } else {
    response.statusCode = status
    if (statusText !== undefined) response.statusMessage = statusText
    for (const [name, values] of Object.entries(fieldsOf(headers))) response.setHeader(name, values)
  }
  if (script.flush === 'head') response.flushHeaders()
  if (chunks !== undefined) await writeChunks(script, chunks, response, style)
  // Without an error, HTTP/2 ends the stream as if the response were whole.
  if (script.cut) return void response.destroy(response.req.httpVersionMajor < 2 ? undefined : new Error('cut'))
  if (response.writableEnded) return
  if (script.trailers !== undefined) response.addTrailers(Object.fromEntries(script.trailers))
  if (body === undefined) response.end()
  else response.end(body)
}

async function writeChunks(
  script: Script,
  chunks: NonNullable<Script['chunks']>,
  response: ServerResponse,
  style: Style,
): Promise<void> {
  const isLast = script.body === undefined && script.trailers === undefined && script.cut !== true
  if (style === 'pipeline' && isLast)
    return pipeline(Readable.from(chunks, { objectMode: false, highWaterMark: 1 }), response)
  for await (const chunk of chunks) {
    if (response.write(chunk)) continue
    await once(response, 'drain')
  }
}

function fieldsOf(headers: HeaderLines): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  for (const [name, value] of headers) fields[name] = name in fields ? [fields[name] ?? [], value].flat() : value
  return fields
}
