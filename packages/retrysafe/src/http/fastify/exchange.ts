/* One request of Fastify, as the carrier sees it, and the two places where Fastify must not decide on its own. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isRetrysafeError } from '../../contract/index.js'
import type { NodeExchange } from '../carriers/node.js'
import type { HeaderList } from '../core/headers.js'
import type { FastifyLikeReply, FastifyLikeRequest } from './types.js'

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
    onLeave: () => hideDeparture(request),
    onError: (error) => reply.log.error(error),
  }
}

function listOfHeaders(headers: ReturnType<FastifyLikeReply['getHeaders']>): HeaderList {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((line): [string, string] => [name, String(line)]),
  )
}

/** Where a reply keeps who answers what Retrysafe throws. */
const refuseKey: unique symbol = Symbol('retrysafe.refuse')

type Watched = FastifyLikeReply & { [refuseKey]?: { readonly send: FastifyLikeReply['send']; readonly refuse: Refuse } }
type Refuse = (error: unknown, reply: FastifyLikeReply) => void

/** What Fastify would give its error handlers, however it was thrown or sent, is answered here if the table has it. */
export function answerRefusals(reply: FastifyLikeReply, refuse: Refuse): void {
  if (reply.send === sendWatched) return
  const watched: Watched = reply
  watched[refuseKey] = { send: reply.send, refuse }
  reply.send = sendWatched // one function for all: functions of its own would keep each reply in memory
}

function sendWatched(this: Watched, payload?: unknown): unknown {
  const { send, refuse } = this[refuseKey] as NonNullable<Watched[typeof refuseKey]>
  this.send = send
  if (this.sent || !isRetrysafeError(payload)) return send.call(this, payload)
  refuse(payload, this)
  return this
}

/** For a client that left Fastify sends nothing that an async handler did not give; then its end would not be known. */
export function hideDeparture(request: FastifyLikeRequest): void {
  const raw = request.raw as IncomingMessage
  const socket: unknown = Object.create(raw.socket, { destroyed: { value: false } })
  Object.defineProperty(request, 'socket', { configurable: true, value: socket })
  if (raw.httpVersionMajor >= 2) Object.defineProperty(raw, 'aborted', { configurable: true, value: false })
}
