/* An order service on Fastify that charges by way of a payment provider, and a client that sends its requests again. */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { idempotent, operationOf, requireKey } from 'retrysafe/fastify'
import { memoryStore } from 'retrysafe/memory'
import { type Order, post, sendOrders } from './customers/orders.js'

declare module 'fastify' {
  interface FastifyRequest {
    tenant: string
  }
}

/** Stands for a payment provider that keeps keys of its own: the same key is the same charge. */
function createProvider() {
  const charges = new Map<string, string>()
  const app = Fastify()
  app.post('/charges', { onRequest: requireKey() }, async (request, reply) => {
    const key = String(request.headers['idempotency-key'])
    const id = charges.get(key) ?? `ch_${charges.size + 1}`
    charges.set(key, id)
    return reply.code(201).send({ id })
  })
  return { app, charges }
}

const orderSchema = {
  body: {
    type: 'object',
    required: ['item', 'amount'],
    properties: { item: { type: 'string' }, amount: { type: 'integer', minimum: 1 } },
  },
}

async function createService(providerUrl: string): Promise<FastifyInstance> {
  const tenants = new Map([
    ['key-of-anna', 'anna'],
    ['key-of-ben', 'ben'],
  ])
  let orders = 0
  let outages = 1

  async function authenticate(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const tenant = tenants.get(String(request.headers['x-api-key']))
    if (tenant === undefined) return reply.code(401).send({ code: 'who_are_you' })
    request.tenant = tenant
    return undefined
  }

  async function charge(order: Order, key: string): Promise<{ id: string }> {
    const response = await post(`${providerUrl}/charges`, order, { 'Idempotency-Key': key })
    if (!response.ok) throw new Error(`The provider answered ${response.status}.`)
    return (await response.json()) as { id: string }
  }

  async function sendReceipt(order: Order): Promise<void> {
    if (order.item === 'lamp' && outages-- > 0) throw new Error('The mail server is down.')
  }

  const app = Fastify()
  app.decorateRequest('tenant', '')
  app.addHook('onRequest', authenticate)
  const scope = (request: FastifyRequest): string => request.tenant
  await app.register(idempotent({ store: memoryStore(), scope, requireKey: true }))
  app.setErrorHandler(async (_error, _request, reply) => reply.code(500).send({ code: 'failed' }))
  app.post<{ Body: Order }>('/orders', { schema: orderSchema }, async (request, reply) => {
    const order = request.body
    const operation = operationOf(request)
    if (operation === undefined) throw new Error('Nobody comes here without a key.')
    const { id } = await operation.step('charge', () => charge(order, operation.keyFor('charge')))
    await operation.step('receipt', () => sendReceipt(order))
    orders += 1
    return reply.code(201).send({ order: `ord_${orders}`, charge: id, attempt: operation.attempt })
  })
  return app
}

const { app: provider, charges } = createProvider()
const service = await createService(await provider.listen({ host: '127.0.0.1', port: 0 }))
const serviceUrl = await service.listen({ host: '127.0.0.1', port: 0 })

await sendOrders(serviceUrl)
console.log('charges made:', charges.size)

await service.close()
await provider.close()
