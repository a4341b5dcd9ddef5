import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from 'retrysafe'
import { type ForwardOptions, forwardUpgrade, tunnel } from './forward.js'
import { admit, isWebSocket, withoutUpgrade } from './gate.js'
import { lines } from './headers.js'
import { sendProblem } from './problem.js'

export type Handler = (req: IncomingMessage, res: ServerResponse) => unknown

export interface ServerOptions {
  /** Answers every request but upgrades. */
  readonly handler: Handler
  readonly forward: ForwardOptions
  /** Bytes of a request's header section. */
  readonly maxHeaderBytes: number
  /** How long a client may take to send a whole request. */
  readonly requestTimeoutMs: number
}

export interface ProxyServer {
  readonly http: Server
  /** Stops listening and resolves when every connection is closed: each goes when its request is answered. */
  close(clock: Clock, signal: AbortSignal): Promise<void>
  /** Ends every connection at once. */
  cut(): void
}

/** How often a closing server looks for connections that have become idle. */
const closingPauseMs = 50

/** How long a client may take to send a request's head. */
const headersTimeoutMs = 60_000
/** Longer than the 60 s of common load balancers, so that it is they who close an idle connection. */
const keepAliveTimeoutMs = 65_000
/** After how much silence TCP asks whether a client is still there: one that vanished never says that it left. */
const tcpKeepAliveMs = 60_000

/**
 * From 24.9 on Node asks which wish for another protocol to grant, and reads a request whose wish is refused like any
 * other. `takeAsPlain` is for those before, which let the option pass; newer ones would give it no body.
 */
const ofNewNode: object = { shouldUpgradeCallback: isWebSocket }

/** The HTTP server in front: strict parsing, bounded heads, bounded patience. It does not listen yet. */
export function proxyServer(options: ServerOptions): ProxyServer {
  const tunnels = new Set<Duplex>()
  const open = new Set<ServerResponse>()
  let closing = false
  const http = createServer({
    insecureHTTPParser: false,
    requireHostHeader: true,
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: Math.min(headersTimeoutMs, options.requestTimeoutMs),
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: tcpKeepAliveMs,
    ...ofNewNode,
  })
  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    open.add(res)
    res.once('close', () => open.delete(res))
    if (closing) res.shouldKeepAlive = false
    const problem = admit(req)
    if (problem === undefined) options.handler(req, res)
    else sendProblem(res, problem)
  }
  http.on('request', listener)
  // The client waits to be invited before it sends the body; who invites it is the handler's matter.
  http.on('checkContinue', listener)
  http.on('connect', (req: IncomingMessage, socket: Duplex) => {
    holdTunnel(socket)
    refuseConnect(req, socket)
  })
  http.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isWebSocket(req)) {
      holdTunnel(socket)
      passUpgrade(options.forward, req, socket, head)
    } else takeAsPlain(http, req, socket, head)
  })

  /** Node's server does not know the connections any more that it has let go of. */
  function holdTunnel(socket: Duplex): void {
    tunnels.add(socket)
    socket.once('close', () => tunnels.delete(socket))
  }

  function closeTunnels(): void {
    for (const socket of tunnels) socket.destroy()
  }

  async function close(clock: Clock, signal: AbortSignal): Promise<void> {
    closing = true
    const closed = new Promise<void>((resolve) => http.close(() => resolve()))
    let isOver = false
    void closed.then(() => {
      isOver = true
    })
    for (const res of open) res.shouldKeepAlive = false
    while (!isOver && !signal.aborted) {
      // A connection that changed its protocol has no end of its own; it is no reason to wait.
      if (open.size === 0) closeTunnels()
      http.closeIdleConnections()
      await clock.sleep(closingPauseMs, signal)
    }
    await closed
  }

  function cut(): void {
    closeTunnels()
    http.closeAllConnections()
  }

  return { http, close, cut }
}

/** Gives the connection back to the server, with the same request less its wish to upgrade. */
function takeAsPlain(http: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.unshift(Buffer.concat([withoutUpgrade(req), head]))
  http.emit('connection', socket)
}

/** A tunnel to anywhere is no business of a reverse proxy. */
function refuseConnect(req: IncomingMessage, socket: Duplex): void {
  const res = answerOn(req, socket)
  const detail = 'This is a reverse proxy: it opens no tunnels.'
  sendProblem(res, { status: 501, code: 'invalid_request', title: 'CONNECT is not supported', detail })
}

function passUpgrade(forward: ForwardOptions, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  const res = answerOn(req, socket)
  const problem = admit(req)
  if (problem !== undefined) {
    sendProblem(res, problem)
    return
  }
  if (head.length > 0) socket.unshift(head)
  void forwardUpgrade(forward, req, res, (message, headers, upstream) => {
    res.detachSocket(socket as Socket)
    if (socket.destroyed) {
      upstream.destroy()
      return
    }
    // Both ends belong to one hop now, so that all fields pass, Connection and Upgrade too.
    const status = [`HTTP/1.1 101 ${message}`]
    for (const [name, value] of lines(headers)) status.push(`${name}: ${value}`)
    socket.write(Buffer.from(`${status.join('\r\n')}\r\n\r\n`, 'latin1'))
    tunnel(socket, upstream)
  })
}

/** A response on a connection that Node's server has let go of; the connection ends with it. */
function answerOn(req: IncomingMessage, duplex: Duplex): ServerResponse {
  const socket = duplex as Socket
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  res.assignSocket(socket)
  socket.on('error', () => socket.destroy())
  socket.on('drain', () => res.emit('drain'))
  res.once('finish', () => {
    res.detachSocket(socket)
    // Nobody reads what the client may still send, so that its end would never be seen.
    socket.destroySoon()
  })
  return res
}
