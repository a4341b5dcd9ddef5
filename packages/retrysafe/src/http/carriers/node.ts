import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Stream } from 'node:http2'
import { isRetrysafeError } from '../../contract/index.js'
import type { Operation } from '../../engine/index.js'
import { asRetrysafeError, refusal } from '../core/answers.js'
import type { Answer, RequestFacts } from '../core/facts.js'
import type { Admitted, Body, Gate } from '../core/gate.js'
import type { HeaderList } from '../core/headers.js'
import type { HttpRun } from '../core/http-run.js'
import { readNodeBody } from './node-body.js'
import { captureResponse } from './node-capture.js'
import { cutResponse, headersOf, isHttp1, sendAnswer } from './node-response.js'

/** What the carrier needs to know of a framework. */
export interface NodeExchange<Request> {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What options such as `scope` are given: the framework's own request. */
  readonly framework: Request
  /** Path and query as the client sent them, where the framework rewrites `request.url`. */
  readonly target?: string | undefined
  /** A body that was read before us. */
  readonly body?: Body | undefined
  /** Runs the handler. What it throws or rejects with before a head answers 500, or the problem of its code. */
  handle(): unknown
  /** Is told what the handler of a claimed request threw, where no code of the table answers it. */
  onError(error: unknown): void
}

/**
 * Where a request keeps its operation. Not a WeakMap: with an entry a request, V8's young collections keep all that the
 * requests refer to until the next full one.
 */
const operationKey = Symbol.for('retrysafe.operation')

/** The operation of a request, for its handler; undefined for requests that passed through. */
export function operationOfNode(request: object): Operation | undefined {
  return (request as { [operationKey]?: Operation })[operationKey]
}

/** Carries one request of Node's server through the gate. Rejects only with what the handler of a passed one threw. */
export async function carryNode<Request>(gate: Gate<Request>, exchange: NodeExchange<Request>): Promise<void> {
  const { request, response } = exchange
  const facts = factsOf(request, exchange.target)
  const admission = gate.admit(facts, exchange.framework)
  if (admission.action === 'refuse') return refuseUnread(request, response, admission.answer)
  const declared = exchange.body === undefined ? Number(request.headers['content-length'] ?? 0) : 0
  if (admission.action === 'read' && !gate.held.fits(declared))
    return refuseUnread(request, response, admission.admitted.refuse('busy'))
  invite(gate, request, response)
  if (admission.action === 'pass') return handlePassed(gate, exchange)
  const left = gate.settings.run.waitMs > 0 ? signalOfLeaving(response) : undefined
  const read = await readBody(request, admission.admitted, exchange.body)
  if (read.status === 'aborted') return
  if (read.status === 'refused') return refuseUnread(request, response, read.answer)
  const outer = headersOf(response)
  const shelter = shelterRequest(request)
  const decision = await admission.admitted.decide(read.body, hasName(outer), left)
  const over = (): void => {
    gate.held.give(read.heldBytes)
    shelter.end()
  }
  if (decision.action === 'run') return handleClaimed(gate, exchange, { run: decision.run, outer, shelter, over })
  over()
  if (decision.action === 'pass') return handlePassed(gate, exchange)
  sendAnswer(response, decision.answer)
}

function hasName(headers: HeaderList): (lowerCaseName: string) => boolean {
  if (headers.length === 0) return () => false
  const names = new Set(headers.map(([name]) => name.toLowerCase()))
  return (name) => names.has(name)
}

interface Claimed {
  readonly run: HttpRun
  /** What stood on the response before. */
  readonly outer: HeaderList
  readonly shelter: Shelter
  over(): void
}

async function handleClaimed<Request>(
  gate: Gate<Request>,
  exchange: NodeExchange<Request>,
  { run, outer, shelter, over }: Claimed,
): Promise<void> {
  const { request, response } = exchange
  Object.assign(request, { [operationKey]: run.operation })
  const captured = captureResponse(response, run, outer, gate.held, over)
  shelter.onBreak(captured.leave)
  try {
    await exchange.handle()
  } catch (error) {
    if (!isRetrysafeError(error)) exchange.onError(error)
    await captured.fail(error, () => failureAnswer(gate, factsOf(request, exchange.target), error))
  }
}

/** Untouched: only a code of the table is answered here, anything else goes where it would have gone without us. */
async function handlePassed<Request>(gate: Gate<Request>, exchange: NodeExchange<Request>): Promise<void> {
  const { request, response } = exchange
  try {
    await exchange.handle()
  } catch (error) {
    if (!isRetrysafeError(error)) throw error
    if (response.headersSent) cutResponse(response)
    else sendAnswer(response, failureAnswer(gate, factsOf(request, exchange.target), error))
  }
}

