/* The same small service on every framework, bare or with one layer of idempotency. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import express, { type RequestHandler } from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { idempotent as idempotentExpress } from 'retrysafe/express'
import { idempotent as idempotentFastify } from 'retrysafe/fastify'
import { type FetchHandler, idempotent as idempotentFetch } from 'retrysafe/fetch'
import { idempotent as idempotentHono } from 'retrysafe/hono'
import { memoryStore } from 'retrysafe/memory'
import { idempotent as idempotentNode } from 'retrysafe/node'
import { leastPossible } from './http-least.js'
import { coreForExpress, coreForFastify, expressIdempotency } from './http-peers.js'

/** Longer than a suite lasts, so that no round pays for connections that others closed. */
const keepAliveTimeout = 600_000
const scope = (): string => 'tenant'
let runs = 0

/** How often a handler ran, by which the suite sees that fresh keys run and replays do not. */
export function runCount(): number {
  return runs
}

function charge({ amount }: { amount: number }) {
  runs++
  return { id: 'ch_1', amount, currency: 'EUR', status: 'succeeded' }
}

type Open = (layer: string, maxEntries: number) => Promise<number>

/** Opens a server and gives its port. */
export const frameworks: Readonly<Record<string, Open>> = {
  async node(layer, maxEntries) {
    if (layer === 'least') return listen(leastPossible(charge, maxEntries))
    const handle: RequestListener = (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = JSON.stringify(charge(JSON.parse(Buffer.concat(chunks).toString())))
        response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
        response.end(body)
      })
    }
    return listen(layer === 'retrysafe' ? idempotentNode({ store: storeOf(maxEntries), scope })(handle) : handle)
  },

  async express(layer, maxEntries) {
    const app = express()
    if (layer === 'retrysafe') app.use(idempotentExpress({ store: storeOf(maxEntries), scope }))
    app.use(express.json())
    let isHit = (_request: express.Request): boolean => false
    if (layer === 'express-idempotency') {
      const peer = expressIdempotency()
      app.use(peer.middleware)
      isHit = peer.isHit
    }
    if (layer === '@node-idempotency/core') app.use(coreForExpress())
    const handle: RequestHandler = (request, response) => {
      if (!isHit(request)) response.status(201).json(charge(request.body))
    }
    app.post('/charges', handle)
    return listen(app)
  },

  async fastify(layer, maxEntries) {
    const app = Fastify({ keepAliveTimeout })
    if (layer === 'retrysafe') await app.register(idempotentFastify({ store: storeOf(maxEntries), scope }))
    if (layer === '@node-idempotency/core') coreForFastify(app)
    app.post('/charges', async (request, reply) => {
      reply.code(201)
      return charge(request.body as { amount: number })
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return (app.server.address() as AddressInfo).port
  },

  async hono(layer, maxEntries) {
    const app = new Hono()
    if (layer === 'retrysafe') app.use(idempotentHono({ store: storeOf(maxEntries), scope }))
    app.post('/charges', async (context) => context.json(charge(await context.req.json()), 201))
    return serveFetch(app.fetch)
  },

  async fetch(layer, maxEntries) {
    const handle: FetchHandler<[]> = async (request) =>
      Response.json(charge((await request.json()) as { amount: number }), { status: 201 })
    return serveFetch(layer === 'retrysafe' ? idempotentFetch({ store: storeOf(maxEntries), scope })(handle) : handle)
  },
}

function storeOf(maxEntries: number) {
  return memoryStore({ whenFull: 'evict', maxEntries })
}

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer({ keepAliveTimeout }, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function serveFetch(fetch: (request: Request) => Response | Promise<Response>): Promise<number> {
  return new Promise((resolve) => {
    serve({ fetch, port: 0, hostname: '127.0.0.1', serverOptions: { keepAliveTimeout } }, ({ port }) => resolve(port))
  })
}
