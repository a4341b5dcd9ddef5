import type { ServerResponse } from 'node:http'
import type { Answer } from '../../core/facts.js'
import type { HeaderList } from '../../core/headers.js'
import type { HeldBytes } from '../../core/held-bytes.js'
import type { Ending, HttpRun, Settlement, WholeHead } from '../../core/http-run.js'
import { createResponseCopy, type ResponseCopy } from '../../core/response-copy.js'
import { carriedOf, openCarried } from './carried.js'
import { bytesOf, callbackOf, joined, type Written } from './chunks.js'
import { endUnseen, isBrokenInPipeline, isGone, pretendOpen, type Told } from './departure.js'
import { hideState, showState } from './look.js'
import { applyHeaders, cutResponse, headersOf, isHttp1, refuseWrite, replaceResponse } from './response.js'

/** A response while the work writes it: captured, streamed on as it comes, its end held until it is stored. */
export interface CapturedResponse {
  /** The work threw; `answer` is sent where no head is out yet. */
  fail(error: unknown, answer: () => Answer): Promise<void>
  /** The client left, which the response itself may never say: one that waits behind another in a pipeline. */
  leave(): void
}

type Hooks = Pick<ServerResponse, 'writeHead' | 'write' | 'end' | 'flushHeaders' | 'destroy' | 'emit'>

export interface Capture {
  readonly response: ServerResponse
  readonly run: HttpRun
  /** What stood on the response before the work. */
  readonly outer: HeaderList
  readonly original: Hooks
  readonly copy: ResponseCopy
  /** The work gave its head; the response counts as begun for whoever asks. */
  headWritten: boolean
  /** The head has left. */
  headSent: boolean
  ended: boolean
  clientLeft: boolean
  /** A write said that the connection is full, so whoever wrote waits for a drain. */
  needsDrain: boolean
  passedBytes: number
  /** The last bytes of a response with a length, until it is stored. */
  heldBack: Buffer | undefined
  settling: Promise<Settlement> | undefined
  readonly told: Told
}

/**
 * Hooks the response's own methods. Whoever writes to it, a handler, a stream or a framework, sees a response that
 * behaves as ever; what differs is when its end leaves this process.
 */
export function captureResponse(
  response: ServerResponse,
  run: HttpRun,
  outer: HeaderList,
  held: HeldBytes,
  told: Told,
): CapturedResponse {
  const carried = openCarried(response.req)
  const { writeHead, write, end, flushHeaders, destroy, emit } = response
  const capture: Capture = {
    response,
    run,
    outer,
    original: { writeHead, write, end, flushHeaders, destroy, emit },
    copy: createResponseCopy(run.maxStoredBytes, held),
    headWritten: false,
    headSent: false,
    ended: false,
    clientLeft: false,
    needsDrain: false,
    passedBytes: 0,
    heldBack: undefined,
    settling: undefined,
    told,
  }
  if (carried.capture === undefined) {
    carried.capture = capture
    setHooks(response, sharedHooks)
  } else {
    const ownHooks = hooksOf(() => capture) // within another one, whose hooks find that one
    setHooks(response, ownHooks)
  }
  if (isGone(response)) leave(capture)
  return { fail: (error, answer) => onFailure(capture, error, answer), leave: () => leave(capture) }
}

function hooksOf(find: (response: ServerResponse) => Capture): Hooks {
  return {
    writeHead(this: ServerResponse, status: number, reason?: unknown, headers?: unknown) {
      return onWriteHead(find(this), status, reason, headers)
    },
    write(this: ServerResponse, chunk: unknown, encoding?: unknown, done?: unknown) {
      return onWrite(find(this), chunk, encoding, done)
    },
    end(this: ServerResponse, chunk?: unknown, encoding?: unknown, done?: unknown) {
      return onEnd(find(this), chunk, encoding, done)
    },
    flushHeaders(this: ServerResponse) {
      onFlushHeaders(find(this))
    },
    destroy(this: ServerResponse, error?: Error) {
      return onDestroy(find(this), error)
    },
    emit(this: ServerResponse, event: string, ...args: unknown[]) {
      return onEmit(find(this), event, args)
    },
  } as Hooks
}

/**
 * The same functions for every response: with functions of its own each has a hidden class of its own, by which V8's
 * young collections keep all that they refer to until the next full one.
 */
const sharedHooks: Hooks = hooksOf(({ req }) => carriedOf(req)?.capture as Capture)

function setHooks(response: ServerResponse, hooks: Hooks): void {
  response.writeHead = hooks.writeHead
  response.write = hooks.write
  response.end = hooks.end
  response.flushHeaders = hooks.flushHeaders
  response.destroy = hooks.destroy
  response.emit = hooks.emit
}

function onWriteHead(capture: Capture, status: number, reason: unknown, headers: unknown): ServerResponse {
  const { response, original, headWritten } = capture
  if (headWritten) return original.writeHead.call(response, status) // lets Node complain as it does
  response.statusCode = status
  if (typeof reason === 'string') response.statusMessage = reason
  applyHeaders(response, typeof reason === 'string' ? headers : (reason ?? headers))
  capture.headWritten = true
  showState(capture)
  return response
}

function onFlushHeaders(capture: Capture): void {
  sendHead(capture)
  if (!capture.clientLeft) capture.original.flushHeaders.call(capture.response)
}

