/* Real Express servers with the adapter under test, as the adapter cases drive them. */
import compression from 'compression'
import express5, { type Express, type Request, type RequestHandler, type Response } from 'express'
// @ts-expect-error The alias has no types of its own.
import untypedExpress4 from 'express-4'
import { answerProblems, idempotent, operationOf } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import type { AdapterSetting, HandlerRequest, OpenAdapter } from 'retrysafe/testkit'
import { optionsOf } from '../adapter-options.js'
import { answer, listen, type Style } from '../node/harness.js'
import { connectRaw, exchangeHttp1 } from '../raw-client.js'

/** What both have in common is what is tested, so the types of one serve for both. */
export const expresses: Readonly<Record<'express 5' | 'express 4', typeof express5>> = {
  'express 5': express5,
  'express 4': untypedExpress4,
}

export type Version = keyof typeof expresses

/** Where the adapter is mounted: for the app or a route, behind a parser of bytes or behind all, or within compression. */
export type Placement = 'app' | 'route' | 'raw' | 'parsed' | 'compressed'

export interface HarnessOptions {
  readonly version: Version
  readonly placement: Placement
  readonly style: Style
}

export function openExpress({ version, placement, style }: HarnessOptions): OpenAdapter {
  return async (setting) => {
    const store = memoryStore()
    const once = idempotent(optionsOf(setting.options, setting.between?.(store) ?? store, readerOf))
    const app = expresses[version]()
    // What is behind a 500 is shown by Express outside production only.
    app.set('env', 'production').disable('x-powered-by')
    app.use((request, response, next) => {
      for (const [name, value] of setting.outerHeaders?.(viewOf(request, style)) ?? []) response.append(name, value)
      next()
    })
    if (placement === 'compressed') app.use(compression())
    if (placement === 'raw') app.use(expresses[version].raw({ limit: '1gb', type: () => true }))
    if (placement === 'parsed') parseEverything(app, expresses[version])
    const handler = handlerOf(setting, style)
    if (placement === 'route') app.all(/.*/, once, handler)
    else app.use(once).use(handler)
    app.use(answerProblems())
    const { port, close } = await listen('http/1.1', app)
    return {
      store,
      exchange: (request) => exchangeHttp1(port, request),
      connect: () => connectRaw(port),
      close,
    }
  }
}

/** Where the harness keeps what parsers read; not as `rawBody`, where the adapter would find it. */
const bytesOfRequests = new WeakMap<object, Buffer>()

function parseEverything(app: Express, express: typeof express5): void {
  const verify = (request: object, _response: object, bytes: Buffer): void => {
    bytesOfRequests.set(request, bytes)
  }
  const settings = { limit: '1gb', verify }
  app.use(express.json({ ...settings, strict: false }))
  app.use(express.urlencoded({ ...settings, extended: true }))
  app.use(express.text(settings))
  app.use(express.raw({ ...settings, type: () => true }))
}

function handlerOf(setting: AdapterSetting, style: Style): RequestHandler {
  const play = (request: Request, response: Response) =>
    answer({ handler: () => setting.handler(viewOf(request, style)) }, request, response, style)
  // An async handler, of which Express 5 alone hears that it failed.
  if (style === 'pipeline') return (request, response) => play(request, response)
  return (request, response, next) => void play(request, response).catch(next)
}

const readerOf =
  (request: Request) =>
  (name: string): string | undefined =>
    request.get(name)

function viewOf(request: Request, style: Style): HandlerRequest {
  return {
    method: request.method,
    target: request.originalUrl,
    header: (name) => request.get(name),
    body: () => readBody(request, style),
    operation: operationOf(request),
  }
}

async function readBody(request: Request, style: Style): Promise<Uint8Array> {
  const kept = Buffer.isBuffer(request.body) ? request.body : bytesOfRequests.get(request)
  if (kept !== undefined) return kept
  const chunks: Buffer[] = []
  if (style === 'events')
    return new Promise((resolve, reject) => {
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => resolve(Buffer.concat(chunks)))
      request.on('error', reject)
    })
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
