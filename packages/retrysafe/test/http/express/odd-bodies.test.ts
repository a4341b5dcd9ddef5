/* What is left of a body that tells too little of it, or too much: nothing runs on a guess. */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import express, { type Request, type RequestHandler } from 'express'
import multer from 'multer'
import { idempotent } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'
import { closing, formOf, multipart, part, post, start } from './bodies.js'

const json = { type: 'application/json', payload: '{"a":1,"b":[2]}' }
const options = () => ({ store: memoryStore(), scope: () => 'tenant' })

test('where a reader keeps nothing of the body nothing runs', async () => {
  let runs = 0
  const port = await start((app) => {
    app.use((request, _response, next) => void request.resume().on('end', () => next()))
    app.post('/charges', idempotent(options()), (_request, response) => void response.json(++runs))
  })
  const reply = await post(port, 'text/csv', 'a;b')
  expect([reply.status, JSON.parse(reply.text).code, runs]).toEqual([500, 'body_consumed', 0])
})

test('where a reader has begun with the body nothing runs', async () => {
  const port = await start((app) => {
    app.use((request, _response, next) => {
      request.once('readable', () => {
        request.read(1)
        next()
      })
    })
    app.post('/charges', idempotent(options()), (_request, response) => void response.json(1))
  })
  const reply = await post(port, 'text/csv', 'a;b')
  expect([reply.status, JSON.parse(reply.text).code]).toEqual([500, 'body_consumed'])
})

const collect =
  (keep: (request: Request, bytes: Buffer) => void): RequestHandler =>
  (request, _response, next) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      keep(request, Buffer.concat(chunks))
      next()
    })
  }

const unknownUploads: Readonly<Record<string, (request: Request, data: Buffer) => void>> = {
  'files in a shape that is not known': (request, data) =>
    Object.assign(request, { body: { note: 'one' }, files: { file: { name: 'a.txt', data, mimetype: 'text/plain' } } }),
  'lists of them': (request, data) =>
    Object.assign(request, { body: Object.create(null), files: { file: [{ filepath: '/tmp/a', data }] } }),
  'one that is known among them': (request, data) =>
    Object.assign(request, {
      body: Object.create(null),
      files: [{ fieldname: 'a', buffer: Buffer.from('a') }, { data }],
    }),
  'fields alone, by a parser that may hide files': (request) => Object.assign(request, { body: { note: 'one' } }),
}

for (const [name, keep] of Object.entries(unknownUploads))
  test(`of a multipart body nothing is taken for the whole: ${name}`, async () => {
    let runs = 0
    const port = await start((app) => {
      app.use(collect(keep))
      app.post('/charges', idempotent(options()), (_request, response) => void response.json(++runs))
    })
    const reply = await post(port, multipart, formOf(part('note', 'one'), part('file', 'in a file', 'a.txt')))
    expect([reply.status, JSON.parse(reply.text).code, runs]).toEqual([500, 'body_consumed', 0])
  })

test('a multipart body without fields and files is as good as any', async () => {
  const once = idempotent(options())
  const port = await start((app) =>
    app.post('/charges', multer().any(), once, (_request, response) => response.json(1)),
  )
  for (const replayed of [false, true])
    expect(await post(port, multipart, formOf())).toEqual({ status: 200, text: '1', replayed })
})

test('bytes that are still being collected are not taken for the body', async () => {
  const port = await start((app) => {
    app.use((request, _response, next) => {
      const kept = Object.assign(request, { rawBody: '' })
      request.on('data', (chunk: Buffer) => {
        kept.rawBody += chunk
      })
      next()
    })
    app.post('/charges', idempotent(options()), (_request, response) => void response.json(1))
  })
  const reply = await post(port, 'text/csv', 'a;b')
  expect([reply.status, JSON.parse(reply.text).code]).toEqual([500, 'body_consumed'])
})

test('bytes that were collected to the end tell the body, as text too', async () => {
  const once = idempotent(options())
  const keepText = collect((request, bytes) => Object.assign(request, { rawBody: bytes.toString() }))
  const behind = await start((app) => app.post('/charges', keepText, once, (_request, response) => response.json(1)))
  const before = await start((app) => app.post('/charges', once, (_request, response) => response.json(1)))
  expect((await post(behind, 'text/csv', 'é;b')).replayed).toBe(false)
  for (const port of [before, behind]) expect((await post(port, 'text/csv', 'é;b')).replayed).toBe(true)
  expect((await post(behind, 'text/csv', 'é;c')).status).toBe(422)
})

test('a rawBody of nothing leaves an unread body to the adapter', async () => {
  const port = await start((app) => {
    app.use((request, _response, next) => void next(Object.assign(request, { rawBody: null }) && undefined))
    app.post('/charges', idempotent(options()), (_request, response) => void response.json(1))
  })
  expect((await post(port, 'text/csv', 'a;b')).status).toBe(200)
  expect([(await post(port, 'text/csv', 'a;b')).replayed, (await post(port, 'text/csv', 'a;c')).status]).toEqual([
    ...[true, 422],
  ])
})

test('where two adapters run unprotected while the store is down, the body is still there', async () => {
  const store = memoryStore()
  await store.close()
  const unprotected = () => idempotent({ store, scope: () => 'tenant', whenStoreDown: 'run' })
  const port = await start((app) =>
    app.post(
      '/charges',
      unprotected(),
      unprotected(),
      express.json(),
      ({ body }, response) => void response.json(body),
    ),
  )
  expect(await post(port, json.type, json.payload)).toEqual({ status: 200, text: json.payload, replayed: false })
})

for (const [name, parser, type, body] of [
  ['bytes', express.raw(), 'application/octet-stream', 'x'.repeat(20)],
  ['a file in memory', multer().single('file'), multipart, formOf(part('file', 'x'.repeat(20), 'a'))],
  ['a file on disk', multer({ dest: tmpdir() }).single('file'), multipart, formOf(part('file', 'x'.repeat(20), 'a'))],
] as const)
  test(`${name} of more than maxBodyBytes behind a parser is refused, though nobody declared its length`, async () => {
    let runs = 0
    const port = await start((app) => {
      app.use(parser, (request, _response, next) => {
        if (request.file?.path !== undefined) closing.push(() => rmSync(String(request.file?.path)))
        next()
      })
      app.post('/charges', idempotent({ ...options(), maxBodyBytes: 10 }), (_request, response) => {
        response.json(++runs)
      })
    })
    const stream = new Blob([body]).stream()
    const headers = { 'idempotency-key': 'k', 'content-type': type }
    const init = { method: 'POST', headers, body: stream, duplex: 'half' } as RequestInit
    const reply = await fetch(`http://127.0.0.1:${port}/charges`, init)
    expect([reply.status, runs]).toEqual([413, 0])
  })
