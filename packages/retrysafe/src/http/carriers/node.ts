import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Stream } from 'node:http2'
import { isRetrysafeError } from '../../contract/index.js'
import type { Operation } from '../../engine/index.js'
import { failureAnswer } from '../core/answers.js'
import type { Answer, RequestFacts } from '../core/facts.js'
import type { Admitted, Body, Gate } from '../core/gate.js'
import type { HeaderList } from '../core/headers.js'
import type { HttpRun } from '../core/http-run.js'
import { hasBody, isTouched, type NodeBody, readNodeBody } from './node/body.js'
import { captureResponse } from './node/capture.js'
import { carriedOf, openCarried } from './node/carried.js'
import { cutResponse, headersOf, isHttp1, replaceResponse, sendAnswer } from './node/response.js'
import { leaveShelter, onBreak, type Shelter, shelterRequest } from './node/shelter.js'

/** What the carrier needs to know of a framework. */
export interface NodeExchange<Request> {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What options such as `scope` are given: the framework's own request. */
  readonly framework: Request
  /** Path and query as the client sent them, where the framework rewrites `request.url`. */
  readonly target?: string | undefined
  /** A body that was read before us. */
  readonly body?: Body | NodeBody | undefined
  /** The same, where it is only looked for once it is needed. */
  parsedBody?(maxBytes: number): Body | NodeBody | Promise<Body | NodeBody> | undefined
  /** What outer middleware set, where the framework keeps headers elsewhere than on the response until it writes them. */
  outerHeaders?(): HeaderList
  /** Runs the handler. What it throws or rejects with before a head answers 500, or the problem of its code. */
  handle(): unknown
  /** Is told when the client of a claimed request leaves; its work goes on. */
  onLeave?(): void
  /** Is told what the handler of a claimed request threw, where no code of the table answers it. */
  onError(error: unknown): void
}

/** The operation of a request, for its handler; undefined for requests that passed through. */
export function operationOfNode(request: object): Operation | undefined {
  return carriedOf(request)?.run?.operation()
}

/** Whether the handler of a request runs under a claim. */
export function isClaimed(request: object): boolean {
  return carriedOf(request)?.run !== undefined
}

/**
 * Carries one request of Node's server through the gate. Throws or rejects only with what the handler of a passed one
 * threw.
 */
export function carryNode<Request>(gate: Gate<Request>, exchange: NodeExchange<Request>): Promise<void> | undefined {
  const { request, response } = exchange
  const facts = factsOf(request, exchange.target)
  const admission = gate.admit(facts, exchange.framework)
  if (admission.action === 'refuse') {
    refuseUnread(exchange, admission.answer)
    return undefined
  }
  if (admission.action === 'pass') {
    invite(gate, request, response)
    return handlePassed(gate, exchange)
  }
  const { admitted } = admission
  const known = exchange.body ?? exchange.parsedBody?.(admitted.maxBytes)
  if (known === undefined && !gate.held.fits(Number(request.headers['content-length'] ?? 0))) {
    refuseUnread(exchange, admitted.refuse('busy'))
    return undefined
  }
  invite(gate, request, response)
  return carryAdmitted(gate, exchange, admitted, known)
}

async function carryAdmitted<Request>(
  gate: Gate<Request>,
  exchange: NodeExchange<Request>,
  admitted: Admitted,
  known: Body | NodeBody | Promise<Body | NodeBody> | undefined,
): Promise<void> {
  const { request, response } = exchange
  const left = gate.settings.run.waitMs > 0 ? signalOfLeaving(response) : undefined
  const found = known ?? findBody(request, admitted)
  const read = readOf(found instanceof Promise ? await found : found, admitted, known === undefined)
  if (read.status === 'aborted') return
  if (read.status === 'refused') return refuseUnread(exchange, read.answer)
  const outer = exchange.outerHeaders?.() ?? headersOf(response)
  const shelter = shelterRequest(request)
  const decision = await admitted.decide(read.body, hasName(outer), left)
  const over = (): void => {
    gate.held.give(read.heldBytes)
    leaveShelter(request, shelter)
  }
  if (decision.action === 'run' && !response.headersSent)
    return handleClaimed(gate, exchange, { run: decision.run, outer, shelter, over })
  over()
  if (decision.action === 'run') return abandon(decision.run)
  if (decision.action === 'pass') return handlePassed(gate, exchange)
  answer(exchange, decision.answer)
}

