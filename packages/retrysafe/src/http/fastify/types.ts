/* What the adapter touches of Fastify, by structure: the library imports no package, not even a type. */

/** The part of Fastify's request that options such as `scope` are given where nothing narrower is said. */
export interface FastifyLikeRequest {
  /** Node's request, of HTTP/1 or HTTP/2. */
  readonly raw: object
  readonly method: string
  /** Path and query as the client sent them. */
  readonly originalUrl: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
  /** Whether no route was found. */
  readonly is404?: boolean | undefined
}

/** The part of Fastify's reply that the hooks use. */
export interface FastifyLikeReply {
  readonly request: FastifyLikeRequest
  /** Node's response, of HTTP/1 or HTTP/2. */
  readonly raw: object
  readonly sent: boolean
  readonly log: { error(error: unknown): void }
  send(payload?: unknown): unknown
  /** Node's and Fastify's own headers. */
  getHeaders(): Readonly<Record<string, number | string | string[] | undefined>>
}

/** Goes on with Fastify's lifecycle, or with its error handling. */
export type HookDone = (error?: Error) => void

/** A `preParsing` hook. */
export type ParsingHook = (
  request: FastifyLikeRequest,
  reply: FastifyLikeReply,
  payload: unknown,
  done: HookDone,
) => void

/** A `preHandler` hook; it fits `onRequest` and `preValidation` too. */
export type LifecycleHook = (request: FastifyLikeRequest, reply: FastifyLikeReply, done: HookDone) => void

/** A plugin for `app.register`. */
export type FastifyLikePlugin = (instance: object, options: object, done: HookDone) => void

/** Options of a route, to spread or to name one by one. */
export interface IdempotentRoute {
  /** Reads the body before it is parsed, so that its bytes count. */
  readonly preParsing: ParsingHook
  /** Must be the last one of the route. */
  readonly preHandler: LifecycleHook
}

/** A route as `onRoute` hooks are shown it, before Fastify builds it. */
export interface Route {
  readonly method: string | readonly string[]
  preParsing?: ParsingHook | readonly ParsingHook[]
  handler: (this: unknown, request: FastifyLikeRequest, reply: FastifyLikeReply) => unknown
}

/** An instance of Fastify as a plugin is given it. */
export interface Instance {
  addHook(name: 'onRoute', hook: (route: Route) => void): unknown
  addHook(name: 'preHandler', hook: LifecycleHook): unknown
}
