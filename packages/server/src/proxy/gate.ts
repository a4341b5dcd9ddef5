import type { IncomingMessage } from 'node:http'
import { lines, valuesOf } from './headers.js'
import type { Problem } from './problem.js'

/**
 * Looks at a request before anything else does: what could mean one thing here and another at the upstream is refused.
 * An absolute target (RFC 9112, 3.2.2) is brought into origin form, so that both read the same path and host.
 */
export function admit(req: IncomingMessage): Problem | undefined {
  const coding = req.headers['transfer-encoding']
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked')
    return refusal(501, 'The transfer coding is not supported', 'Only "chunked" is understood in Transfer-Encoding.')
  if (valuesOf(req.rawHeaders, 'host').length > 1)
    return refusal(400, 'The request has more than one Host', 'Send exactly one Host field (RFC 9112, 3.2).')
  const target = req.url ?? '/'
  if (target.startsWith('/')) return undefined
  const absolute = /^https?:\/\/([^/?#@]+)([^#]*)$/i.exec(target)
  if (absolute === null)
    return refusal(400, 'The request target is not supported', 'Send a path that starts with a slash.')
  const [, host = '', rest = ''] = absolute
  req.url = rest.startsWith('/') ? rest : `/${rest}`
  setHost(req, host)
  return undefined
}

/** In both views of the headers: the fingerprint reads the lines, and must not take one host for another. */
function setHost(req: IncomingMessage, host: string): void {
  req.headers.host = host
  for (let at = 0; at + 1 < req.rawHeaders.length; at += 2)
    if (req.rawHeaders[at]?.toLowerCase() === 'host') {
      req.rawHeaders[at + 1] = host
      return
    }
  req.rawHeaders.push('Host', host)
}

function refusal(status: number, title: string, detail: string): Problem {
  return { status, code: 'invalid_request', title, detail }
}

/** Whether the request asks for the one protocol that is passed through. */
export function isWebSocket(req: IncomingMessage): boolean {
  return req.method === 'GET' && req.headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/**
 * The request without its wish to upgrade, as bytes. Any server may ignore the wish (RFC 9110, 7.8), and this one must:
 * a connection that speaks HTTP/2 to the upstream would carry keys past the proxy. Java's client and `curl --http2` ask
 * for it on every first request.
 */
export function withoutUpgrade(req: IncomingMessage): Buffer {
  const head = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
  for (const [name, value] of lines(req.rawHeaders)) {
    const lower = name.toLowerCase()
    if (lower === 'upgrade' || lower === 'http2-settings') continue
    const kept = lower === 'connection' ? remaining(value) : value
    if (kept !== '') head.push(`${name}: ${kept}`)
  }
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1')
}

function remaining(connection: string): string {
  const dropped = new Set(['upgrade', 'http2-settings'])
  const tokens = connection.split(',').map((token) => token.trim())
  return tokens.filter((token) => token !== '' && !dropped.has(token.toLowerCase())).join(', ')
}
