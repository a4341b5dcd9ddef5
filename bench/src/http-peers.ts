/*
 * What else can be installed for these frameworks, each used as its README says, after the body parser, which they
 * need. They do less for a request, which is part of what the figures compare:
 *
 * - express-idempotency 1.0.6 has no scope, no fingerprint (it keeps the parsed body and compares deeply), no lease, no
 *   token, no retention and no bound: a process that dies in a handler leaves its key in progress. It finds and claims
 *   in two steps, so that two first requests at once both run. It keeps status, body and `Content-Type`, no other
 *   header, and only what went through `res.send`. The handler has to ask whether it was a hit.
 * - @node-idempotency/core 1.0.11 claims at once and has a fingerprint (BLAKE2s of `JSON.stringify` of the parsed body:
 *   another order of members is another body). It has no scope, no lease, no token and no heartbeat: a dead process
 *   blocks a key for its whole retention. Its memory has no bound and removes nothing that is not asked for again. What
 *   to keep of a response is up to the middleware: here the status, the body and `Content-Type`.
 *
 * Retrysafe also reads the raw body itself, so that bodies are compared before anybody parses them, and keeps all bytes
 * and headers.
 */
import { Idempotency } from '@node-idempotency/core'
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory'
import type { Request, RequestHandler } from 'express'
import { getSharedIdempotencyService, type IdempotencyResource, idempotency } from 'express-idempotency'
import type { FastifyInstance, FastifyReply } from 'fastify'

/**
 * Its own data adapter filters an array of all keys three times a fresh request, so that a figure would say how many
 * keys there were before. A Map by its documented interface shows the middleware at its best.
 */
export function expressIdempotency(): { middleware: RequestHandler; isHit: (request: Request) => boolean } {
  const resources = new Map<string, IdempotencyResource>()
  const dataAdapter = {
    findByIdempotencyKey: async (key: string) => resources.get(key) as IdempotencyResource,
    create: async (resource: IdempotencyResource) => void resources.set(resource.idempotencyKey, resource),
    update: async (resource: IdempotencyResource) => void resources.set(resource.idempotencyKey, resource),
    delete: async (key: string) => void resources.delete(key),
  }
  const middleware = idempotency({ dataAdapter })
  return { middleware, isHit: (request) => getSharedIdempotencyService().isHit(request) }
}

interface Kept {
  readonly status: number
  readonly type: string
}

export function coreForExpress(): RequestHandler {
  const core = new Idempotency(new MemoryStorageAdapter())
  return async (request, response, next) => {
    const asked = { headers: request.headers, body: request.body, path: request.url, method: request.method }
    const earlier = await core.onRequest(asked)
    if (earlier !== undefined) {
      const { status, type } = earlier.additional as unknown as Kept
      response.status(status).type(type).send(earlier.body)
      return
    }
    const send = response.send.bind(response)
    response.send = (body) => {
      const additional = { status: response.statusCode, type: response.get('Content-Type') }
      void core.onResponse(asked, { body, additional })
      return send(body)
    }
    next()
  }
}

export function coreForFastify(app: FastifyInstance): void {
  const core = new Idempotency(new MemoryStorageAdapter())
  const replays = new WeakSet<FastifyReply>()
  const askOf = ({ headers, body, url, method }: { headers: object; body: unknown; url: string; method: string }) => ({
    headers: headers as Record<string, unknown>,
    body: body as Record<string, unknown>,
    path: url,
    method,
  })
  app.addHook('preHandler', async (request, reply) => {
    const earlier = await core.onRequest(askOf(request))
    if (earlier === undefined) return undefined
    replays.add(reply)
    const { status, type } = earlier.additional as unknown as Kept
    return reply.code(status).type(type).send(earlier.body)
  })
  app.addHook('onSend', async (request, reply, body) => {
    if (replays.has(reply)) return
    const additional = { status: reply.statusCode, type: reply.getHeader('Content-Type') }
    await core.onResponse(askOf(request), { body, additional })
  })
}
