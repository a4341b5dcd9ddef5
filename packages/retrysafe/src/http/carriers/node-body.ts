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
export function readNodeBody(request: IncomingMessage, maxBytes: number, held: HeldBytes): Promise<NodeBody> {
  // Nothing is to come and nothing is there: a listener alone would end the stream before its reader is there.
  if (isWhole(request) && request.readableLength === 0)
    return Promise.resolve({ status: 'bytes', bytes: Buffer.alloc(0) })
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
        if (bytes + chunk.byteLength > maxBytes) return end({ status: 'too_large' })
        if (!held.take(chunk.byteLength)) return end({ status: 'busy' })
        bytes += chunk.byteLength
        chunks.push(chunk)
      }
      if (isWhole(request)) return putBack()
      // Asks for more; with nothing buffered and more to come this never ends the stream.
      request.read(0)
    }

    function putBack(): void {
      const [first] = chunks
      const whole = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
      if (whole.byteLength > 0) request.unshift(whole)
      end({ status: 'bytes', bytes: whole })
    }

    function onEnd(): void {
      end({ status: 'bytes', bytes: Buffer.concat(chunks) })
    }

    function onAbort(): void {
      end({ status: 'aborted' })
    }

    request.on('error', onAbort)
    request.on('close', onAbort)
    request.on('end', onEnd)
    request.on('readable', onReadable)
    if (isWhole(request)) onReadable()
  })
}

/** Whether the stream has been told of its end, even if nobody has read up to it yet. */
function isWhole(request: IncomingMessage): boolean {
  const state = (request as { _readableState?: { ended?: boolean } })._readableState
  return state?.ended === true
}
