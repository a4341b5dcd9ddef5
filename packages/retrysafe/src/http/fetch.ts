import type { Operation } from '../engine/index.js'
import { responseOf } from './carriers/web/response.js'
import { carryWeb, factsOf, type Lifetime, operationOfWeb } from './carriers/web.js'
import { createGate } from './core/gate.js'
import { createKeyGate, type KeyGateOptions } from './core/key-gate.js'
import type { HttpOptions } from './core/options.js'

export type { KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'

/**
 * A handler of the web's own requests, or of what a platform makes of them (`NextRequest`, `BunRequest`), with whatever
 * it gives besides: `env` and `ctx` of Workers.
 */
export type FetchHandler<Rest extends readonly unknown[], Asked extends Request = Request> = (
  request: Asked,
  ...rest: Rest
) => Response | Promise<Response>

export type IdempotentHandler<Rest extends readonly unknown[], Asked extends Request = Request> = (
  request: Asked,
  ...rest: Rest
) => Promise<Response>

/** Wraps handlers. The request of a claimed one is another object, with all that the platform's has. */
export type FetchWrapper = <Rest extends readonly unknown[], Asked extends Request = Request>(
  handler: FetchHandler<Rest, Asked>,
) => IdempotentHandler<Rest, Asked>

/**
 * Makes handlers of the web's own `Request` idempotent, on Workers, Bun, Deno, Node and in Next route handlers: `POST`
 * and `PATCH` requests with an `Idempotency-Key` run once, and retries are answered with the stored response. Takes
 * exactly one of `{ store }` and `{ idempotency }`. Put it after authentication, and give `scope`, so that a key belongs
 * to its tenant.
 *
 * What the platform gives the handler besides the request goes through untouched; `waitUntil` of a context among it
 * keeps the platform alive while a response is stored whose client left.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { idempotent } from 'retrysafe/fetch'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const once = idempotent({ store: memoryStore(), scope: (request) => request.headers.get('x-tenant') ?? undefined })
 * // A route handler of Next; for Workers, Bun and Deno: { fetch: once(...) }.
 * export const POST = once(async (request) => Response.json({ charged: await request.json() }, { status: 201 }))
 * ```
 */
export function idempotent(options: HttpOptions<Request>): FetchWrapper {
  const gate = createGate(options)
  return <Rest extends readonly unknown[], Asked extends Request>(handler: FetchHandler<Rest, Asked>) =>
    (request: Asked, ...rest: Rest) =>
      carryWeb(gate, {
        request,
        framework: request,
        handle: (given) => handler(given as Asked, ...rest),
        onError: (error) => console.error(error),
        lifetime: () => lifetimeIn(rest),
      })
}

/** The operation of a request, for steps and for keys of downstream calls; undefined where the request had no key. */
export function operationOf(request: Request): Operation | undefined {
  return operationOfWeb(request)
}

/**
 * Only requires and validates the `Idempotency-Key`: 400 for requests without one, or with one that is none. Nothing is
 * stored and nothing deduplicated.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { requireKey } from 'retrysafe/fetch'
 *
 * const keyed = requireKey()
 * export const POST = keyed((request) => new Response(request.headers.get('idempotency-key')))
 * ```
 */
export function requireKey(options: KeyGateOptions<Request> = {}): FetchWrapper {
  const gate = createKeyGate(options)
  return (handler) =>
    async (request, ...rest) => {
      const checked = gate.check(factsOf(request), request)
      return checked.action === 'refuse' ? responseOf(checked.answer) : handler(request, ...rest)
    }
}

function lifetimeIn(rest: readonly unknown[]): Lifetime | undefined {
  return rest.find(
    (one): one is Lifetime =>
      typeof one === 'object' && one !== null && typeof (one as { waitUntil?: unknown }).waitUntil === 'function',
  )
}