function onWrite(capture: Capture, chunk: unknown, encoding: unknown, callback: unknown): boolean {
  const { response, original, copy } = capture
  const done = callbackOf(encoding, callback)
  const data = bytesOf(chunk, encoding)
  if (capture.ended) return refuseWrite(response, done)
  copy.keepCopy(data)
  sendHead(capture)
  capture.passedBytes += data.byteLength
  const isLast = isLastByLength(capture, data.byteLength)
  if (isLast) holdLast(capture, data)
  if (isLast || capture.clientLeft) {
    if (done !== undefined) process.nextTick(done) // held bytes count as written, so that nobody waits for himself
    return true
  }
  const flowing = original.write.call(response, data, 'utf8', done)
  if (!flowing) capture.needsDrain = true
  return flowing
}

function onEnd(capture: Capture, chunk: unknown, encoding: unknown, callback: unknown): ServerResponse {
  const { response, copy, heldBack } = capture
  if (capture.ended) return response
  const done = callbackOf(chunk, encoding, callback)
  const last =
    typeof chunk === 'function' || chunk === undefined || chunk === null ? undefined : bytesOf(chunk, encoding)
  if (last !== undefined) copy.keep(last)
  capture.ended = true
  capture.headWritten = true
  capture.heldBack = undefined
  showState(capture)
  const isText = typeof chunk === 'string' && heldBack === undefined && typeof encoding !== 'string'
  void finish(capture, isText ? chunk : joined(heldBack, last), done)
  return response
}

/** The handler itself breaks the response off. */
function onDestroy(capture: Capture, error: Error | undefined): ServerResponse {
  const { response } = capture
  if (capture.ended) return response
  if (isHttp1(response) && isBrokenInPipeline(response)) {
    leave(capture)
    return response
  }
  capture.ended = true
  const failed: Ending = { type: 'failed', error: error ?? new Error('The response was destroyed.') }
  void settle(capture, capture.headSent ? { type: 'cut', head: headOf(response) } : failed).then(() => {
    restore(capture)
    if (capture.clientLeft) response.emit('close')
    // A framework destroys without an error; of HTTP/2 its client must not take that for the end.
    else if (error === undefined && capture.headSent) cutResponse(response)
    else response.destroy(error)
  })
  return response
}

/** The events by which a connection ends are for nobody yet: the end of the response has not even been sent. */
function onEmit(capture: Capture, event: string, args: unknown[]): boolean {
  const { response, original } = capture
  if (event !== 'close' && event !== 'finish') return original.emit.call(response, event, ...args)
  leave(capture)
  return true
}

/** When the client leaves, the work goes on and sees nothing of it. */
function leave(capture: Capture): void {
  const { response, original } = capture
  pretendOpen(response, true)
  if (capture.clientLeft) return
  capture.clientLeft = true
  capture.told.onLeave?.()
  if (capture.needsDrain) original.emit.call(response, 'drain')
}

async function onFailure(capture: Capture, error: unknown, answer: () => Answer): Promise<void> {
  const { response, headSent } = capture
  if (capture.ended) return
  capture.ended = true
  const settlement = await settle(
    capture,
    headSent ? { type: 'cut', head: headOf(response) } : { type: 'failed', error },
  )
  restore(capture)
  if (capture.clientLeft) response.emit('close')
  else if (headSent) cutResponse(response)
  else replaceResponse(response, settlement.action === 'replace' ? settlement.answer : answer(), capture.outer)
}

/** Stores the response, and only then lets its end go. */
async function finish(capture: Capture, last: Buffer | string | undefined, done: Written | undefined): Promise<void> {
  const { response } = capture
  const settlement = await settle(capture)
  restore(capture)
  if (capture.clientLeft) endUnseen(response, done)
  else if (settlement.action === 'send') response.end(last, done)
  else if (capture.headSent) cutResponse(response)
  else replaceResponse(response, settlement.answer, capture.outer)
}

/** Settles once; every later call shares that. */
function settle(capture: Capture, ending?: Ending): Promise<Settlement> {
  capture.settling ??= capture.run.settle(ending ?? wholeOf(capture), capture.clientLeft)
  return capture.settling
}

function wholeOf({ response, copy }: Capture): Ending {
  const bodiless = response.statusCode === 204 || response.statusCode === 304
  return { type: 'whole', head: headOf(response), body: bodiless ? new Uint8Array() : copy.bytes() }
}

function headOf(response: ServerResponse): WholeHead {
  const statusText = isHttp1(response) ? response.statusMessage : undefined
  return { status: response.statusCode, statusText, headers: headersOf(response) }
}

function sendHead(capture: Capture): void {
  capture.headWritten = true
  if (capture.headSent) return
  if (capture.clientLeft) {
    showState(capture)
    capture.headSent = true // for nobody, but what follows is decided all the same
    return
  }
  hideState(capture)
  capture.headSent = true
  capture.original.writeHead.call(capture.response, capture.response.statusCode)
}

/** With `Content-Length` the client has everything at its last byte, so that one waits for the store. */
function isLastByLength({ response, passedBytes }: Capture, length: number): boolean {
  const declared = response.getHeader('content-length')
  return declared !== undefined && length > 0 && passedBytes >= Number(declared)
}

function holdLast(capture: Capture, data: Buffer): void {
  const { response, original } = capture
  capture.heldBack = Buffer.from(data)
  void settle(capture).then((settlement) => {
    if (settlement.action === 'replace') return cutResponse(response)
    const { heldBack } = capture
    capture.heldBack = undefined
    if (heldBack !== undefined && !capture.clientLeft) original.write.call(response, heldBack, 'utf8')
  })
}

function restore(capture: Capture): void {
  const { response, clientLeft } = capture
  setHooks(response, capture.original)
  hideState(capture)
  if (clientLeft) pretendOpen(response, false)
  capture.copy.drop()
  capture.told.over()
}
