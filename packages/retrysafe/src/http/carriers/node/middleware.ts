/* What middleware of the `connect` family takes a client's leaving for, while its work goes on. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { isHttp1 } from './response.js'

interface Guarded {
  readonly socket: Socket
  readonly response: ServerResponse
}

/**
 * Shows whoever asks the request for its connection one that can always be read, and whose destruction breaks the
 * response off. Body parsers leave the body alone where the connection is gone, and the handler would work with an empty
 * one, though it was put back whole. And what fails after its head has its connection destroyed by Express, which would
 * look as if the client had left: the key would wait for a response that never ends.
 */
export function guardSocket(request: IncomingMessage, response: ServerResponse): void {
  if (isHttp1(response))
    request.socket = new Proxy<Guarded>({ socket: request.socket, response }, guard) as unknown as Socket
}

/** One for all: functions of its own would keep each request in memory. */
const guard: ProxyHandler<Guarded> = {
  get({ socket, response }, name) {
    if (name === 'readable') return true
    if (name === 'destroy') return (error?: Error) => destroyThrough(response, socket, error)
    const value: unknown = Reflect.get(socket, name, socket)
    return typeof value === 'function' ? value.bind(socket) : value
  },
  set: ({ socket }, name, value) => Reflect.set(socket, name, value, socket),
  has: ({ socket }, name) => Reflect.has(socket, name),
  getPrototypeOf: ({ socket }) => Reflect.getPrototypeOf(socket),
}

function destroyThrough(response: ServerResponse, socket: Socket, error: Error | undefined): Socket {
  if (response.writableFinished || response.closed) return socket.destroy(error)
  response.destroy(error)
  return socket
}

/**
 * Breaks a response off whose client left, where what is piped into it ends early: whoever sends files stops with their
 * client, and the response would never end.
 */
export function watchSources(response: ServerResponse): void {
  response.on('pipe', watchSource)
}

/** One function for all: functions of its own would keep each request in memory. */
function watchSource(this: ServerResponse, source: Readable): void {
  source.once('close', () => {
    const isLeft = this.req.socket.destroyed
    if (isLeft && !source.readableEnded && !this.writableEnded) this.destroy()
  })
}

type Listener = (...args: unknown[]) => void

/**
 * Where a middleware in front has its own `on`, as compression has, listeners for a drain wait at its stream, which
 * stands still once the client left. Gives a function that wakes them.
 */
export function hearDrains(response: ServerResponse): (() => void) | undefined {
  if (!Object.hasOwn(response, 'on')) return undefined
  const { on, removeListener } = response
  const waiting = new Set<Listener>()
  response.on = function (this: ServerResponse, event: string, listener: Listener) {
    if (event === 'drain') waiting.add(listener)
    return Reflect.apply(on, this, [event, listener]) as ServerResponse
  } as ServerResponse['on']
  response.removeListener = function (this: ServerResponse, event: string, listener: Listener) {
    if (event === 'drain') waiting.delete(listener)
    return Reflect.apply(removeListener, this, [event, listener]) as ServerResponse
  } as ServerResponse['removeListener']
  return () => {
    for (const listener of [...waiting]) listener.call(response)
  }
}
