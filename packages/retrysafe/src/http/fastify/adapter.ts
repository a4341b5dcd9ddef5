/* Where in a route's life a request is read, and where it is decided. */
import type { IncomingMessage } from 'node:http'
import { RetrysafeError } from '../../contract/index.js'
import { type NodeBody, readAhead } from '../carriers/node/body.js'
import { carryNode, factsOf, failPassed, refuseUnread } from '../carriers/node.js'
import { createGate, type Gate } from '../core/gate.js'
import type { HttpOptions } from '../core/options.js'
import { parsedBody } from './body.js'
import { answerRefusals, exchangeOf } from './exchange.js'
import type {
  FastifyLikeReply,
  FastifyLikeRequest,
  IdempotentRoute,
  LifecycleHook,
  ParsingHook,
  Route,
} from './types.js'

/** The hooks of routes that decide for themselves, which plugins leave alone. */
export const routeHooks: WeakSet<object> = new WeakSet<object>()

/** Where a request keeps what was learned of it; shared by all adapters, of which only the nearest decides. */
const stateKey: unique symbol = Symbol.for('retrysafe.fastify')

/** Of requests without a key, whoever decided: most have none, and cost next to nothing. */
const passed: State = { decided: true }

interface State {
  decided: boolean
  body?: NodeBody | undefined
}

export interface Adapter extends IdempotentRoute {
  readonly cover: (route: Route) => void
  readonly refuseLate: LifecycleHook
}

/** The hook that reads a body before it is parsed, and refuses what can be refused without authentication. */
function createReader<Request extends FastifyLikeRequest>(
  options: HttpOptions<Request>,
  gate: Gate<Request>,
): ParsingHook {
  const early = earlyGate(options, gate)
  const { methods, requireKey } = gate.settings

  return (request, reply, payload, done) => {
    const raw = request.raw as Raw
    if (raw[stateKey] !== undefined || !methods.has(request.method)) return done()
    if (raw.headers['idempotency-key'] === undefined && !requireKey) {
      raw[stateKey] = passed
      return done()
    }
    const state: State = { decided: false }
    raw[stateKey] = state
    const exchange = exchangeOf<Request>(request, reply, undefined, done)
    const admission = early.admit(factsOf(raw, request.originalUrl), exchange.framework)
    // Whether a request is covered may depend on its body, so nothing is refused before that is known.
    const mayRefuse = options.covers === undefined
    if (admission.action === 'refuse' && mayRefuse) return refuseUnread(exchange, admission.answer)
    // Another hook, such as one that decompresses, has the request in hand already; then only what is parsed is known.
    if (admission.action !== 'read' || payload !== raw) return done()
    const { admitted } = admission
    void readAhead(raw, exchange.response, admitted.maxBytes, gate.held).then((read) => {
      if (read?.status === 'too_large' && mayRefuse) refuseUnread(exchange, admitted.refuse('body_too_large'))
      else if (read?.status === 'busy' && mayRefuse) refuseUnread(exchange, admitted.refuse('busy'))
      else if (read?.status === 'aborted') done(Object.assign(new Error('The client left.'), { statusCode: 400 }))
      else {
        state.body = read
        done()
      }
    }, done)
  }
}

export function createAdapter<Request extends FastifyLikeRequest>(options: HttpOptions<Request>): Adapter {
  const gate = createGate(options)
  const preParsing = createReader(options, gate)

  function refusePassed(error: unknown, reply: FastifyLikeReply): void {
    failPassed(
      gate,
      exchangeOf<Request>(reply.request, reply, undefined, () => undefined),
      error,
    )
  }

  function carry(request: FastifyLikeRequest, reply: FastifyLikeReply, start: () => void): void {
    const raw = request.raw as Raw
    raw[stateKey] ??= { decided: false }
    const state = raw[stateKey]
    if (state.decided) {
      if (state === passed) answerRefusals(reply, refusePassed)
      start()
      return
    }
    state.decided = true
    const handle = (): Promise<never> =>
      new Promise((_resolve, reject) => {
        answerRefusals(reply, reject)
        start()
      })
    const exchange = exchangeOf<Request>(request, reply, state.body ?? parsedBody(request), handle)
    carryNode(gate, exchange)?.catch((error: unknown) => reply.log.error(error))
  }

  function cover(route: Route): void {
    const hooks = listOf(route.preParsing)
    if (hooks.some((hook) => routeHooks.has(hook))) return
    if (!listOf(route.method).some((method) => gate.settings.methods.has(method.toUpperCase()))) return
    // The first of the route's, so that it finds the bytes as they came.
    route.preParsing = [preParsing, ...hooks]
    const { handler } = route
    // The handler itself, since other plugins may still add hooks to the route.
    route.handler = function (request, reply) {
      if ((request.raw as Raw)[stateKey] === passed) {
        answerRefusals(reply, refusePassed)
        return handler.call(this, request, reply)
      }
      return carried(
        (start) => carry(request, reply, start),
        () => handler.call(this, request, reply),
      )
    }
  }

  return {
    preParsing,
    preHandler: (request, reply, done) => carry(request, reply, done),
    cover,
    refuseLate(request, _reply, done) {
      const raw = request.raw as Raw
      if (raw[stateKey] !== undefined || request.is404 === true) return done()
      const { action } = gate.admit(factsOf(raw, request.originalUrl), request as Request)
      done(action === 'pass' ? undefined : new RetrysafeError('unsupported', declaredEarly))
    },
  }
}

const declaredEarly =
  'This route was declared before the idempotency plugin was loaded, so its handler is not covered. Await app.register(idempotent(...)) before declaring routes, or declare them in a plugin. Nothing was run.'

/** Says what can be said before authentication: `scope` may need its findings, `covers` those of the parsers too. */
function earlyGate<Request>(options: HttpOptions<Request>, gate: Gate<Request>): Gate<Request> {
  if (options.scope === undefined && options.covers === undefined) return gate
  const scope = options.scope === undefined ? undefined : () => 'not known yet'
  return createGate({ ...options, covers: undefined, scope })
}

/**
 * What a wrapped handler gives Fastify: the handler's own result, by the very rules by which Fastify reads that, and
 * nothing ever where the handler answers by callback or is not run.
 */
function carried(carry: (start: () => void) => void, handler: () => unknown): unknown {
  return new Promise((resolve, reject) => {
    carry(() => {
      try {
        const result = handler()
        if (result !== undefined) resolve(result)
      } catch (error) {
        reject(error)
      }
    })
  })
}

type Raw = IncomingMessage & { [stateKey]?: State }

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value as T]
}
