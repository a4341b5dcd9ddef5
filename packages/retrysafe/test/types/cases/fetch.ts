/* Handlers keep the types of what their platform gives them besides the request. */
import type { IdempotencyStore } from 'retrysafe'
import { idempotent, operationOf, requireKey } from 'retrysafe/fetch'

declare const store: IdempotencyStore

interface Env {
  SECRET: string
}

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void
  passThroughOnException(): void
}

/** What Workers want of their module. */
interface ExportedHandler {
  fetch(request: Request, env: Env, context: ExecutionContext): Response | Promise<Response>
}

/** What Next wants of a route handler. */
type RouteHandler = (request: Request, context: { params: Promise<{ id: string }> }) => Response | Promise<Response>

const once = idempotent({ store, scope: (request) => request.headers.get('x-tenant') ?? undefined })

export const worker: ExportedHandler = {
  fetch: once(async (request, env: Env, context: ExecutionContext) => {
    context.waitUntil(Promise.resolve(env.SECRET))
    const key: string | undefined = operationOf(request)?.keyFor('charge')
    return Response.json({ key })
  }),
}

export const POST: RouteHandler = once(async (_request, { params }: { params: Promise<{ id: string }> }) =>
  Response.json((await params).id),
)

export const plain: (request: Request) => Promise<Response> = once(() => new Response('plain'))
export const named: (request: Request, env: Env) => Promise<Response> = once<[env: Env]>(
  (_request, { SECRET }) => new Response(SECRET),
)
export const keyed: ExportedHandler['fetch'] = requireKey()((_request, env: Env) => new Response(env.SECRET))

/** What a platform makes of the web's own request. */
interface PlatformRequest extends Request {
  readonly nextUrl: URL
}

export const platform: (request: PlatformRequest, context: { id: string }) => Promise<Response> = once(
  (request: PlatformRequest, { id }: { id: string }) => new Response(`${request.nextUrl.pathname} ${id}`),
)

export function whatDoesNot(): void {
  // @ts-expect-error There is no adapter without a store.
  idempotent({})
  // @ts-expect-error A scope is a string.
  idempotent({ store, scope: () => 1 })
  // @ts-expect-error A handler gives a response.
  once(() => 'text')
  // @ts-expect-error The environment is missing.
  void named(new Request('http://h'))
  // @ts-expect-error A function is no request.
  operationOf(() => {})
}
