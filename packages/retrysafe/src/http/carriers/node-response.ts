import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { HeaderList } from '../headers.js'
import type { Ending, HttpRun, Settlement, WholeHead } from '../core/http-run.js'
import type { HeldBytes } from '../core/held-bytes.js'
import type { Answer } from '../core/facts.js'

/** A response while the work writes it: captured, streamed on as it comes, its end held until it is stored. */
export interface CapturedResponse {
  /** The work threw; `answer` is sent where no head is out yet. */
  fail(error: unknown, answer: () => Answer): Promise<void>
}

type Written = (error?: Error | null) => void

/** Sends a whole response of ours. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status
  if (answer.statusText !== undefined && answer.statusText !== '') response.statusMessage = answer.statusText
  for (const [name, values] of groupByName(answer.headers)) response.setHeader(name, values)
  response.end(answer.body)
}

/**
 * Hooks the response's own methods. Whoever writes to it, a handler, a stream or a framework, sees a response that
 * behaves as ever; what differs is when its end leaves this process.
 */
export function captureResponse(response: ServerResponse, run: HttpRun, held: HeldBytes, over: () => void): CapturedResponse {
  const original = {
    writeHead: response.writeHead,
    write: response.write,
    end: response.end,
    flushHeaders: response.flushHeaders,
    destroy: response.destroy,
    emit: response.emit,
  }
  const chunks: Buffer[] = []
  let bytes = 0
  let kept = true
  let headSent = false
  let headWritten = false
  let ended = false
  let clientLeft = false
  let needsDrain = false
  let settling: Promise<Settlement> | undefined

  function keep(chunk: Buffer): void {
    if (!kept) return
    if (bytes + chunk.byteLength <= run.maxStoredBytes && held.take(chunk.byteLength)) {
      bytes += chunk.byteLength
      chunks.push(chunk)
      return
    }
    // Too large to be replayed: delivered all the same, and nothing of it is held any longer.
    kept = false
    chunks.length = 0
    held.give(bytes)
    bytes = 0
  }

  function head(): WholeHead {
    return { status: response.statusCode, statusText: response.statusMessage, headers: headersOf(response) }
  }

  function body(): Buffer | undefined {
    if (!kept) return undefined
    const [first] = chunks
    if (response.statusCode === 204 || response.statusCode === 304) return Buffer.alloc(0)
    return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
  }

  /** Settles once; every later call shares that. */
  function settle(ending?: Ending): Promise<Settlement> {
    settling ??= run.settle(ending ?? { type: 'whole', head: head(), body: body() }, clientLeft)
    return settling
  }

  function sendHead(): void {
    if (headSent || clientLeft) return
    headSent = true
    original.writeHead.call(response, response.statusCode)
  }

  function restore(): void {
    for (const name of Object.keys(original)) Reflect.deleteProperty(response, name)
    for (const name of masked) Reflect.deleteProperty(response, name)
    // The mask stood in front of Node's own fields.
    if (clientLeft) Object.assign(response, { destroyed: true, _closed: true })
    held.give(bytes)
    chunks.length = 0
    bytes = 0
    over()
  }

  async function finish(last: Buffer | undefined, done: Written | undefined): Promise<void> {
    const settlement = await settle()
    const gone = clientLeft
    restore()
    if (gone) return endUnseen(response, done)
    if (settlement.action === 'send') {
      if (last === undefined) response.end(done)
      else response.end(last, done)
    } else if (headSent) response.destroy()
    else replace(response, settlement.answer)
  }

  function write(chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
    const [data, done] = readWrite(chunk, encoding, callback)
    if (ended) return original.write.call(response, data, 'utf8', done as Written)
    headWritten = true
    if (data.byteLength > 0) keep(Buffer.from(data)) // a copy: the writer may reuse its buffer
    if (clientLeft) {
      if (done !== undefined) process.nextTick(done)
      return true
    }
    sendHead()
    if (isLastByLength(data.byteLength)) {
      holdLast(data)
      if (done !== undefined) process.nextTick(done)
      return true
    }
    const flowing = original.write.call(response, data, 'utf8', done as Written)
    needsDrain ||= !flowing
    return flowing
  }

  let passed = 0
  let heldBack: Buffer | undefined

  /** With `Content-Length` the client has all at its last byte, so that one waits for the store. */
  function isLastByLength(length: number): boolean {
    const declared = Number(response.getHeader('content-length') ?? Number.NaN)
    passed += length
    return passed >= declared && length > 0
  }

  function holdLast(data: Buffer): void {
    heldBack = Buffer.from(data)
    void settle().then((settlement) => {
      if (settlement.action === 'replace') return response.destroy()
      if (heldBack === undefined || ended || clientLeft) return
      const last = heldBack
      heldBack = undefined
      original.write.call(response, last, 'utf8')
    })
  }

  function end(chunk?: unknown, encoding?: unknown, callback?: unknown): ServerResponse {
    if (ended) return response
    const bare = typeof chunk === 'function' || chunk === undefined || chunk === null
    const [data, done] = bare ? [undefined, readDone(chunk, encoding, callback)] : readWrite(chunk, encoding, callback)
    if (data !== undefined && data.byteLength > 0) keep(data)
    ended = true
    headWritten = true
    const last = heldBack === undefined ? data : Buffer.concat([heldBack, ...(data === undefined ? [] : [data])])
    heldBack = undefined
    void finish(last, done)
    return response
  }

  function writeHead(status: number, reason?: unknown, headers?: unknown): ServerResponse {
    if (headWritten) return original.writeHead.call(response, status) // lets Node complain as it does
    headWritten = true
    response.statusCode = status
    if (typeof reason === 'string') response.statusMessage = reason
    applyHeaders(response, typeof reason === 'string' ? headers : (reason ?? headers))
    return response
  }

  /** The handler itself breaks the response off. */
  function destroy(error?: Error): ServerResponse {
    if (!ended) {
      ended = true
      const failed: Ending = { type: 'failed', error: error ?? new Error('The response was destroyed.') }
      const ending: Ending = headSent ? { type: 'cut', head: head() } : failed
      void settle(ending).then(() => {
        restore()
        response.destroy(error)
      })
    }
    return response
  }

  /** The client left: the work goes on and sees nothing of it. */
  function emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'close' || clientLeft) return original.emit.call(response, event, ...args)
    if (response.writableFinished) return original.emit.call(response, event, ...args)
    clientLeft = true
    mask(response, () => ended)
    if (needsDrain) original.emit.call(response, 'drain')
    return true
  }

  async function fail(error: unknown, answer: () => Answer): Promise<void> {
    if (ended) return
    ended = true
    const settlement = await settle(headSent ? { type: 'cut', head: head() } : { type: 'failed', error })
    const gone = clientLeft
    restore()
    if (gone) response.emit('close')
    else if (headSent) response.destroy()
    else replace(response, settlement.action === 'replace' ? settlement.answer : answer())
  }

  function flushHeaders(): void {
    headWritten = true
    if (clientLeft) return
    sendHead()
    original.flushHeaders.call(response)
  }

  Object.assign(response, { writeHead, write, end, destroy, emit, flushHeaders })
  Object.defineProperty(response, 'headersSent', { configurable: true, get: () => headWritten })
  Object.defineProperty(response, 'writableEnded', { configurable: true, get: () => ended })
  return { fail }
}

