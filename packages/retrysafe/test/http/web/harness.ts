/* Real servers with `retrysafe/fetch` and `retrysafe/hono`, as the adapter cases drive them. */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { stream } from 'hono/streaming'
import { idempotent as idempotentFetch, operationOf as operationOfFetch } from 'retrysafe/fetch'
import { idempotent, operationOf } from 'retrysafe/hono'
import { memoryStore } from 'retrysafe/memory'
import type { HandlerRequest, HeaderLines, OpenAdapter, Script } from 'retrysafe/testkit'
import { optionsOf } from '../adapter-options.js'
import { type Bridge, serveWeb } from './server.js'

/** How a handler answers: whole where the body is known, always as a stream, or by `hono/streaming`. */
export type Answering = 'whole' | 'stream' | 'streaming'

/** Where Hono's adapter stands; `after …` is behind a middleware that read the body in that way. */
export type Placement = 'app.use' | 'route' | 'after json' | 'after text' | 'after parseBody' | 'after arrayBuffer'

export function openFetch(bridge: Bridge, answering: Exclude<Answering, 'streaming'>): OpenAdapter {
  return async (setting) => {
    const store = memoryStore()
    const read = (request: Request) => (name: string) => request.headers.get(name) ?? undefined
    const once = idempotentFetch(optionsOf(setting.options, setting.between?.(store) ?? store, read))
    const view = (request: Request): HandlerRequest => viewOf(request, () => operationOfFetch(request))
    const handle = once(async (request) => responseOf(await setting.handler(view(request)), answering))
    const served = await serveWeb(async (request) => {
      const response = await handle(request)
      return withOuter(response, setting.outerHeaders?.(view(request)) ?? [])
    }, bridge)
    return { store, ...served }
  }
}

/** Whoever stands outside of a fetch handler has the last word on its response. */
function withOuter(response: Response, lines: HeaderLines): Response {
  const vary = response.headers.get('vary')
  for (const name of new Set(lines.map(([name]) => name))) response.headers.delete(name)
  for (const [name, value] of lines) response.headers.append(name, value)
  // Every wrapper adds to it.
  if (vary !== null && response.headers.get('vary') !== vary) response.headers.append('vary', vary)
  return response
}

export function openHono(bridge: Bridge, placement: Placement, answering: Answering): OpenAdapter {
  return async (setting) => {
    const store = memoryStore()
    const app = new Hono()
    const read = (c: Context) => (name: string) => c.req.header(name)
    const once = idempotent<Context>(optionsOf(setting.options, setting.between?.(store) ?? store, read))
    const view = (c: Context): HandlerRequest => ({
      ...viewOf(c.req.raw, () => operationOf(c)),
      body: async () => new Uint8Array(await c.req.arrayBuffer()),
    })
    app.use(async (c, next) => {
      for (const [name, value] of setting.outerHeaders?.(view(c)) ?? []) c.header(name, value, { append: true })
      await next()
    })
    if (placement.startsWith('after')) app.use(readerOf(placement))
    const handle = async (c: Context): Promise<Response> => {
      const script = await setting.handler(view(c))
      return answering === 'streaming' ? streamOf(c, script) : honoResponseOf(c, script, answering)
    }
    // What a failure shows is up to the service.
    app.onError((_error, c) => c.text('failed', 500))
    if (placement === 'route') app.all('*', once, handle)
    else {
      app.use(once)
      app.all('*', handle)
    }
    return { store, ...(await serveWeb((request) => app.fetch(request), bridge)) }
  }
}

function readerOf(placement: Placement): MiddlewareHandler {
  return async (c, next) => {
    try {
      if (placement === 'after json') await c.req.json()
      if (placement === 'after text') await c.req.text()
      if (placement === 'after parseBody') await c.req.parseBody()
      if (placement === 'after arrayBuffer') await c.req.arrayBuffer()
    } catch {
      // Validators of this kind let pass what is none of theirs.
    }
    await next()
  }
}

function viewOf(request: Request, operation: () => HandlerRequest['operation']): HandlerRequest {
  const { pathname, search } = new URL(request.url)
  return {
    method: request.method,
    target: pathname + search,
    header: (name) => request.headers.get(name) ?? undefined,
    body: async () => new Uint8Array(await request.arrayBuffer()),
    operation: operation(),
  }
}

type Content = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null

function contentOf(script: Script, answering: Answering): Content {
  const { status = 200, body, chunks, cut = false, flush } = script
  if (status === 204 || status === 205 || status === 304) return null
  const isStream = answering === 'stream' || chunks !== undefined || cut || flush !== undefined
  if (isStream) return pulled(piecesOf(script))
  return body === undefined ? null : typeof body === 'string' ? body : new Uint8Array(body)
}

async function* piecesOf({ chunks, body, cut = false, flush }: Script): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (flush !== undefined) await turn()
  for await (const chunk of chunks ?? []) {
    yield bytesOf(chunk)
    await turn()
  }
  if (cut) throw new Error('cut')
  if (body !== undefined) yield bytesOf(body)
}

/** What is there at once goes out at once, as one with its head: these pieces take their time. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function bytesOf(chunk: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof chunk === 'string' ? new TextEncoder().encode(chunk) : new Uint8Array(chunk)
}

/** A source that makes a chunk when it is asked for one. */
function pulled(pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> => {
    const { done, value } = await pieces.next()
    if (done) controller.close()
    else controller.enqueue(value)
  }
  return new ReadableStream({ pull, cancel: async () => void (await pieces.return(undefined)) }, { highWaterMark: 0 })
}

function headersOf(lines: HeaderLines = []): Headers {
  return new Headers(lines.map(([name, value]) => [name, value]))
}

function responseOf(script: Script, answering: Answering): Response {
  const { status = 200, statusText = '', headers } = script
  return new Response(contentOf(script, answering), { status, statusText, headers: headersOf(headers) })
}

function honoResponseOf(c: Context, script: Script, answering: Answering): Response {
  if (script.statusText !== undefined) return responseOf(script, answering)
  const content = contentOf(script, answering)
  const init = { status: script.status ?? 200, headers: headersOf(script.headers) }
  return c.newResponse(content, init as Parameters<typeof c.newResponse>[1])
}

function streamOf(c: Context, script: Script): Response {
  const { status = 200, chunks, headers = [] } = script
  const bodiless = status === 204 || status === 205 || status === 304
  if (bodiless || script.statusText !== undefined) return honoResponseOf(c, script, 'whole')
  c.status(status as Parameters<typeof c.status>[0])
  for (const [name, value] of headers) c.header(name, value, { append: true })
  return stream(c, async (out) => {
    for await (const chunk of chunks ?? []) {
      await out.write(chunk)
      await turn()
    }
    if (script.body !== undefined) await out.write(script.body)
  })
}
