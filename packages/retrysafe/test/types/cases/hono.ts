/* The middleware fits Hono's own types, wherever it is mounted, and options see the application's context. */
import { type Context, Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { IdempotencyStore } from 'retrysafe'
import { idempotent, operationOf, requireKey } from 'retrysafe/hono'

declare const store: IdempotencyStore

interface Env {
  Variables: { tenant: string }
  Bindings: { SECRET: string }
}

export function whatFits(): void {
  const app = new Hono<Env>()
  app.use(idempotent({ store }))
  app.use('/charges/*', idempotent({ store }))
  app.use(idempotent<Context<Env>>({ store, scope: (c) => c.get('tenant'), covers: (c) => c.env.SECRET !== '' }))
  app.post('/charges', idempotent({ store, scope: (c) => c.get('tenant') }), async (c) => {
    const tenant: string = c.get('tenant')
    const secret: string = c.env.SECRET
    return c.json({ tenant, secret, key: operationOf(c)?.keyFor('charge') }, 201)
  })
  app.post('/charges/:id', idempotent({ store, scope: (c) => c.get('tenant') }), (c) => c.text(c.req.param('id')))
  app.post(
    '/refunds/:id',
    createMiddleware<Env>(async (_c, next) => next()),
    (c) => c.text(c.req.param('id')),
  )
  app.on(['POST', 'PATCH'], '/on', idempotent({ store }), (c) => c.text('on'))
  app.use(requireKey())
  app.post('/keyed', requireKey<Context<Env>>({ covers: (c) => c.get('tenant') !== '' }), (c) => c.text('keyed'))
  app.post(
    '/mixed',
    createMiddleware<Env>(async (c, next) => {
      c.set('tenant', 'a')
      await next()
    }),
    idempotent({ store, scope: (c) => c.get('tenant') }),
    (c) => c.text(c.get('tenant')),
  )

  const once = createMiddleware<Env>(idempotent<Context<Env>>({ store, scope: (c) => c.get('tenant') }))
  app.use(once)
  const plain = new Hono()
  plain.use(idempotent({ store, scope: (c) => c.req.header('x-tenant') }))
  app.route('/plain', plain)
}

export function whatDoesNot(): void {
  const app = new Hono<Env>()
  // @ts-expect-error There is no adapter without a store.
  app.use(idempotent({}))
  // @ts-expect-error A scope is a string.
  app.use(idempotent<Context<Env>>({ store, scope: () => 1 }))
  // @ts-expect-error There is no such variable.
  app.use(idempotent<Context<Env>>({ store, scope: (c) => c.get('nothing') }))
  // @ts-expect-error Nobody said that this context has bindings.
  app.use(idempotent({ store, scope: (c) => c.env.SECRET }))
  // @ts-expect-error A number is no context of Hono.
  operationOf(1)
}
