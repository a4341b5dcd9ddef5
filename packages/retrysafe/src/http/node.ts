import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Operation } from '../engine/index.js'
import { sendAnswer } from './carriers/node/response.js'
import { carryNode, factsOf, operationOfNode } from './carriers/node.js'
import { createGate } from './core/gate.js'
import { createKeyGate, type KeyGateOptions } from './core/key-gate.js'
import type { HttpOptions } from './core/options.js'

export type { KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'

/** A request listener of `node:http`, `node:https` or `node:http2`; what an async one rejects with answers 500. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => unknown

export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Makes the handlers of Node's own server idempotent: `POST` and `PATCH` requests with an `Idempotency-Key` run once,
 * and retries are answered with the stored response. Takes exactly one of `{ store }` and `{ idempotency }`. Put it
 * after authentication, and give `scope`, so that a key belongs to its tenant.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { memoryStore } from 'retrysafe/memory'
 * import { idempotent } from 'retrysafe/node'
 *
 * const once = idempotent({ store: memoryStore(), scope: (request) => String(request.headers['x-tenant']) })
 * const server = createServer(once((_request, response) => response.end('charged')))
 * server.listen(0, () => server.close())
 * ```
 */
export function idempotent(options: HttpOptions<IncomingMessage>): (handler: NodeHandler) => NodeListener {
  const gate = createGate(options)
  return (handler) => (request, response) => {
    void carryNode(gate, {
      request,
      response,
      framework: request,
      handle: () => handler(request, response),
      onError: (error) => console.error(error),
    })
  }
}

/** The operation of a request, for steps and for keys of downstream calls; undefined where the request had no key. */
export function operationOf(request: IncomingMessage): Operation | undefined {
  return operationOfNode(request)
}

/**
 * Only requires and validates the `Idempotency-Key`: 400 for requests without one, or with one that is none. Nothing is
 * stored and nothing deduplicated.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { requireKey } from 'retrysafe/node'
 *
 * const keyed = requireKey()
 * const server = createServer(keyed((request, response) => response.end(request.headers['idempotency-key'])))
 * server.listen(0, () => server.close())
 * ```
 */
export function requireKey(options: KeyGateOptions<IncomingMessage> = {}): (handler: NodeHandler) => NodeListener {
  const gate = createKeyGate(options)
  return (handler) => (request, response) => {
    const checked = gate.check(factsOf(request, undefined), request)
    if (checked.action === 'refuse') sendAnswer(response, checked.answer)
    else handler(request, response)
  }
}
