import type { ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { isRetrysafeError, RetrysafeError } from 'retrysafe'
import type { Dispatcher } from 'undici'
import { decodeRaw, lines, type RawHeaders, responseHeaders, tokensOf, valuesOf } from './headers.js'
import type { ResponseHandler, Upstream } from './upstream.js'

/** What goes to the upstream. */
export interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers: RawHeaders
  readonly body: Buffer | Readable | null
  /** A protocol that the client wants to change to. */
  readonly upgrade?: string
  /** When to give up. */
  readonly signal: AbortSignal
  /** How long the head of the response may take; 0: as long as `signal` allows. */
  readonly headersTimeoutMs: number
}

/** Takes the connection to the upstream over once it has changed its protocol. */
export type OnUpgrade = (statusMessage: string, headers: RawHeaders, socket: Duplex) => void

/**
 * Sends the request once and its response to `res` as it comes. Rejects with what is known of the request while the head
 * has not been sent: `upstream_unreachable` (not one byte was written), `upstream_cut`, `upstream_timeout`. A response
 * that breaks off later breaks off for the client too.
 */
export function exchange(
  upstream: Upstream,
  outgoing: Outgoing,
  res: ServerResponse,
  onUpgrade?: OnUpgrade,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let settled = false
    const relay = relayTo(res, outgoing.method)

    const settle = (error?: unknown): void => {
      if (settled) return
      settled = true
      outgoing.signal.removeEventListener('abort', giveUp)
      if (error === undefined) resolve()
      else if (!res.headersSent) reject(failure(error, controller !== undefined, outgoing.signal))
      else {
        relay.flush()
        res.destroy(error instanceof Error ? error : new Error('The upstream broke its response off.'))
        resolve()
      }
    }
    const giveUp = (): void => {
      const reason: unknown = outgoing.signal.reason ?? new Error('The request was given up.')
      settle(reason)
      controller?.abort(reason instanceof Error ? reason : new Error(String(reason)))
    }

    if (outgoing.signal.aborted) {
      giveUp()
      return
    }
    outgoing.signal.addEventListener('abort', giveUp, { once: true })
    const handler: ResponseHandler = {
      onRequestStart(started) {
        // It was given up while the connection was made: nothing is written, and the connection is kept for the next.
        if (settled) throw new Error('The request was given up.')
        controller = started
      },
      onRequestUpgrade(current, _status, _headers, socket) {
        settle()
        onUpgrade?.('Switching Protocols', decodeRaw(current.rawHeaders), socket)
      },
      onResponseStart(current, status, _headers, message) {
        if (!settled) relay.head(status, message ?? '', decodeRaw(current.rawHeaders))
      },
      onResponseData(current, chunk) {
        if (!settled) relay.data(chunk, current)
      },
      onResponseEnd(current) {
        if (settled) return
        relay.end(decodeRaw(current.rawTrailers))
        settle()
      },
      onResponseError: (_current, error) => settle(error),
    }
    upstream.dispatch(dispatchOptions(upstream, outgoing), handler, outgoing.signal)
  })
}

/** Undici's types do not know `servername`. */
type DispatchOptions = Dispatcher.DispatchOptions & { readonly servername: string }

function dispatchOptions(upstream: Upstream, outgoing: Outgoing): DispatchOptions {
  return {
    origin: upstream.origin,
    servername: upstream.servername,
    path: `${upstream.basePath}${outgoing.path}`,
    method: outgoing.method as Dispatcher.HttpMethod,
    headers: [...outgoing.headers],
    body: outgoing.body,
    headersTimeout: outgoing.headersTimeoutMs,
    bodyTimeout: 0,
    // Only a request that undici takes for idempotent may wait behind another one on the same connection.
    idempotent: false,
    blocking: false,
    ...(outgoing.upgrade === undefined ? {} : { upgrade: outgoing.upgrade }),
  }
}

interface Relay {
  head(status: number, message: string, headers: RawHeaders): void
  data(chunk: Buffer, controller: Dispatcher.DispatchController): void
  end(trailers: RawHeaders): void
  /** Sends what has come so far, since nothing more will: whoever sees the head knows that the request was decided. */
  flush(): void
}

