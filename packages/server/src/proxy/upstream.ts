import { isIP } from 'node:net'
import { Agent, type Dispatcher } from 'undici'

export interface UpstreamOptions {
  /** How long connecting, TLS included, may take. */
  connectTimeoutMs: number
  /** Connections open at once; requests beyond wait for one. */
  maxConnections: number
  /** Bytes of a response's header section. */
  maxHeaderBytes: number
}

/** The service behind the proxy. */
export interface Upstream {
  readonly dispatcher: Dispatcher
  readonly origin: string
  /** Stands before every path; empty or without its last slash. */
  readonly basePath: string
  /** Its own `Host`, for `--rewrite-host`. */
  readonly host: string
  /** The name that TLS asks for and verifies, whatever `Host` the client sent. Addresses have none. */
  readonly servername: string | undefined
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
  const servername = isIP(hostname) === 0 ? hostname : undefined
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
    connect: { timeout: options.connectTimeoutMs },
  })
  return {
    dispatcher: agent,
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    host: url.host,
    servername,
    close: () => agent.destroy(),
  }
}
