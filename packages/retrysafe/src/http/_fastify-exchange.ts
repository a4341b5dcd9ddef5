/* One request of Fastify, as the carrier sees it, and the two places where Fastify must not decide on its own. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRetrysafeError } from '../contract/index.js'
import type { FastifyLikeReply, FastifyLikeRequest } from './_fastify-types.js'
import type { NodeExchange } from './carriers/node.js'
import type { HeaderList } from './core/headers.js'

export function exchangeOf<Request extends FastifyLikeRequest>(
  request: FastifyLikeRequest,
  reply: FastifyLikeReply,
  body: NodeExchange<Request>['body'],
  handle: () => unknown,
): NodeExchange<Request> {
  return {
    request: request.raw as IncomingMessage,
    response: reply.raw as ServerResponse,
    framework: request as Request,
    target: request.originalUrl,
    body,
    outerHeaders: () => listOfHeaders(reply.getHeaders()),
    handle,
    onError: (error) => reply.log.error(error),
  }
}

function listOfHeaders(headers: ReturnType<FastifyLikeReply['getHeaders']>): HeaderList {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((line): [string, string] => [name, String(line)]),
  )
}

/** What Fastify would give its error handlers, however it was thrown or sent, is answered here if the table has it. */
export function answerRefusals(reply: FastifyLikeReply, refuse: (error: unknown) => void): void {
  const { send } = reply
  reply.send = (payload) => {
    reply.send = send
    if (reply.sent || !isRetrysafeError(payload)) return send.call(reply, payload)
    refuse(payload)
    return reply
  }
}

/** For a client that left Fastify sends nothing that an async handler did not give; then its end would not be known. */
export function hideDeparture(request: FastifyLikeRequest): void {
  const raw = request.raw as IncomingMessage
  const open = { destroyed: { value: false } }
  const get = (): unknown => (raw.socket?.destroyed ? Object.create(raw.socket, open) : raw.socket)
  Object.defineProperty(request, 'socket', { configurable: true, get })
  if (raw.httpVersionMajor >= 2) Object.defineProperty(raw, 'aborted', { configurable: true, value: false })
}
