/* Requests whose body was put back, while their work goes on. */
import type { IncomingMessage } from 'node:http'
import { carriedOf, openCarried } from './carried.js'

export interface Shelter {
  readonly destroy: IncomingMessage['destroy']
  /** Of the connection that broke. */
  broken: Error | undefined
  /** Is called when the connection breaks. */
  tell: (() => void) | undefined
}

/**
 * The body was put back, and must survive the client: when its connection breaks, Node destroys the request with an
 * error, which waits here until the work is over. A plain `destroy()` is the stream's own end and goes through.
 */
export function shelterRequest(request: IncomingMessage): Shelter {
  const carried = openCarried(request)
  const shelter: Shelter = { destroy: request.destroy, broken: undefined, tell: undefined }
  if (carried.shelter === undefined) {
    carried.shelter = shelter
    request.destroy = destroySheltered // one function for all: functions of its own would keep each request in memory
  } else request.destroy = (error) => destroyLater(request, shelter, error)
  return shelter
}

function destroySheltered(this: IncomingMessage, error?: Error): IncomingMessage {
  return destroyLater(this, carriedOf(this)?.shelter as Shelter, error)
}

function destroyLater(request: IncomingMessage, shelter: Shelter, error: Error | undefined): IncomingMessage {
  if (error === undefined || error === null) return shelter.destroy.call(request)
  shelter.broken = error
  shelter.tell?.()
  return request
}

/** The listener is called at once where the connection has broken already. */
export function onBreak(shelter: Shelter, listener: () => void): void {
  shelter.tell = listener
  if (shelter.broken !== undefined) listener()
}

export function leaveShelter(request: IncomingMessage, { destroy, broken }: Shelter): void {
  request.destroy = destroy
  if (broken !== undefined) request.destroy(broken)
}
