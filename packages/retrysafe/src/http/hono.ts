import { isRetrysafeError } from '../contract/index.js'
import type { Operation } from '../engine/index.js'
import { markRun, runOf } from './carriers/web/request.js'
import { responseOf } from './carriers/web/response.js'
import { carryWeb, factsOf, type Lifetime, operationOfWeb } from './carriers/web.js'
import type { Answer } from './core/facts.js'
import { createGate } from './core/gate.js'
import type { HeaderList } from './core/headers.js'
import { createKeyGate, type KeyGateOptions } from './core/key-gate.js'
import type { HttpOptions } from './core/options.js'
import { cachedBody } from './hono/body.js'

export type { KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'

/**
 * What is used of a context of Hono, and what options need most. An inline option cannot know the variables of its app,
 * so `get` takes any name; name the type, as in `idempotent<Context<Env>>`, to have them checked.
 */
export interface HonoLikeContext {
  req: { raw: Request; readonly bodyCache: object; header(name: string): string | undefined }
  get<Value>(name: string): Value
  res: Response
  readonly finalized: boolean
  error: Error | undefined
  /** A response with what `c.header()` has set so far. */
  newResponse(body: null, status: 200): Response
  /** What the server hands in: of Node's it is `{ incoming, outgoing }`. */
  readonly env: unknown
  readonly executionCtx: Lifetime
}

export type HonoMiddleware<Context> = (context: Context, next: () => Promise<void>) => Promise<Response | undefined>

/**
 * Middleware that makes what comes after it idempotent: `POST` and `PATCH` requests with an `Idempotency-Key` run once,
 * and retries are answered with the stored response. Takes exactly one of `{ store }` and `{ idempotency }`. Mount it
 * after authentication, for an app, a path or a route, before or after the body is read. Of several on one request the
 * first decides.
 *
 * `scope`, `fingerprint` and `covers` get the context; name its type where they ask for what your own middleware found.
 * What `onError` answers is judged by its status, as any response.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { type Context, Hono } from 'hono'
 * import { idempotent } from 'retrysafe/hono'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * type Env = { Variables: { tenant: string } }
 * const app = new Hono<Env>()
 * const once = idempotent({ store: memoryStore(), scope: (c: Context<Env>) => c.get('tenant') })
 * app.post('/charges', once, async (c) => {
 *   const { amount } = await c.req.json<{ amount: number }>()
 *   return c.json({ charged: amount }, 201)
 * })
 * ```
 */
export function idempotent<Context extends HonoLikeContext = HonoLikeContext>(
  options: HttpOptions<Context>,
): HonoMiddleware<Context> {
  const gate = createGate(options)
  return async (context, next) => {
    if (runOf(context) !== undefined) return pass(next)
    let outcome = 'ours' as 'ours' | 'passed on'
    // Taken before the handler's own headers come: what stands outside stays on whatever is answered.
    let outer: HeaderList | undefined
    const outerHeaders = (): HeaderList => {
      outer ??= outcome === 'ours' ? headersBefore(context) : headersAfter(context)
      return outer
    }
    const response = await carryWeb(gate, {
      request: context.req.raw,
      framework: context,
      body: () => cachedBody(context.req),
      // What stands outside never tells the type of a body that is stored.
      currentHas: (name) => name !== 'content-type' && outerHeaders().some(([set]) => set === name),
      respond: (answer) => responseOf(withOuter(answer, outerHeaders())),
      async handle(request) {
        const run = runOf(request)
        if (run !== undefined) {
          outerHeaders()
          markRun(context, run)
        }
        outcome = 'passed on'
        context.req.raw = request
        await next()
        // Hono gives what was thrown to its error handler first.
        if (isRetrysafeError(context.error)) throw context.error
        if (run !== undefined && !context.finalized) throw new TypeError('The handler returned no response.')
        return context.res
      },
      onError: (error) => console.error(error),
      lifetime: () => lifetimeOf(context),
    })
    if (outcome === 'ours' || context.res !== response) replaceResponse(context, response)
    return undefined
  }
}

/** The operation of a request, for steps and for keys of downstream calls; undefined where the request had no key. */
export function operationOf(context: HonoLikeContext): Operation | undefined {
  return operationOfWeb(context)
}

/**
 * Middleware that only requires and validates the `Idempotency-Key`: 400 for requests without one, or with one that is
 * none. Nothing is stored and nothing deduplicated.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { requireKey } from 'retrysafe/hono'
 *
 * const app = new Hono()
 * app.post('/charges', requireKey(), (c) => c.json({ key: c.req.header('idempotency-key') }))
 * ```
 */
export function requireKey<Context extends HonoLikeContext = HonoLikeContext>(
  options: KeyGateOptions<Context> = {},
): HonoMiddleware<Context> {
  const gate = createKeyGate(options)
  return async (context, next) => {
    const checked = gate.check(factsOf(context.req.raw), context)
    if (checked.action === 'pass') return pass(next)
    replaceResponse(context, responseOf(withOuter(checked.answer, headersBefore(context))))
    return undefined
  }
}

async function pass(next: () => Promise<void>): Promise<undefined> {
  await next()
  return undefined
}

function headersBefore(context: HonoLikeContext): HeaderList {
  return [...context.newResponse(null, 200).headers]
}

/** Of a request that passed through, whose error was answered already: all but what speaks of that answer's body. */
function headersAfter(context: HonoLikeContext): HeaderList {
  return [...context.res.headers].filter(([name]) => !name.startsWith('content-'))
}

/** What stands outside wins, but for what speaks of the body; `Vary` is both. */
function withOuter(answer: Answer, outer: HeaderList): Answer {
  const kept = outer.filter(([name]) => name !== 'vary' && name !== 'content-type')
  const names = new Set(kept.map(([name]) => name))
  const vary = outer.filter(([name]) => name === 'vary')
  return {
    ...answer,
    headers: [...vary, ...answer.headers.filter(([name]) => !names.has(name.toLowerCase())), ...kept],
  }
}

/** Hono adds the headers of the response before to the next one, unless that was taken away. */
function replaceResponse(context: { res: Response | undefined }, response: Response): void {
  context.res = undefined
  context.res = response
}

/** Undefined for servers that go on by themselves: they have no execution context. */
function lifetimeOf(context: HonoLikeContext): Lifetime | undefined {
  // Hono throws where there is none, and on Node, where there never is, the trace of the error would cost much.
  if (typeof context.env === 'object' && context.env !== null && 'incoming' in context.env) return undefined
  try {
    return context.executionCtx
  } catch {
    return undefined
  }
}
