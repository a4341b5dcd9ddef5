import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRetrysafeError } from '../contract/index.js'
import type { Operation } from '../engine/index.js'
import { guardSocket, hearDrains, watchSources } from './carriers/node/middleware.js'
import { parsedBodyOf } from './carriers/node/parsed-body.js'
import { sendAnswer } from './carriers/node/response.js'
import { carryNode, factsOf, isClaimed, operationOfNode } from './carriers/node.js'
import { refusal } from './core/answers.js'
import { createGate } from './core/gate.js'
import { createKeyGate, type KeyGateOptions } from './core/key-gate.js'
import type { HttpOptions } from './core/options.js'

export type { KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'

/** What is used of a request of Express 4 or 5. */
export interface ExpressLikeRequest extends IncomingMessage {
  /** Path and query as the client sent them; `url` is without the path of the router. */
  readonly originalUrl: string
}

type Next = (error?: unknown) => void

export type ExpressMiddleware<Request> = (request: Request, response: ServerResponse, next: Next) => void

export type ExpressErrorMiddleware<Request> = (
  error: unknown,
  request: Request,
  response: ServerResponse,
  next: Next,
) => void

/**
 * Middleware that makes what comes after it idempotent: `POST` and `PATCH` requests with an `Idempotency-Key` run once,
 * and retries are answered with the stored response. Takes exactly one of `{ store }` and `{ idempotency }`. Mount it
 * after authentication, before or after body parsers, for an app, a router or a route. Of several on one request the
 * first decides.
 *
 * `scope`, `fingerprint` and `covers` get Express's request; name its type where they ask for more than Node's own has.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import express, { type Request } from 'express'
 * import { idempotent } from 'retrysafe/express'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const app = express()
 * const once = idempotent({ store: memoryStore(), scope: (request: Request) => request.hostname })
 * app.post('/charges', once, express.json(), (request, response) => {
 *   response.status(201).json({ charged: request.body.amount })
 * })
 * ```
 */
export function idempotent<Request extends ExpressLikeRequest = ExpressLikeRequest>(
  options: HttpOptions<Request>,
): ExpressMiddleware<Request> {
  const gate = createGate(options)
  return (request, response, next) => {
    if (isClaimed(request)) return next()
    let wake: (() => void) | undefined
    void carryNode(gate, {
      request,
      response,
      framework: request,
      target: request.originalUrl,
      parsedBody: (maxBytes) => parsedBodyOf(request, maxBytes),
      handle() {
        if (isClaimed(request)) {
          guardSocket(request, response)
          wake = hearDrains(response)
          watchSources(response)
        }
        next()
      },
      onLeave: () => wake?.(),
      onError: next,
    })
  }
}

/** The operation of a request, for steps and for keys of downstream calls; undefined where the request had no key. */
export function operationOf(request: IncomingMessage): Operation | undefined {
  return operationOfNode(request)
}

/**
 * Error middleware that answers what Retrysafe throws within a handler (a step whose lease was lost, steps that changed)
 * with its problem and status, and passes every other error on. A response that had begun under a key is broken off
 * and its key closed, so that nothing runs twice, whatever error handlers behind it do. Express shows errors to no other
 * kind of middleware, so mount it after the routes, before your own error handlers.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { answerProblems } from 'retrysafe/express'
 *
 * const app = express()
 * app.use(answerProblems())
 * ```
 */
export function answerProblems<Request extends ExpressLikeRequest = ExpressLikeRequest>(
  options: Pick<HttpOptions<Request>, 'documentation' | 'corsOrigins'> = {},
): ExpressErrorMiddleware<Request> {
  const { documentation, corsOrigins = [] } = options
  return (error, request, response, next) => {
    if (response.headersSent && isClaimed(request) && !response.closed) {
      // An error handler that neither answers nor passes on would leave it open. Others are told once it is over.
      response.once('close', () => next(error))
      response.destroy()
      return
    }
    if (!isRetrysafeError(error) || response.headersSent) return next(error)
    sendAnswer(response, refusal({ documentation, corsOrigins }, factsOf(request, request.originalUrl), error))
  }
}

/**
 * Middleware that only requires and validates the `Idempotency-Key`: 400 for requests without one, or with one that is
 * none. Nothing is stored and nothing deduplicated.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import express from 'express'
 * import { requireKey } from 'retrysafe/express'
 *
 * const app = express()
 * app.post('/charges', requireKey(), (request, response) => {
 *   response.json({ key: request.headers['idempotency-key'] })
 * })
 * ```
 */
export function requireKey<Request extends ExpressLikeRequest = ExpressLikeRequest>(
  options: KeyGateOptions<Request> = {},
): ExpressMiddleware<Request> {
  const gate = createKeyGate(options)
  return (request, response, next) => {
    const checked = gate.check(factsOf(request, request.originalUrl), request)
    if (checked.action === 'refuse') sendAnswer(response, checked.answer)
    else next()
  }
}