/** Somebody lost patience, such as a time-out of the framework, and answered before the work began. */
async function abandon(run: HttpRun): Promise<void> {
  await run.settle({ type: 'failed', error: new Error('The request was answered before its work began.') }, false)
}

/** Sends an answer of ours, with what outer middleware set, unless somebody lost patience and answered meanwhile. */
function answer<Request>(exchange: NodeExchange<Request>, whole: Answer): void {
  const { response } = exchange
  if (response.headersSent) return
  if (exchange.outerHeaders === undefined) sendAnswer(response, whole)
  else replaceResponse(response, whole, exchange.outerHeaders())
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
  openCarried(request).run = run
  const captured = captureResponse(response, run, outer, gate.held, { over, onLeave: exchange.onLeave })
  onBreak(shelter, captured.leave)
  try {
    await exchange.handle()
  } catch (error) {
    if (!isRetrysafeError(error)) exchange.onError(error)
    await captured.fail(error, () => failureAnswer(gate.settings, factsOf(request, exchange.target), error))
  }
}

/** Untouched: only a code of the table is answered here, anything else goes where it would have gone without us. */
function handlePassed<Request>(gate: Gate<Request>, exchange: NodeExchange<Request>): Promise<void> | undefined {
  try {
    const handled = exchange.handle()
    return handled instanceof Promise ? handled.catch((error) => failPassed(gate, exchange, error)) : undefined
  } catch (error) {
    failPassed(gate, exchange, error)
    return undefined
  }
}

/** Answers a code of the table that the handler of a passed request threw, and throws anything else. */
export function failPassed<Request>(gate: Gate<Request>, exchange: NodeExchange<Request>, error: unknown): void {
  const { request, response } = exchange
  if (!isRetrysafeError(error)) throw error
  if (response.headersSent) cutResponse(response)
  else answer(exchange, failureAnswer(gate.settings, factsOf(request, exchange.target), error))
}

/** Aborts when the client leaves while it waits for another attempt. */
function signalOfLeaving(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort())
  return controller.signal
}

type Read =
  | { readonly status: 'read'; readonly body: Body; readonly heldBytes: number }
  | { readonly status: 'refused'; readonly answer: Answer }
  | { readonly status: 'aborted' }

function findBody(request: IncomingMessage, admitted: Admitted): Body | Promise<NodeBody> {
  if (!hasBody(request)) return { status: 'bytes', bytes: noBytes }
  if (isTouched(request)) return { status: 'gone' }
  return readNodeBody(request, admitted.maxBytes, admitted.held)
}

const noBytes = new Uint8Array()

function readOf(body: Body | NodeBody, admitted: Admitted, isHeld: boolean): Read {
  switch (body.status) {
    case 'too_large':
      return { status: 'refused', answer: admitted.refuse('body_too_large') }
    case 'busy':
      return { status: 'refused', answer: admitted.refuse('busy') }
    case 'aborted':
      return body
    default:
      return { status: 'read', body, heldBytes: isHeld && body.status === 'bytes' ? body.bytes.byteLength : 0 }
  }
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
export function refuseUnread<Request>(exchange: NodeExchange<Request>, refused: Answer): undefined {
  const { request, response } = exchange
  if (!isHttp1(response)) {
    const { stream } = response as ServerResponse & { stream?: Http2Stream }
    stream?.once('finish', () => stream.close()) // without an error, as RFC 9113, 8.1 has it
  } else {
    const length = Number(request.headers['content-length'] ?? (hasBody(request) ? Number.POSITIVE_INFINITY : 0))
    if (length > longestDrainBytes) response.setHeader('Connection', 'close')
  }
  answer(exchange, refused)
}

const longestDrainBytes = 64 * 1024

export function factsOf(request: IncomingMessage, target: string | undefined): RequestFacts {
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
  // One that middleware has set stands in no line.
  return lines.length > 0 ? lines : [request.headers[lowerCaseName] ?? []].flat()
}
