/* What docs/comparison.md says of two peers that can be installed, seen by running them. Each test says what they do. */
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Idempotency, type IdempotencyParams } from '@node-idempotency/core'
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory'
import express, { type RequestHandler } from 'express'
import { getSharedIdempotencyService, type IdempotencyResource, idempotency } from 'express-idempotency'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { root } from './command.mjs'

const key = { 'Idempotency-Key': 'charge-42' }

/** A store on a network by the documented interface: every call takes a turn of the event loop. */
function slowAdapter(): NonNullable<NonNullable<Parameters<typeof idempotency>[0]>['dataAdapter']> {
  const resources = new Map<string, IdempotencyResource>()
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
  return {
    findByIdempotencyKey: async (asked) => {
      const found = resources.get(asked)
      await turn()
      return found as IdempotencyResource
    },
    create: async (resource) => void resources.set(resource.idempotencyKey, resource),
    update: async (resource) => void resources.set(resource.idempotencyKey, resource),
    delete: async (asked) => void resources.delete(asked),
  }
}

type Send = (body?: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>) => Promise<Response>

/** express-idempotency behind a JSON parser, on a socket of its own. */
async function peer(handler: RequestHandler, options?: Parameters<typeof idempotency>[0]): Promise<Send> {
  const app = express()
  app.use(express.json())
  app.post('/', idempotency(options), handler)
  const server = app.listen(0)
  onTestFinished(() => void server.closeAllConnections())
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`
  const json = { 'Content-Type': 'application/json' }
  return (body = '{}', headers = {}) => fetch(url, { method: 'POST', body, headers: { ...key, ...json, ...headers } })
}

/** A handler as the peer's README has it: it asks whether the middleware has answered already. */
function counting(answer: (run: number) => unknown): { readonly handler: RequestHandler; runs(): number } {
  let runs = 0
  return {
    runs: () => runs,
    handler: (request, response) => {
      if (getSharedIdempotencyService().isHit(request)) return
      runs++
      response.set('Location', `/charges/${runs}`).send(answer(runs))
    },
  }
}

test('the page names the versions that run here', () => {
  const page = readFileSync(join(root, 'docs/comparison.md'), 'utf8')
  const versionOf = (name: string): string =>
    (JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
  expect(page).toContain(`) ${versionOf('@node-idempotency/core')} with its memory adapter`)
  expect(page).toContain(`memory adapter ${versionOf('@node-idempotency/storage-adapter-memory')} |`)
  expect(page).toContain(`express-idempotency) ${versionOf('express-idempotency')} |`)
})

describe('express-idempotency 1.0.6', () => {
  test('of two requests at once both run where the store takes a turn to answer', async () => {
    const { handler, runs } = counting((run) => ({ run }))
    const send = await peer(handler, { dataAdapter: slowAdapter() })
    const answers = await Promise.all([send(), send()])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(runs()).toBe(2)
  })

  test('a handler that does not ask for a hit runs again on a replay', async () => {
    let runs = 0
    const send = await peer((_request, response) => {
      runs++
      if (!response.headersSent) response.send({ runs })
    })
    await (await send()).text()
    expect(await (await send()).json()).toEqual({ runs: 1 })
    expect(runs).toBe(2)
  })

  test('a handler that never answers blocks its key', async () => {
    let started = (): void => undefined
    const running = new Promise<void>((resolve) => {
      started = resolve
    })
    const send = await peer(() => started())
    void send().catch(() => undefined)
    await running
    const retry = await send()
    expect(retry.status).toBe(409)
    expect(retry.headers.get('Retry-After')).toBe(null)
    expect(retry.headers.get('Content-Type')).toContain('text/html')
  })

  test('a response that does not go through send is not seen, and its key stays in progress', async () => {
    const send = await peer((_request, response) => void response.end('done'))
    expect(await (await send()).text()).toBe('done')
    expect((await send()).status).toBe(409)
  })

  test('a binary body is replayed byte for byte, with its status and media type and no other header', async () => {
    const bytes = Buffer.from([0, 255, 254, 128, 10])
    const { handler, runs } = counting(() => bytes)
    const send = await peer((request, response, next) => handler(request, response.status(201).type('image/png'), next))
    await (await send()).arrayBuffer()
    const replay = await send()
    expect([replay.status, replay.headers.get('Content-Type')]).toEqual([201, 'image/png'])
    expect(replay.headers.get('Location')).toBe(null)
    expect(Buffer.from(await replay.arrayBuffer())).toEqual(bytes)
    expect(runs()).toBe(1)
  })

  test('two tenants with the same key share a response', async () => {
    const { handler, runs } = counting(() => 'a secret of the first')
    const send = await peer(handler)
    await (await send('{}', { Authorization: 'Bearer first' })).text()
    expect(await (await send('{}', { Authorization: 'Bearer second' })).text()).toBe('a secret of the first')
    expect(runs()).toBe(1)
  })

  test('another body is 417, another order of members is the same body, and large integers are rounded', async () => {
    const { handler, runs } = counting(() => 'done')
    const send = await peer(handler)
    await (await send('{"amount":9007199254740992,"to":"a"}')).text()
    expect((await send('{"to":"a","amount":1}')).status).toBe(417)
    expect((await send('{"to":"a","amount":9007199254740992}')).status).toBe(200)
    expect((await send('{"amount":9007199254740993,"to":"a"}')).status).toBe(200)
    expect(runs()).toBe(1)
  })

  test('a body that no parser read is not compared', async () => {
    const { handler, runs } = counting(() => 'done')
    const send = await peer(handler)
    const binary = { 'Content-Type': 'application/octet-stream' }
    await (await send(new Uint8Array([1]), binary)).text()
    expect((await send(new Uint8Array([2]), binary)).status).toBe(200)
    expect(runs()).toBe(1)
  })

  test('only a 2xx response is kept: a 404 runs again', async () => {
    const { handler, runs } = counting(() => 'none')
    const send = await peer((request, response, next) => handler(request, response.status(404), next))
    await (await send()).text()
    await (await send()).text()
    expect(runs()).toBe(2)
  })
})

describe('@node-idempotency/core 1.0.11', () => {
  const ask = (body?: unknown, headers: Record<string, string> = {}): IdempotencyParams => ({
    headers: { ...key, ...headers },
    path: '/charges',
    method: 'POST',
    ...(body === undefined ? {} : { body: body as Record<string, unknown> }),
  })

  test('of two requests at once one runs, and the other is told that it is in progress', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    const [first, second] = await Promise.allSettled([core.onRequest(ask()), core.onRequest(ask())])
    expect(first).toEqual({ status: 'fulfilled', value: undefined })
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'REQUEST_IN_PROGRESS' } })
  })

  test('another body while the first runs is in progress too; a mismatch shows only after it', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    await core.onRequest(ask({ amount: 1 }))
    await expect(core.onRequest(ask({ amount: 2 }))).rejects.toMatchObject({ code: 'REQUEST_IN_PROGRESS' })
    await core.onResponse(ask({ amount: 1 }), { body: 'done' })
    const mismatch = { code: 'IDEMPOTENCY_FINGERPRINT_MISSMATCH' }
    await expect(core.onRequest(ask({ amount: 2 }))).rejects.toMatchObject(mismatch)
  })

  test('a duplicate may wait for the first', async () => {
    const inProgressStrategy = { wait: true, pollingIntervalMs: 5, maxWaitMs: 5000 }
    const core = new Idempotency(new MemoryStorageAdapter(), { inProgressStrategy })
    await core.onRequest(ask())
    const waiting = core.onRequest(ask())
    await core.onResponse(ask(), { body: 'done' })
    expect(await waiting).toEqual({ body: 'done' })
  })

  test('a claim whose holder died blocks its key until the retention ends, and then nobody claims', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const core = new Idempotency(new MemoryStorageAdapter())
    await core.onRequest(ask())
    vi.advanceTimersByTime(86_000_000)
    await expect(core.onRequest(ask())).rejects.toMatchObject({ code: 'REQUEST_IN_PROGRESS' })
    vi.advanceTimersByTime(86_400_000)
    // The memory adapter finds the key, so the request does not claim; then it drops the key, so the request runs.
    expect(await core.onRequest(ask())).toBe(undefined)
    // That one has not answered, and another may run.
    expect(await core.onRequest(ask())).toBe(undefined)
  })

  test('a late worker overwrites the response of its successor', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    await core.onRequest(ask())
    await core.onResponse(ask(), { body: 'of the successor' })
    await core.onResponse(ask(), { body: 'of the late worker' })
    expect(await core.onRequest(ask())).toEqual({ body: 'of the late worker' })
  })

  test('a binary body comes back as what JSON makes of it', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    await core.onRequest(ask())
    await core.onResponse(ask(), { body: Buffer.from([0, 255]) })
    expect(await core.onRequest(ask())).toEqual({ body: { type: 'Buffer', data: [0, 255] } })
  })

  test('two tenants with the same key share a response', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    await core.onRequest(ask({}, { Authorization: 'Bearer first' }))
    await core.onResponse(ask({}, { Authorization: 'Bearer first' }), { body: 'a secret of the first' })
    const replay = await core.onRequest(ask({}, { Authorization: 'Bearer second' }))
    expect(replay).toEqual({ body: 'a secret of the first' })
  })

  test('another order of members is another body, and large integers are rounded', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    const first = JSON.parse('{"amount":9007199254740992,"to":"a"}') as unknown
    await core.onRequest(ask(first))
    await core.onResponse(ask(first), { body: 'done' })
    expect(await core.onRequest(ask(JSON.parse('{"amount":9007199254740993,"to":"a"}')))).toEqual({ body: 'done' })
    const mismatch = { code: 'IDEMPOTENCY_FINGERPRINT_MISSMATCH' }
    await expect(core.onRequest(ask({ to: 'a', amount: 2 ** 53 }))).rejects.toMatchObject(mismatch)
  })

  test('any characters are a key, up to 256 of them', async () => {
    const core = new Idempotency(new MemoryStorageAdapter())
    expect(await core.onRequest(ask({}, { 'Idempotency-Key': '"a", "b"; c=d' }))).toBe(undefined)
    const long = core.onRequest(ask({}, { 'Idempotency-Key': 'a'.repeat(257) }))
    await expect(long).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_LEN_EXEEDED' })
  })
})
