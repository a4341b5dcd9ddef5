import { isRetrysafeError } from '../../contract/index.js'
import type { Operation } from '../../engine/index.js'
import { failureAnswer } from '../core/answers.js'
import type { Answer, RequestFacts } from '../core/facts.js'
import type { Admitted, Body, Gate } from '../core/gate.js'
import type { HttpRun } from '../core/http-run.js'
import { createResponseCopy, joined } from '../core/response-copy.js'
import { type Capture, capture } from './web/capture.js'
import { markRun, runOf, unread } from './web/request.js'
import { responseOf } from './web/response.js'

/** What the carrier needs to know of a framework. */
export interface WebExchange<Framework> {
  readonly request: Request
  /** What options such as `scope` are given: the framework's own request. */
  readonly framework: Framework
  /** A body that a framework has read already and kept. */
  body?(): Promise<Body> | undefined
  /** Whether a header stands on the response already. */
  currentHas?(lowerCaseName: string): boolean
  /** What is sent where the answer is ours; by default a `Response` of nothing but that. */
  respond?(answer: Answer): Response
  /** Runs the handler, with the request itself, or with one whose body is unread. */
  handle(request: Request): Response | Promise<Response>
  /** Is told what the handler of a claimed request threw, where no code of the table answers it. */
  onError(error: unknown): void
  /**
   * Who keeps the platform alive for work that goes on without its client, where somebody must. Asked once, before the
   * handler of a claimed request.
   */
  lifetime?(): Lifetime | undefined
}

export interface Lifetime {
  waitUntil(work: Promise<unknown>): void
}

/** The operation of a request, or of a framework's request, for its handler; undefined where it passed through. */
export function operationOfWeb(carrier: object): Operation | undefined {
  return runOf(carrier)?.operation()
}

/**
 * Carries one request of the web through the gate. Rejects only with what the handler of a passed one threw, or with what
 * the stream of the body failed with where the client is still there: that is its maker's to answer.
 */
export async function carryWeb<Framework>(gate: Gate<Framework>, exchange: WebExchange<Framework>): Promise<Response> {
  const { request } = exchange
  const respond = exchange.respond ?? responseOf
  const facts = factsOf(request)
  const admission = gate.admit(facts, exchange.framework)
  if (admission.action === 'refuse') return respond(admission.answer)
  if (admission.action === 'pass') return handlePassed(gate, exchange, request)
  const { admitted } = admission
  const read = await readBody(exchange, admitted)
  if (read.status === 'aborted') return new Response(null, { status: 400 }) // for nobody
  if (read.status === 'refused') return respond(read.answer)
  const { body, heldBytes } = read
  const bytes = body.status === 'bytes' && read.isBody ? body.bytes : undefined
  const left = gate.settings.run.waitMs > 0 ? request.signal : undefined
  const currentHas = (name: string): boolean => exchange.currentHas?.(name) ?? false
  const decision = await admitted.decide(body, currentHas, left)
  if (decision.action === 'run') return handleClaimed(gate, exchange, { run: decision.run, bytes, heldBytes })
  gate.held.give(heldBytes)
  return decision.action === 'pass'
    ? handlePassed(gate, exchange, unread(request, bytes, undefined))
    : respond(decision.answer)
}

/** Untouched: only a code of the table is answered here, anything else goes where it would have gone without us. */
async function handlePassed<Framework>(
  gate: Gate<Framework>,
  exchange: WebExchange<Framework>,
  request: Request,
): Promise<Response> {
  try {
    return await exchange.handle(request)
  } catch (error) {
    if (!isRetrysafeError(error)) throw error
    return (exchange.respond ?? responseOf)(failureAnswer(gate.settings, factsOf(exchange.request), error))
  }
}

interface Claimed {
  readonly run: HttpRun
  readonly bytes: Uint8Array | undefined
  readonly heldBytes: number
}

async function handleClaimed<Framework>(
  gate: Gate<Framework>,
  exchange: WebExchange<Framework>,
  { run, bytes, heldBytes }: Claimed,
): Promise<Response> {
  const { request, respond = responseOf } = exchange
  const copy = createResponseCopy(run.maxStoredBytes, gate.held)
  const hasLeft = (): boolean => request.signal.aborted
  let isOver = false
  let tell: (() => void) | undefined
  const over = (): void => {
    if (isOver) return
    isOver = true
    tell?.()
    copy.drop()
    gate.held.give(heldBytes)
  }
  // Now: some platforms end what is under way as soon as the client has left.
  exchange.lifetime?.()?.waitUntil(
    new Promise<void>((resolve) => {
      tell = resolve
    }),
  )
  const captured: Capture = { run, copy, hasLeft, respond, over }
  try {
    const given = unread(request, bytes, run)
    markRun(given, run)
    return await capture(captured, await exchange.handle(given))
  } catch (error) {
    if (!isRetrysafeError(error)) exchange.onError(error)
    const settlement = await run.settle({ type: 'failed', error }, hasLeft())
    over()
    return respond(
      settlement.action === 'replace'
        ? settlement.answer
        : failureAnswer(gate.settings, factsOf(exchange.request), error),
    )
  }
}

