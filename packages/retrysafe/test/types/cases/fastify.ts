/* The hooks and the plugin fit Fastify's own types, of any instance, and options see the application's request. */
import Fastify, { type FastifyRequest, type FastifyTypeProvider } from 'fastify'
import type { IdempotencyStore } from 'retrysafe'
import { idempotent, idempotentRoute, operationOf, requireKey } from 'retrysafe/fastify'

declare const store: IdempotencyStore

declare module 'fastify' {
  interface FastifyRequest {
    user: { readonly id: string }
  }
}

interface Provider extends FastifyTypeProvider {
  validator: this['schema']
}

export async function whatFits(): Promise<void> {
  const app = Fastify()
  await app.register(idempotent({ store }))
  await app.register(idempotent({ store }), { prefix: '/charges' })
  await app.register(idempotent<FastifyRequest>({ store, scope: (request) => request.user.id }))
  await app.register(idempotent({ store, scope: (request: FastifyRequest) => request.user.id }))
  await app.register(idempotent({ store, scope: (request) => String(request.headers['x-tenant']) }))

  const once = idempotentRoute<FastifyRequest>({ store, covers: ({ user }) => user.id !== 'guest' })
  app.post('/charges', { ...once }, async (request) => operationOf(request)?.keyFor('charge'))
  app.post<{ Body: { amount: number } }>('/typed', { ...once }, async ({ body }) => body.amount)
  app.post('/hooks', { preParsing: once.preParsing, preHandler: [async () => {}, once.preHandler] }, async () => 1)
  app.route({ method: ['POST', 'PATCH'], url: '/route', ...once, handler: async () => 1 })
  app.addHook('onRequest', requireKey())
  app.post('/keyed', { onRequest: requireKey<FastifyRequest>({ covers: ({ user }) => user.id !== '' }) }, async () => 1)

  const typed = app.withTypeProvider<Provider>()
  await typed.register(idempotent({ store }))
  typed.post('/provided', { schema: { body: { amount: 1 } }, ...once }, async ({ body }) => body)

  const http2 = Fastify({ http2: true })
  await http2.register(idempotent({ store }))
  http2.post('/charges', { ...once, onRequest: requireKey() }, async (request) => operationOf(request)?.attempt)
}

export function whatDoesNot(): void {
  // @ts-expect-error There is no adapter without a store.
  idempotent({})
  // @ts-expect-error A scope is a string.
  idempotent<FastifyRequest>({ store, scope: (request) => request.user })
  // @ts-expect-error Nobody said that requests have a user.
  idempotent({ store, scope: (request) => request.user.id })
  const once = idempotentRoute({ store })
  // @ts-expect-error A hook before the spread would be lost.
  Fastify().post('/lost', { preHandler: async () => {}, ...once }, async () => 1)
}
