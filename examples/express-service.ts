/* An order service on Express that charges by way of a payment provider, and a client that sends its requests again. */
import type { AddressInfo } from 'node:net'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { answerProblems, idempotent, operationOf, requireKey } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import { type Order, post, sendOrders } from './customers/orders.js'

declare module 'express-serve-static-core' {
  interface Request {
    tenant?: string
  }
}

/** Stands for a payment provider that keeps keys of its own: the same key is the same charge. */
function createProvider() {
  const charges = new Map<string, string>()
  const app = express()
  app.post('/charges', requireKey(), (request, response) => {
    const key = request.get('idempotency-key') ?? ''
    const id = charges.get(key) ?? `ch_${charges.size + 1}`
    charges.set(key, id)
    response.status(201).json({ id })
  })
  return { app, charges }
}

function createService(providerUrl: string): Express {
  const tenants = new Map([
    ['key-of-anna', 'anna'],
    ['key-of-ben', 'ben'],
  ])
  let orders = 0
  let outages = 1

  function authenticate(request: Request, response: Response, next: NextFunction): void {
    const tenant = tenants.get(request.get('x-api-key') ?? '')
    if (tenant === undefined) {
      response.status(401).json({ code: 'who_are_you' })
      return
    }
    request.tenant = tenant
    next()
  }

  async function charge(order: Order, key: string): Promise<{ id: string }> {
    const response = await post(`${providerUrl}/charges`, order, { 'Idempotency-Key': key })
    if (!response.ok) throw new Error(`The provider answered ${response.status}.`)
    return (await response.json()) as { id: string }
  }

  async function sendReceipt(order: Order): Promise<void> {
    if (order.item === 'lamp' && outages-- > 0) throw new Error('The mail server is down.')
  }

  const app = express()
  app.use(authenticate)
  app.use(idempotent({ store: memoryStore(), scope: (request: Request) => request.tenant, requireKey: true }))
  app.use(express.json())
  app.post('/orders', async (request, response) => {
    const order: Order = request.body
    const operation = operationOf(request)
    if (operation === undefined) throw new Error('Nobody comes here without a key.')
    const { id } = await operation.step('charge', () => charge(order, operation.keyFor('charge')))
    await operation.step('receipt', () => sendReceipt(order))
    orders += 1
    response.status(201).json({ order: `ord_${orders}`, charge: id, attempt: operation.attempt })
  })
  app.use(answerProblems())
  app.use((_error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    response.status(500).json({ code: 'failed' })
  })
  return app
}

async function listen(app: Express): Promise<{ url: string; close(): void }> {
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      resolve({ url: `http://127.0.0.1:${port}`, close: () => server.close() })
    })
  })
}

const { app, charges } = createProvider()
const provider = await listen(app)
const service = await listen(createService(provider.url))

await sendOrders(service.url)
console.log('charges made:', charges.size)

service.close()
provider.close()
