import type { Operation } from '../engine/index.js'
import { factsOf, operationOfNode, refuseUnread } from './carriers/node.js'
import { createKeyGate, type KeyGateOptions } from './core/key-gate.js'
import type { HttpOptions } from './core/options.js'
import { createAdapter, routeHooks } from './fastify/adapter.js'
import { exchangeOf } from './fastify/exchange.js'
import type {
  FastifyLikePlugin,
  FastifyLikeRequest,
  IdempotentRoute,
  Instance,
  LifecycleHook,
} from './fastify/types.js'

export type { KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'
export type {
  FastifyLikePlugin,
  FastifyLikeReply,
  FastifyLikeRequest,
  HookDone,
  IdempotentRoute,
  LifecycleHook,
  ParsingHook,
} from './fastify/types.js'

/**
 * A plugin that makes the routes of its context idempotent, and those of contexts within, from its registration on:
 * `POST` and `PATCH` requests with an `Idempotency-Key` run their handler once, and retries are answered with the stored
 * response. Takes exactly one of `{ store }` and `{ idempotency }`. Name the type of your requests where `scope` reads
 * what your own hooks put there.
 *
 * It runs after every hook of the route, so that a replay is authorised like a first request, and stores what leaves the
 * process, after `onSend` hooks such as compression: those do not run again for a replay; `onResponse` hooks do.
 *
 * `await` its registration, or declare routes in plugins of their own: to a route that was declared before, a request
 * with a key answers 500 and nothing runs.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import Fastify, { type FastifyRequest } from 'fastify'
 * import { idempotent } from 'retrysafe/fastify'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const app = Fastify()
 * const scope = (request: FastifyRequest): string => String(request.headers['x-tenant'])
 * await app.register(idempotent({ store: memoryStore(), scope }))
 * app.post('/charges', async () => ({ charged: true }))
 * ```
 */
export function idempotent<Request extends FastifyLikeRequest = FastifyLikeRequest>(
  options: HttpOptions<Request>,
): FastifyLikePlugin {
  const adapter = createAdapter(options)
  const plugin: FastifyLikePlugin = (instance, _options, done) => {
    const fastify = instance as Instance
    fastify.addHook('onRoute', adapter.cover)
    fastify.addHook('preHandler', adapter.refuseLate)
    done()
  }
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'retrysafe',
    [Symbol.for('plugin-meta')]: { name: 'retrysafe', fastify: '5.x' },
  })
}

/**
 * The same for one route, as options to spread. Where the route has hooks of its own, name them one by one, ours last:
 * `{ preParsing: once.preParsing, preHandler: [authenticate, once.preHandler] }`. Without its `preParsing` it only sees
 * what parsers and validation made of a body, which tells JSON, forms and text, and otherwise answers 500
 * `body_consumed`.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import Fastify, { type FastifyRequest } from 'fastify'
 * import { idempotentRoute } from 'retrysafe/fastify'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const app = Fastify()
 * const scope = (request: FastifyRequest): string => String(request.headers['x-tenant'])
 * const once = idempotentRoute({ store: memoryStore(), scope })
 * app.post('/charges', { ...once }, async () => ({ charged: true }))
 * ```
 */
export function idempotentRoute<Request extends FastifyLikeRequest = FastifyLikeRequest>(
  options: HttpOptions<Request>,
): IdempotentRoute {
  const { preParsing, preHandler } = createAdapter(options)
  routeHooks.add(preParsing)
  return { preParsing, preHandler }
}

/**
 * A hook for `onRequest`, `preValidation` or `preHandler` that only requires and validates the `Idempotency-Key`: 400 for
 * requests without one, or with one that is none. Nothing is stored and nothing deduplicated.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import { requireKey } from 'retrysafe/fastify'
 *
 * const app = Fastify()
 * app.post('/charges', { onRequest: requireKey() }, async (request) => request.headers['idempotency-key'])
 * ```
 */
export function requireKey<Request extends FastifyLikeRequest = FastifyLikeRequest>(
  options: KeyGateOptions<Request> = {},
): LifecycleHook {
  const gate = createKeyGate(options)
  return (request, reply, done) => {
    const exchange = exchangeOf<Request>(request, reply, undefined, done)
    const checked = gate.check(factsOf(exchange.request, request.originalUrl), exchange.framework)
    if (checked.action === 'refuse') refuseUnread(exchange, checked.answer)
    else done()
  }
}

/** The operation of a request, for steps and for keys of downstream calls; undefined where the request had no key. */
export function operationOf(request: { readonly raw: object }): Operation | undefined {
  return operationOfNode(request.raw)
}
