/* An order service on Hono that charges by way of a payment provider, and a client that sends its requests again. */
import { serve } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { idempotent, operationOf, requireKey } from 'retrysafe/hono'
import { memoryStore } from 'retrysafe/memory'
import { type Order, post, sendOrders } from './customers/orders.js'

type Env = { Variables: { tenant: string } }

/** Stands for a payment provider that keeps keys of its own: the same key is the same charge. */
function createProvider() {
  const charges = new Map<string, string>()
  const app = new Hono().post('/charges', requireKey(), (c) => {
    const key = c.req.header('idempotency-key') ?? ''
    const id = charges.get(key) ?? `ch_${charges.size + 1}`
    charges.set(key, id)
    return c.json({ id }, 201)
  })
  return { app, charges }
}

function createService(providerUrl: string) {
  const tenants = new Map([
    ['key-of-anna', 'anna'],
    ['key-of-ben', 'ben'],
  ])
  let orders = 0
  let outages = 1

  const authenticate = createMiddleware<Env>(async (c, next) => {
    const tenant = tenants.get(c.req.header('x-api-key') ?? '')
    if (tenant === undefined) return c.json({ code: 'who_are_you' }, 401)
    c.set('tenant', tenant)
    return next()
  })

  async function charge(order: Order, key: string): Promise<{ id: string }> {
    const response = await post(`${providerUrl}/charges`, order, { 'Idempotency-Key': key })
    if (!response.ok) throw new Error(`The provider answered ${response.status}.`)
    return (await response.json()) as { id: string }
  }

  async function sendReceipt(order: Order): Promise<void> {
    if (order.item === 'lamp' && outages-- > 0) throw new Error('The mail server is down.')
  }

  return new Hono<Env>()
    .use(authenticate)
    .use(idempotent({ store: memoryStore(), scope: (c: Context<Env>) => c.get('tenant'), requireKey: true }))
    .post('/orders', async (c) => {
      const order = await c.req.json<Order>()
      const operation = operationOf(c)
      if (operation === undefined) throw new Error('Nobody comes here without a key.')
      const { id } = await operation.step('charge', () => charge(order, operation.keyFor('charge')))
      await operation.step('receipt', () => sendReceipt(order))
      orders += 1
      return c.json({ order: `ord_${orders}`, charge: id, attempt: operation.attempt }, 201)
    })
    .onError((_error, c) => c.json({ code: 'failed' }, 500))
}

async function listen(app: Pick<Hono, 'fetch'>): Promise<{ url: string; close(): void }> {
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
      resolve({ url: `http://127.0.0.1:${port}`, close: () => server.close() }),
    )
  })
}

const { app, charges } = createProvider()
const provider = await listen(app)
const service = await listen(createService(provider.url))

await sendOrders(service.url)
console.log('charges made:', charges.size)

service.close()
provider.close()
