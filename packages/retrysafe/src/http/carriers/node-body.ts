import type { IncomingMessage } from 'node:http'
import type { HeldBytes } from '../core/held-bytes.js'

export type NodeBody =
  | { readonly status: 'bytes'; readonly bytes: Buffer }
  | { readonly status: 'too_large' }
  | { readonly status: 'busy' }
  /** The client left before its request was whole. */
  | { readonly status: 'aborted' }

/**
 * Reads the whole body and puts it back, so that whoever reads the request next finds it as if nobody had. Bytes are
 * counted in `held` and stay counted: the caller gives them back when the request is over.
 */
export async function readNodeBody(request: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<NodeBody> {
  // A short body came with its head and is parsed by the end of this turn.
  await new Promise(setImmediate)
  if (isBroken(request)) return { status: 'aborted' }
  return isWhole(request) ? readWhole(request, maxBytes, held) : readAsItComes(request, maxBytes, held)
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