function relayTo(res: ServerResponse, method: string): Relay {
  const modern = res.req.httpVersionMajor === 1 && res.req.httpVersionMinor >= 1
  let trailers = false
  let relayed = false
  let paused = false
  let first: Buffer[] | undefined
  return {
    head(status, message, headers) {
      if (status < 200) {
        if (modern) inform(res, status, headers)
        return
      }
      const chunked = tokensOf(headers, 'transfer-encoding').includes('chunked')
      trailers = chunked && modern && method !== 'HEAD' && status !== 204 && status !== 304
      res.writeHead(status, printable(message), responseHeaders(headers, { trailers }))
      // A head without a body yet is worth having: the first event of a stream may be an hour away. What came with the
      // head has been relayed before the immediate runs, and then both travel together.
      setImmediate(() => {
        if (!relayed && !res.destroyed) res.flushHeaders()
      })
    },
    data(chunk, controller) {
      // What is read together leaves together: the adapter then stores a short response before a byte of it is sent.
      if (first !== undefined) first.push(chunk)
      else if (relayed) pass(chunk, controller)
      else {
        relayed = true
        first = [chunk]
        queueMicrotask(() => {
          const held = takeFirst()
          if (held !== undefined) pass(held, controller)
        })
      }
    },
    end(rawTrailers) {
      relayed = true
      const held = takeFirst()
      if (!trailers || rawTrailers.length === 0) {
        if (held === undefined) res.end()
        else res.end(held)
        return
      }
      if (held !== undefined) res.write(held)
      res.addTrailers([...lines(rawTrailers)])
      res.end()
    },
    flush() {
      relayed = true
      const held = takeFirst()
      if (held === undefined) res.flushHeaders()
      else res.write(held)
    },
  }

  function takeFirst(): Buffer | undefined {
    const held = first
    first = undefined
    return held === undefined ? undefined : held.length === 1 ? held[0] : Buffer.concat(held)
  }

  function pass(chunk: Buffer, controller: Dispatcher.DispatchController): void {
    // What the parser has already read still comes while the upstream is paused.
    if (res.write(chunk) || res.destroyed || paused) return
    paused = true
    controller.pause()
    const go = (): void => {
      paused = false
      res.off('drain', go)
      res.off('close', go)
      controller.resume()
    }
    // A client that left will never drain, and keyed work goes on without it.
    res.on('drain', go)
    res.on('close', go)
  }
}

/** Forwards an interim response (RFC 9110, 15.2) as far as Node can say it. */
function inform(res: ServerResponse, status: number, headers: RawHeaders): void {
  if (res.headersSent) return
  if (status === 102) res.writeProcessing()
  if (status !== 103) return
  const hints: Record<string, string | string[]> = {}
  for (const [name] of lines(headers)) hints[name.toLowerCase()] = valuesOf(headers, name.toLowerCase())
  try {
    res.writeEarlyHints(hints)
  } catch {
    // Node takes well-formed Link fields only; a hint may always be left out.
  }
}

/** Node refuses a reason phrase with other characters; the phrase means nothing to anybody. */
function printable(message: string): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(message) ? message : ''
}

function failure(error: unknown, sent: boolean, signal: AbortSignal): RetrysafeError {
  // Another attempt has the key by now: what its client should hear is for the adapter to say.
  if (isRetrysafeError(signal.reason, 'lease_lost')) return signal.reason
  if (!sent)
    return new RetrysafeError(
      'upstream_unreachable',
      'The service behind this proxy could not be reached. Nothing was sent to it.',
      { cause: error },
    )
  if (signal.aborted || (error as { code?: unknown } | undefined)?.code === 'UND_ERR_HEADERS_TIMEOUT')
    return new RetrysafeError(
      'upstream_timeout',
      'The service behind this proxy did not answer in time. The request was sent; whether it took effect is not known.',
      { cause: error },
    )
  return new RetrysafeError(
    'upstream_cut',
    'The service behind this proxy broke the connection off without an answer. The request was sent; whether it took effect is not known.',
    { cause: error },
  )
}
