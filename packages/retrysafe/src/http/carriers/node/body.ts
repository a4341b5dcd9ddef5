import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HeldBytes } from '../../core/held-bytes.js'
import { carriedOf } from './carried.js'

export type NodeBody =
  | { readonly status: 'bytes'; readonly bytes: Buffer }
  | { readonly status: 'too_large' }
  | { readonly status: 'busy' }
  /** The client left before its request was whole. */
  | { readonly status: 'aborted' }

/** Whether somebody else reads the body, or has read of it: then what is left to read is not all of it. */
export function isTouched(request: IncomingMessage): boolean {
  if (request.readableEnded || request.readableFlowing === true) return true
  return request.readableDidRead && !isPutBack(request)
}

/** An adapter in front has read it and passed the request on. */
function isPutBack(request: IncomingMessage): boolean {
  return carriedOf(request) !== undefined && isWhole(request)
}

/**
 * Reads the whole body and puts it back, so that whoever reads the request next finds it as if nobody had. Bytes are
 * counted in `held` and stay counted: the caller gives them back when the request is over.
 */
export async function readNodeBody(request: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<NodeBody> {
  // A short body came with its head and is parsed by the end of this turn.
  await endOfTurn()
  if (isBroken(request)) return { status: 'aborted' }
  return isWhole(request) ? readWhole(request, maxBytes, held) : readAsItComes(request, maxBytes, held)
}

let turn: Promise<void> | undefined

/** Shared by all requests that came in one turn. */
function endOfTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined
      resolve()
    })
  })
  return turn
}

function readWhole(request: IncomingMessage, maxBytes: number, held: HeldBytes): NodeBody {
  const bytes = request.readableLength
  // Nothing is to come and nothing is there: a read would end the stream before its reader is there.
  if (bytes === 0) return { status: 'bytes', bytes: Buffer.alloc(0) }
  if (bytes > maxBytes) return { status: 'too_large' }
  if (!held.take(bytes)) return { status: 'busy' }
  const whole = takeBuffered(request)
  request.unshift(whole)
  return { status: 'bytes', bytes: whole }
}

/** All that is buffered: newer versions of Node give it chunk by chunk. */
function takeBuffered(request: IncomingMessage): Buffer {
  const chunks: Buffer[] = []
  while (request.readableLength > 0) {
    const chunk: Buffer | null = request.read()
    if (chunk === null) break
    chunks.push(chunk)
  }
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
}

function readAsItComes(request: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<NodeBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0

    function end(body: NodeBody): void {
      request.off('readable', onReadable)
      request.off('end', onEnd)
      request.off('error', onAbort)
      request.off('close', onAbort)
      if (body.status !== 'bytes') held.give(bytes)
      resolve(body)
    }

    function onReadable(): void {
      // Without a read at the end of the data no 'end' is emitted, so the next reader still gets one.
      while (request.readableLength > 0) {
        const chunk: Buffer | null = request.read()
        if (chunk === null) break
        const isTooLarge = bytes + chunk.byteLength > maxBytes
        if (isTooLarge || !held.take(chunk.byteLength)) {
          // Whoever lets it through all the same finds it as it came.
          for (const taken of [chunk, ...chunks.reverse()]) request.unshift(taken)
          end({ status: isTooLarge ? 'too_large' : 'busy' })
          return
        }
        bytes += chunk.byteLength
        chunks.push(chunk)
      }
      if (isBroken(request)) onAbort()
      else if (isWhole(request)) putBack()
      // Asks for more; with nothing buffered and more to come this never ends the stream.
      else request.read(0)
    }

    function putBack(): void {
      const whole = Buffer.concat(chunks)
      if (whole.byteLength > 0) request.unshift(whole)
      end({ status: 'bytes', bytes: whole })
    }

    function onEnd(): void {
      end(isBroken(request) ? { status: 'aborted' } : { status: 'bytes', bytes: Buffer.concat(chunks) })
    }

    function onAbort(): void {
      end({ status: 'aborted' })
    }

    request.on('error', onAbort)
    request.on('close', onAbort)
    request.on('end', onEnd)
    request.on('readable', onReadable)
  })
}

/** Of HTTP/2, a request whose client left ends as if it were whole. */
function isBroken(request: IncomingMessage): boolean {
  return request.aborted || request.errored !== null
}

/** Whether the stream has been told of its end, even if nobody has read up to it yet. */
function isWhole(request: IncomingMessage): boolean {
  const state = (request as { _readableState?: { ended?: boolean } })._readableState
  return state?.ended === true
}

/**
 * Reads the body ahead of a framework's own parser, which then finds it as if nobody had. Undefined where there is none
 * to read. The bytes are counted in `held` until the response is over, whoever ends it.
 */
export async function readAhead(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
  held: HeldBytes,
): Promise<NodeBody | undefined> {
  if (!hasBody(request) || request.readableDidRead || request.readableEnded) return undefined
  if (!held.fits(Number(request.headers['content-length'] ?? 0))) return { status: 'busy' }
  let isOver = false
  let heldBytes = 0
  const giveBack = (): void => {
    held.give(heldBytes)
    heldBytes = 0
    isOver = true
  }
  response.once('finish', giveBack).once('close', giveBack)
  const read = await readNodeBody(request, maxBytes, held)
  if (read.status === 'bytes') heldBytes = read.bytes.byteLength
  if (isOver) giveBack()
  return read
}

export function hasBody(request: IncomingMessage): boolean {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined) return true
  if (headers['content-length'] !== undefined) return headers['content-length'] !== '0'
  return request.httpVersionMajor >= 2
}