/** Properties that stand in for the response's own while it is captured. */
const masked = ['headersSent', 'writableEnded', 'destroyed', 'closed', '_closed', 'writable', 'errored'] as const

/** After the client left, what asks the response's state must find one that can still be written. */
function mask(response: ServerResponse, ended: () => boolean): void {
  const state = { destroyed: () => false, closed: () => false, _closed: () => false, errored: () => null, writable: () => !ended() }
  for (const [name, get] of Object.entries(state))
    Object.defineProperty(response, name, { configurable: true, get, set: () => {} })
}

/** The response of a client that left is over: whoever waits for its events gets them. */
function endUnseen(response: ServerResponse, done: Written | undefined): void {
  process.nextTick(() => {
    done?.()
    response.emit('finish')
    response.emit('close')
  })
}

function replace(response: ServerResponse, answer: Answer): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusMessage = ''
  sendAnswer(response, answer)
}

/** The headers that are set, as a list, with the case in which they were given. */
function headersOf(response: ServerResponse): HeaderList {
  const list: [string, string][] = []
  // The compatibility layer of http2 has no raw names; its names are in lower case anyhow.
  const { getRawHeaderNames = response.getHeaderNames } = response as { getRawHeaderNames?: () => string[] }
  const names = getRawHeaderNames.call(response)
  for (const name of names) {
    const value = response.getHeader(name)
    if (Array.isArray(value)) for (const one of value) list.push([name, String(one)])
    else if (value !== undefined) list.push([name, String(value)])
  }
  return list
}

/** Headers that were given to `writeHead` alone: an object, a flat list, or a list of pairs. */
function applyHeaders(response: ServerResponse, headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders))
      if (value !== undefined) response.setHeader(name, value)
    return
  }
  const pairs: [string, string][] = []
  if (Array.isArray(headers[0])) for (const [name, value] of headers) pairs.push([String(name), String(value)])
  else for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([String(headers[at]), String(headers[at + 1])])
  for (const [name, values] of groupByName(pairs)) response.setHeader(name, values)
}

function groupByName(headers: HeaderList): Iterable<[string, string | string[]]> {
  const grouped = new Map<string, [string, string[]]>()
  for (const [name, value] of headers) {
    const known = grouped.get(name.toLowerCase())
    if (known === undefined) grouped.set(name.toLowerCase(), [name, [value]])
    else known[1].push(value)
  }
  return [...grouped.values()].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values])
}

function readWrite(chunk: unknown, encoding: unknown, callback: unknown): [Buffer, Written | undefined] {
  const data = typeof chunk === 'string' ? Buffer.from(chunk, encodingOf(encoding)) : asBuffer(chunk)
  return [data, readDone(encoding, callback)]
}

function asBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw new TypeError('A response chunk must be a string, a Buffer or a Uint8Array.')
}

function encodingOf(encoding: unknown): BufferEncoding {
  return typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'
}

function readDone(...candidates: unknown[]): Written | undefined {
  return candidates.find((candidate) => typeof candidate === 'function') as Written | undefined
}