type Read =
  /** `isBody` where the request has one, though it may be empty. */
  | { readonly status: 'read'; readonly body: Body; readonly isBody: boolean; readonly heldBytes: number }
  | { readonly status: 'refused'; readonly answer: Answer }
  /** The client left before its request was whole. */
  | { readonly status: 'aborted' }

async function readBody<Framework>(exchange: WebExchange<Framework>, admitted: Admitted): Promise<Read> {
  const { request } = exchange
  const known = exchange.body?.()
  if (known !== undefined) return readKnown(await known, admitted)
  if (request.bodyUsed) return { status: 'read', body: { status: 'gone' }, isBody: true, heldBytes: 0 }
  const declared = request.headers.get('content-length')
  try {
    if (declared !== null) return await readDeclared(request, Number(declared), admitted)
    const { body } = request
    return body === null ? { ...readBytes(noBytes), isBody: false } : await readStream(body, admitted)
  } catch (error) {
    // Somebody has its stream and has read nothing of it.
    if (!request.bodyUsed) return { status: 'read', body: { status: 'gone' }, isBody: true, heldBytes: 0 }
    if (request.signal.aborted) return { status: 'aborted' }
    throw error
  }
}

/** Whoever read it had limits of its own; ours hold all the same. */
function readKnown(body: Body, { maxBytes, held, refuse }: Admitted): Read {
  const heldBytes = body.status === 'bytes' ? body.bytes.byteLength : 0
  // A text has as many bytes as characters, or more.
  const characters = body.status === 'parsed' && typeof body.value === 'string' ? body.value.length : 0
  if (Math.max(heldBytes, characters) > maxBytes) return { status: 'refused', answer: refuse('body_too_large') }
  if (!held.take(heldBytes)) return { status: 'refused', answer: refuse('busy') }
  return { status: 'read', body, isBody: true, heldBytes }
}

const noBytes = new Uint8Array()

function readBytes(bytes: Uint8Array): Extract<Read, { status: 'read' }> {
  return { status: 'read', body: { status: 'bytes', bytes }, isBody: true, heldBytes: bytes.byteLength }
}

/** Servers hold clients to the length they declare, but who unpacked the body on its way may have left the old one there. */
async function readDeclared(request: Request, length: number, admitted: Admitted): Promise<Read> {
  const { held } = admitted
  if (!held.take(length)) return { status: 'refused', answer: admitted.refuse('busy') }
  try {
    const bytes = new Uint8Array(await request.arrayBuffer())
    held.give(length)
    if (bytes.byteLength > admitted.maxBytes) return { status: 'refused', answer: admitted.refuse('body_too_large') }
    if (!held.take(bytes.byteLength)) return { status: 'refused', answer: admitted.refuse('busy') }
    return readBytes(bytes)
  } catch (error) {
    held.give(length)
    throw error
  }
}

async function readStream(body: ReadableStream<Uint8Array>, admitted: Admitted): Promise<Read> {
  const { held, maxBytes } = admitted
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let bytes = 0
  const refuse = (code: 'body_too_large' | 'busy'): Read => {
    held.give(bytes)
    void reader.cancel().catch(() => {})
    return { status: 'refused', answer: admitted.refuse(code) }
  }
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return readBytes(joined(chunks))
      if (bytes + value.byteLength > maxBytes) return refuse('body_too_large')
      if (!held.take(value.byteLength)) return refuse('busy')
      bytes += value.byteLength
      chunks.push(value)
    }
  } catch (error) {
    held.give(bytes)
    throw error
  }
}

export function factsOf(request: Request): RequestFacts {
  const { method, url, headers } = request
  return {
    method,
    target: targetOf(url),
    header(name) {
      const value = headers.get(name)
      return value === null ? none : [value]
    },
  }
}

const none: readonly string[] = []

/** Path and query. */
function targetOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const end = url.indexOf('#')
  return url.slice(start, end < 0 ? undefined : end)
}