/** Aborts when the client leaves while it waits for another attempt. */
function signalOfLeaving(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort())
  return controller.signal
}

/** A thrown code of the table answers its problem; anything else is a bare 500 that says nothing of the inside. */
function failureAnswer<Request>(gate: Gate<Request>, facts: RequestFacts, error: unknown): Answer {
  if (isRetrysafeError(error)) return refusal(gate.settings, facts, asRetrysafeError(error))
  return { status: 500, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: 'Internal Server Error\n' }
}

type Read =
  | { readonly status: 'read'; readonly body: Body; readonly heldBytes: number }
  | { readonly status: 'refused'; readonly answer: Answer }
  | { readonly status: 'aborted' }

async function readBody(request: IncomingMessage, admitted: Admitted, known: Body | undefined): Promise<Read> {
  if (known !== undefined) return { status: 'read', body: known, heldBytes: 0 }
  if (!hasBody(request)) return { status: 'read', body: { status: 'bytes', bytes: new Uint8Array() }, heldBytes: 0 }
  if (request.readableDidRead || request.readableEnded)
    return { status: 'read', body: { status: 'gone' }, heldBytes: 0 }
  const read = await readNodeBody(request, admitted.maxBytes, admitted.held)
  switch (read.status) {
    case 'bytes':
      return { status: 'read', body: read, heldBytes: read.bytes.byteLength }
    case 'too_large':
      return { status: 'refused', answer: admitted.refuse('body_too_large') }
    case 'busy':
      return { status: 'refused', answer: admitted.refuse('busy') }
    case 'aborted':
      return read
  }
}

function hasBody(request: IncomingMessage): boolean {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined) return true
  if (headers['content-length'] !== undefined) return headers['content-length'] !== '0'
  return request.httpVersionMajor >= 2
}

/**
 * A gateway answers `Expect: 100-continue` itself, and only now: a refused upload was never invited. A client of
 * HTTP/1.0 would take an interim response for the final one (RFC 9110, 10.1.1).
 */
function invite<Request>(gate: Gate<Request>, request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersion === '1.0') return
  if (gate.settings.gateway && /100-continue/i.test(request.headers.expect ?? '')) response.writeContinue()
}

/** Refuses without reading the body; a long one is not awaited, so the connection ends, or the stream of HTTP/2. */
function refuseUnread(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (!isHttp1(response)) {
    const { stream } = response as ServerResponse & { stream?: Http2Stream }
    stream?.once('finish', () => stream.close()) // without an error, as RFC 9113, 8.1 has it
  } else {
    const length = Number(request.headers['content-length'] ?? (hasBody(request) ? Number.POSITIVE_INFINITY : 0))
    if (length > longestDrainBytes) response.setHeader('Connection', 'close')
  }
  sendAnswer(response, answer)
}

const longestDrainBytes = 64 * 1024

interface Shelter {
  /** Is called when the connection breaks, at once where it has. */
  onBreak(listener: () => void): void
  end(): void
}

/**
 * The body was put back, and must survive the client: when its connection breaks, Node destroys the request with an
 * error, which waits here until the work is over. A plain `destroy()` is the stream's own end and goes through.
 */
function shelterRequest(request: IncomingMessage): Shelter {
  const { destroy } = request
  let broken: Error | undefined
  let tell: (() => void) | undefined
  request.destroy = (error) => {
    if (error === undefined || error === null) return destroy.call(request)
    broken = error
    tell?.()
    return request
  }
  return {
    onBreak(listener) {
      tell = listener
      if (broken !== undefined) listener()
    },
    end() {
      request.destroy = destroy
      if (broken !== undefined) request.destroy(broken)
    },
  }
}

function factsOf(request: IncomingMessage, target: string | undefined): RequestFacts {
  return {
    method: request.method ?? '',
    target: target ?? request.url ?? '',
    header: (name) => fieldLines(request, name),
  }
}

/** Every line of a header: `headers` joins or drops repeated ones. */
function fieldLines(request: IncomingMessage, lowerCaseName: string): readonly string[] {
  if (request.headers[lowerCaseName] === undefined) return []
  const lines: string[] = []
  const { rawHeaders } = request
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === lowerCaseName.length && name.toLowerCase() === lowerCaseName)
      lines.push(rawHeaders[at + 1] ?? '')
  }
  return lines
}
