import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Duplex, PassThrough, type Readable } from 'node:stream'
import { isRetrysafeError } from 'retrysafe'
import { exchange, type OnUpgrade, type Outgoing } from './exchange.js'
import { requestHeaders } from './headers.js'
import { sendProblem } from './problem.js'
import type { Upstream } from './upstream.js'

export interface ForwardOptions {
  readonly upstream: Upstream
  /** Sends the upstream its own `Host`. */
  readonly rewriteHost: boolean
  readonly trustForwarded: boolean
  /** How long the upstream may take to the head of its response to a request without a key. */
  readonly maxRunMs: number
  /** The operation that runs under the request's key, if it has one. */
  readonly operationOf: (req: IncomingMessage) => { readonly signal: AbortSignal; readonly attempt: number } | undefined
  /** Is told that a request's own work begins, under this attempt. */
  readonly onRun: (req: IncomingMessage, attempt: number) => void
  /** Is told why a request got no answer from the upstream. */
  readonly onFailure: (req: IncomingMessage, error: unknown) => void
}

/** The handler that sends requests to the upstream, once each. It is what the idempotency adapter wraps. */
export function forwarder(options: ForwardOptions): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  return async (req, res) => {
    // Without a listener an error of a response whose client left would end the process.
    res.on('error', () => {})
    const operation = options.operationOf(req)
    if (operation === undefined) return forwardPlain(options, req, res)
    // Its body has been read for the fingerprint. The work outlives a client that hangs up.
    const body = hasBody(req) ? await readAll(req) : null
    options.onRun(req, operation.attempt)
    const outgoing = describe(options, req, body, operation.signal, 0)
    try {
      await exchange(options.upstream, outgoing, res)
    } catch (error) {
      options.onFailure(req, error)
      throw error
    }
  }
}

/** Requests without a key: streamed both ways, given up when the client hangs up. The adapter answers what it throws. */
async function forwardPlain(options: ForwardOptions, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const left = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) left.abort(new Error('The client hung up.'))
  })
  res.on('error', () => left.abort(new Error('The client hung up.')))
  try {
    await exchange(options.upstream, describe(options, req, streamOf(req), left.signal, options.maxRunMs), res)
  } catch (error) {
    if (res.destroyed) return
    options.onFailure(req, error)
    throw error
  }
}

/** Passes a request to change the protocol through; whatever the upstream answers instead reaches the client. */
export async function forwardUpgrade(
  options: ForwardOptions,
  req: IncomingMessage,
  res: ServerResponse,
  onUpgrade: OnUpgrade,
): Promise<void> {
  const left = new AbortController()
  res.once('close', () => left.abort(new Error('The client hung up.')))
  const outgoing = describe(options, req, null, left.signal, options.maxRunMs)
  try {
    await exchange(options.upstream, { ...outgoing, upgrade: req.headers.upgrade ?? '' }, res, onUpgrade)
  } catch (error) {
    answerFailure(options, req, res, error)
  }
}

function describe(
  options: ForwardOptions,
  req: IncomingMessage,
  body: Buffer | Readable | null,
  signal: AbortSignal,
  headersTimeoutMs: number,
): Outgoing {
  const { upstream } = options
  const host = req.headers.host
  const headers = requestHeaders(req.rawHeaders, {
    host,
    upstreamHost: options.rewriteHost || host === undefined ? upstream.host : host,
    httpVersion: req.httpVersion,
    // An IPv4 client of a socket that listens on both looks like ::ffff:192.0.2.1.
    remoteAddress: req.socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, ''),
    encrypted: 'encrypted' in req.socket,
    trustForwarded: options.trustForwarded,
  })
  return { method: req.method ?? 'GET', path: req.url ?? '/', headers, body, signal, headersTimeoutMs }
}

function answerFailure(options: ForwardOptions, req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (res.destroyed) return
  options.onFailure(req, error)
  const code = isRetrysafeError(error) ? error.code : 'upstream_cut'
  const status = code === 'upstream_timeout' ? 504 : 502
  const title = status === 504 ? 'The upstream did not answer in time' : 'The upstream did not answer'
  sendProblem(res, { status, code, title, detail: error instanceof Error ? error.message : title })
}

function hasBody(req: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers
  return coding !== undefined || (length !== undefined && length !== '0')
}

/**
 * The body through a stream of its own, since undici destroys the body of a request that it ends, and with a request's
 * own stream the connection to the client would go.
 */
function streamOf(req: IncomingMessage): Readable | null {
  if (!hasBody(req)) return null
  const body = new PassThrough()
  // A client that hangs up is seen on the response.
  body.on('error', () => {})
  body.on('close', () => {
    // An upstream that answers early leaves the rest unread, behind which the client's next request comes.
    req.unpipe(body)
    req.resume()
  })
  req.pipe(body)
  return body
}

function readAll(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.once('end', () => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)))
    req.once('error', reject)
  })
}

/** Joins the two ends of a connection that speaks another protocol now. Either end's close is the other's. */
export function tunnel(client: Duplex, upstream: Duplex): void {
  for (const [from, to] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
    from.pipe(to)
  }
}
