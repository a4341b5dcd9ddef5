/* A body is the same whether the adapter reads it itself or finds what a parser left of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import express, { type Request, type RequestHandler } from 'express'
import multer from 'multer'
import { idempotent } from 'retrysafe/express'
import { memoryStore } from 'retrysafe/memory'
import { describe, expect, test } from 'vitest'
import { exchangeHttp1 } from '../raw-client.js'
import { closing, formOf, multipart, part, post, start } from './bodies.js'
import { expresses } from './harness.js'

interface Kind {
  readonly name: string
  readonly type: string
  readonly payload: string | Buffer
  readonly other: string | Buffer
  parser(): RequestHandler
  /** What the handler finds. */
  read?(request: Request): unknown
  readonly found: unknown
}

const oneFile = {
  type: multipart,
  payload: formOf(part('note', 'one'), part('file', 'in a file', 'a.txt')),
  other: formOf(part('note', 'one'), part('file', 'in another', 'a.txt')),
}
const twoFiles = {
  type: multipart,
  payload: formOf(part('file', '1', 'a.txt'), part('file', '2', 'b.txt')),
  other: formOf(part('file', '1', 'a.txt'), part('file', '3', 'b.txt')),
}
const form = { type: 'application/x-www-form-urlencoded', payload: 'a=1&b=x+y', other: 'a=1&b=x+z' }
const filesOf = ({ files }: Request) => (files as Express.Multer.File[]).map(({ originalname }) => originalname)
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-'))
  closing.push(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const json = { type: 'application/json', payload: '{"a":1,"b":[2]}', other: '{"a":1,"b":[3]}' }
const kinds: readonly Kind[] = [
  { name: 'JSON', ...json, parser: () => express.json(), found: { a: 1, b: [2] } },
  {
    ...{ name: 'an empty JSON object', type: 'application/json', payload: '{}', other: '{ "a": {} }' },
    parser: () => express.json(),
    found: {},
  },
  { name: 'a form', ...form, parser: () => express.urlencoded({ extended: false }), found: { a: '1', b: 'x y' } },
  {
    ...{ name: 'a nested form', type: form.type, payload: 'a[b]=1&a[c]=2', other: 'a[b]=1&a[c]=3' },
    parser: () => express.urlencoded({ extended: true }),
    found: { a: { b: '1', c: '2' } },
  },
  { name: 'text', type: 'text/plain', payload: 'één', other: 'één.', parser: () => express.text(), found: 'één' },
  {
    ...{
      name: 'bytes',
      type: 'application/octet-stream',
      payload: Buffer.from([0, 255]),
      other: Buffer.from([0, 254]),
    },
    parser: () => express.raw(),
    read: ({ body }) => [...body],
    found: [0, 255],
  },
  {
    ...{ name: 'JSON that tells its bytes by a verify hook only', type: json.type },
    ...{ payload: '{"a":9007199254740993}', other: '{"a":9007199254740992}' },
    parser: () =>
      express.json({ verify: (request, _response, bytes) => void Object.assign(request, { rawBody: bytes }) }),
    found: { a: 9007199254740992 },
  },
  {
    ...{ name: 'one file in memory', ...oneFile, parser: () => multer().single('file') },
    read: ({ body, file }) => [body.note, String(file?.buffer)],
    found: ['one', 'in a file'],
  },
  {
    ...{ name: 'files in memory', ...twoFiles, parser: () => multer().array('file') },
    ...{ read: filesOf, found: ['a.txt', 'b.txt'] },
  },
  {
    ...{ name: 'files by field', ...twoFiles, parser: () => multer().fields([{ name: 'file' }]) },
    read: ({ files }) => Object.keys(files ?? {}),
    found: ['file'],
  },
  {
    ...{ name: 'any files', ...twoFiles, parser: () => multer().any() },
    ...{ read: filesOf, found: ['a.txt', 'b.txt'] },
  },
  {
    ...{ name: 'a multipart form without files', type: multipart },
    ...{ payload: formOf(part('note', 'one')), other: formOf(part('note', 'two')) },
    parser: () => multer().none(),
    found: { note: 'one' },
  },
  {
    ...{ name: 'a file on disk', ...oneFile, parser: () => multer({ dest: folder() }).single('file') },
    read: ({ body, file }) => [body.note, file?.size],
    found: ['one', 9],
  },
]

for (const version of ['express 5', 'express 4'] as const)
  describe(`in ${version}, a body is the same before and behind its parser`, () => {
    for (const kind of kinds)
      for (const order of ['before', 'behind'] as const)
        test(`${kind.name}, first ${order} it`, async () => {
          const seen: unknown[] = []
          const once = idempotent({ store: memoryStore(), scope: () => 'tenant' })
          const parser = kind.parser()
          const handler: RequestHandler = (request, response) => {
            seen.push(kind.read === undefined ? request.body : kind.read(request))
            response.json({ number: seen.length })
          }
          const before = await start((app) => app.post('/charges', once, parser, handler), version)
          const behind = await start((app) => app.post('/charges', parser, once, handler), version)
          const first = order === 'before' ? before : behind
          expect(await post(first, kind.type, kind.payload)).toEqual({
            status: 200,
            text: '{"number":1}',
            replayed: false,
          })
          for (const port of [before, behind]) {
            expect(await post(port, kind.type, kind.payload)).toMatchObject({ text: '{"number":1}', replayed: true })
            expect(await post(port, kind.type, kind.other)).toMatchObject({ status: 422 })
          }
          expect(JSON.parse(JSON.stringify(seen))).toEqual([kind.found])
        })
  })

const options = () => ({ store: memoryStore(), scope: () => 'tenant' })

for (const version of ['express 5', 'express 4'] as const)
  for (const [type, length] of [
    ['', '0'],
    ['application/json', '0'],
    ['application/json', 'chunked'],
    [form.type, 'chunked'],
  ] as const)
    test(`an empty body is the same before and behind parsers in ${version}: ${type}, ${length}`, async () => {
      const once = idempotent(options())
      let runs = 0
      const handler: RequestHandler = (_request, response) => void response.json(++runs)
      const all = [expresses[version].json(), expresses[version].urlencoded({ extended: true })]
      const before = await start((app) => app.post('/charges', once, all, handler), version)
      const behind = await start((app) => app.post('/charges', all, once, handler), version)
      const empty = length === '0' ? new Uint8Array() : []
      const headers: [string, string][] = [['Idempotency-Key', 'k']]
      if (type !== '') headers.push(['Content-Type', type])
      const send = (port: number) =>
        exchangeHttp1(port, { method: 'POST', target: '/charges', headers, body: empty }).reply
      const replies = [await send(behind), await send(before), await send(behind)]
      expect(replies.map(({ status, body }) => [status, Buffer.from(body).toString()])).toEqual(
        replies.map(() => [200, '1']),
      )
    })

for (const version of ['express 5', 'express 4'] as const)
  test(`a request without a body is the same before and behind parsers in ${version}`, async () => {
    const once = idempotent(options())
    let runs = 0
    const handler: RequestHandler = (_request, response) => void response.json(++runs)
    const before = await start((app) => app.post('/charges', once, express.json(), handler), version)
    const behind = await start((app) => app.post('/charges', expresses[version].json(), once, handler), version)
    expect((await post(before, '', undefined)).replayed).toBe(false)
    for (const port of [before, behind]) expect((await post(port, '', undefined)).replayed).toBe(true)
  })

test('a compressed body is read by the parser behind the adapter, and told from another', async () => {
  const port = await start((app) =>
    app.post('/charges', idempotent(options()), express.json(), ({ body }, response) => void response.json(body)),
  )
  const send = (text: string) => post(port, json.type, gzipSync(text), { 'content-encoding': 'gzip' })
  expect(await send('{"a":1}')).toEqual({ status: 200, text: '{"a":1}', replayed: false })
  expect((await send('{"a":1}')).replayed).toBe(true)
  expect((await send('{"a":2}')).status).toBe(422)
})

test('a handler that pipes the request finds its bytes', async () => {
  const port = await start((app) =>
    app.post('/charges', idempotent(options()), (request, response) => void request.pipe(response)),
  )
  expect((await post(port, 'text/csv', 'a;b')).text).toBe('a;b')
  expect(await post(port, 'text/csv', 'a;b')).toEqual({ status: 200, text: 'a;b', replayed: true })
})

describe('what other readers leave', () => {
  const count = (before: RequestHandler, version?: keyof typeof expresses) => {
    let runs = 0
    return start((app) => {
      app.use(before, idempotent(options()))
      app.post('/charges', (_request, response) => void response.json(++runs))
    }, version)
  }
  const drain: RequestHandler = (request, _response, next) => void request.resume().on('end', () => next())
  const refused = [500, 'body_consumed']

  for (const [type, body] of [
    ['text/csv', 'a;b'],
    [json.type, JSON.stringify({ much: 'x'.repeat(20) })],
    [multipart, oneFile.payload],
  ] as const)
    test(`the empty object that parsers of Express 4 put where another read ${type} is no body`, async () => {
      const port = await count((request, response, next) => {
        drain(request, response, () => next(void Object.assign(request, { body: {} })))
      }, 'express 4')
      const reply = await post(port, type, body)
      expect([reply.status, JSON.parse(reply.text).code]).toEqual(refused)
    })

  test('an empty JSON object with much space is one all the same', async () => {
    const port = await count(expresses['express 4'].json(), 'express 4')
    expect((await post(port, json.type, `{${' '.repeat(30)}}`)).status).toBe(200)
    expect((await post(port, json.type, '{}')).replayed).toBe(true)
  })

  test('a multipart body that was read as bytes counts by its bytes', async () => {
    const port = await count(express.raw({ type: () => true }))
    expect((await post(port, multipart, oneFile.payload)).status).toBe(200)
    expect((await post(port, multipart, oneFile.payload)).replayed).toBe(true)
    expect((await post(port, multipart, oneFile.other)).status).toBe(422)
  })

  test('where a file on disk was taken away before us nothing runs', async () => {
    const save = multer({ dest: folder() }).single('file')
    const port = await count((request, response, next) =>
      save(request, response, () => {
        rmSync(String(request.file?.path))
        next()
      }),
    )
    const reply = await post(port, multipart, oneFile.payload)
    expect([reply.status, JSON.parse(reply.text).code]).toEqual(refused)
  })
})
