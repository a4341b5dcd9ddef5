import { isIP } from 'node:net'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { createTurnstile } from './turnstile.js'

export interface UpstreamOptions {
  /** How long connecting, TLS included, may take. */
  connectTimeoutMs: number
  /** Connections open at once; requests beyond wait for one. */
  maxConnections: number
  /** Bytes of a response's header section. */
  maxHeaderBytes: number
}

/** Is told by exactly one of the last three that its request is over. */
export type ResponseHandler = Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onRequestUpgrade' | 'onResponseEnd' | 'onResponseError'
  >
>

/** The service behind the proxy. */
export interface Upstream {
  /** Hands the request to a connection as soon as there is one, and never once the signal has aborted. */
  dispatch(options: Dispatcher.DispatchOptions, handler: ResponseHandler, signal: AbortSignal): void
  readonly origin: string
  /** Stands before every path; empty or without its last slash. */
  readonly basePath: string
  /** Its own `Host`, for `--rewrite-host`. */
  readonly host: string
  /** Goes with every request: undici would make connections by the client's `Host` otherwise. */
  readonly servername: string
  close(): Promise<void>
}

/**
 * A connection that idled longer may have been closed by the other side without our knowing: a request sent on it might
 * get no answer, and nobody could say whether it ran.
 */
const maxIdleMs = 900

/** Opens no connection until the first request. */
export function openUpstream(url: URL, options: UpstreamOptions): Upstream {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const connect = buildConnector({ timeout: options.connectTimeoutMs, allowH2: false })
  // TLS asks for the upstream's own name and verifies it. An address is verified too, but is no name to ask for.
  const servername = isIP(hostname) === 0 ? hostname : ''
  const agent = new Agent({
    connections: options.maxConnections,
    // One request at a time on a connection: otherwise an answer to one could end the other.
    pipelining: 1,
    keepAliveTimeout: maxIdleMs,
    keepAliveMaxTimeout: maxIdleMs,
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: 0,
    // A stream of events may be silent for hours; the client hangs up when it has waited enough.
    bodyTimeout: 0,
    allowH2: false,
    connect: (target, callback) => connect({ ...target, servername }, callback),
  })
  // Undici's own queue keeps what was given up until it is its turn, which never comes while the upstream hangs.
  const turnstile = createTurnstile(options.maxConnections)
  return {
    dispatch(request, handler, signal) {
      turnstile.enter(signal, (leave) => agent.dispatch(request, leavingAtEnd(handler, leave)))
    },
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    host: url.host,
    servername: hostname,
    async close() {
      const closed = agent.destroy()
      // Who still waits is told by the agent that it is closed.
      turnstile.open()
      await closed
    },
  }
}

function leavingAtEnd(handler: ResponseHandler, goes: () => void): ResponseHandler {
  // The next does not come in while undici is in the midst of ending this one.
  const leave = (): void => queueMicrotask(goes)
  return {
    ...handler,
    onRequestUpgrade(...args) {
      leave()
      handler.onRequestUpgrade(...args)
    },
    onResponseEnd(...args) {
      leave()
      handler.onResponseEnd(...args)
    },
    onResponseError(...args) {
      leave()
      handler.onResponseError(...args)
    },
  }
}
