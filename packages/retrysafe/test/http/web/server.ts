/* Node's server with a handler of the web behind it, by two bridges: one with light objects, one with the platform's. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { getRequestListener } from '@hono/node-server'
import { listen } from '../node/harness.js'
import { connectRaw, exchangeHttp1 } from '../raw-client.js'

/**
 * `light`: requests and responses of `@hono/node-server`, which puts its own in the place of the platform's for good;
 * `real`: those of the platform, as other runtimes have, in a process where nothing took their place.
 */
export type Bridge = 'light' | 'real'

export type Fetch = (request: Request) => Response | Promise<Response>

export async function serveWeb(fetch: Fetch, bridge: Bridge) {
  const listener = bridge === 'light' ? getRequestListener(fetch) : realListener(fetch)
  const { port, close } = await listen('http/1.1', (incoming, outgoing) => void listener(incoming, outgoing))
  return {
    port,
    exchange: (request: Parameters<typeof exchangeHttp1>[1]) => exchangeHttp1(port, request),
    connect: () => connectRaw(port),
    close,
  }
}

function realListener(fetch: Fetch) {
  return async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const leaving = new AbortController()
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) leaving.abort()
    })
    try {
      await write(await fetch(requestOf(incoming, leaving.signal)), outgoing)
    } catch (error) {
      if (outgoing.headersSent) outgoing.destroy(error as Error)
      else outgoing.writeHead(500).end()
    }
  }
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', url = '/', rawHeaders } = incoming
  const headers = new Headers()
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '')
  const hasBody = 'content-length' in incoming.headers || 'transfer-encoding' in incoming.headers
  const body = hasBody && method !== 'GET' && method !== 'HEAD' ? (Readable.toWeb(incoming) as NodeStream) : null
  const init = { method, headers, signal, body: body as ReadableStream | null, duplex: 'half' }
  return new Request(`http://${incoming.headers.host}${url}`, init)
}

async function write(response: Response, outgoing: ServerResponse): Promise<void> {
  const headers = [...response.headers].flat()
  if (response.statusText === '') outgoing.writeHead(response.status, headers)
  else outgoing.writeHead(response.status, response.statusText, headers)
  if (response.body === null) return void outgoing.end()
  outgoing.flushHeaders()
  const reader = response.body.getReader()
  outgoing.on('close', () => void reader.cancel().catch(() => {}))
  if (outgoing.destroyed) return void reader.cancel().catch(() => {})
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return void outgoing.end()
    if (outgoing.write(value)) continue
    await Promise.race([once(outgoing, 'drain'), once(outgoing, 'close')])
  }
}
