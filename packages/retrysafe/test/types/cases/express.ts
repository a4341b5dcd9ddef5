/* The middleware fits the types of Express 4 and 5, and options see the application's request. */
import express, { type Request, Router } from 'express'
import type { IdempotencyStore } from 'retrysafe'
import { answerProblems, type ExpressMiddleware, idempotent, operationOf, requireKey } from 'retrysafe/express'
import type { Application as Application4, Request as Request4, Router as Router4 } from 'types-express-4'

declare const store: IdempotencyStore
declare const app4: Application4
declare const router4: Router4

interface UserRequest extends Request {
  readonly user: { readonly id: string }
}

export function whatFits(): void {
  const app = express()
  app.use(idempotent({ store, scope: (request: Request) => request.ip ?? '' }), answerProblems())
  app.use('/charges', idempotent<Request>({ store, scope: ({ ip }) => ip ?? '' }))
  app.use(idempotent({ store, scope: (request) => request.originalUrl }))
  app.use(idempotent({ store, scope: (request) => request.ip ?? '' }))
  app.post('/charges', idempotent({ store, scope: (request: Request) => request.ip ?? '' }), (request, response) => {
    response.json({ key: operationOf(request)?.keyFor('charge') })
  })
  app.post('/charges', idempotent<UserRequest>({ store, scope: ({ user }) => user.id }) as ExpressMiddleware<Request>)
  app.post('/charges/:id', requireKey(), (request, response) => void response.send(request.params.id))
  app.use(requireKey({ covers: (request: Request) => request.path !== '/' }))
  const router = Router()
  router.use(idempotent({ store }), idempotent({ store, scope: (request) => request.originalUrl }))
  router.use(idempotent({ store, scope: (request) => request.ip ?? '' }))
  router.patch('/:id', idempotent<Request>({ store }), async (_request, response) => void response.sendStatus(204))
  router.use(answerProblems({ documentation: 'https://example.com/errors', corsOrigins: ['*'] }))

  app4.use(idempotent({ store }), answerProblems())
  app4.use(idempotent({ store, scope: (request: Request4) => request.ip ?? '' }))
  app4.post('/charges', idempotent<Request4>({ store, scope: ({ ip }) => ip ?? '' }), (request, response) => {
    response.json({ attempt: operationOf(request)?.attempt })
  })
  router4.patch('/:id', requireKey(), idempotent({ store }))
}

export function whatDoesNot(): void {
  // @ts-expect-error There is no adapter without a store.
  idempotent({})
  // @ts-expect-error A scope is a string.
  idempotent<Request>({ store, scope: () => 1 })
  // @ts-expect-error Nobody said that requests have a user.
  idempotent({ store, scope: (request) => request.user.id })
  // @ts-expect-error Among the handlers of a route the compiler infers no request: name its type.
  express().post('/charges', idempotent({ store, scope: (request) => request.ip ?? '' }), () => {})
  // @ts-expect-error Methods are a list.
  requireKey({ methods: 'POST' })
  // @ts-expect-error Problems are documented somewhere.
  answerProblems({ documentation: 1 })
}
