/* What a captured response says of itself while it waits. */
import type { ServerResponse } from 'node:http'
import { isHttp1 } from './response.js'

/** How far the response is, as its writer sees it, and whether its head has left. */
interface Progress {
  readonly response: ServerResponse
  readonly headWritten: boolean
  readonly headSent: boolean
  readonly ended: boolean
}

/** Node's own fields behind `headersSent` and `writableEnded` of HTTP/1; http2 has getters alone. */
interface Http1Fields {
  _header?: string | null
  finished: boolean
}

/**
 * Makes a response that waits here answer `headersSent` and `writableEnded` as if it had left, so that nobody begins or
 * ends it twice. On HTTP/1 by the fields that Node itself reads: properties or a prototype of our own would give every
 * response a shape of its own, which costs more than all the rest.
 */
export function showState({ response, headSent, headWritten, ended }: Progress): void {
  const fields = response as unknown as Http1Fields
  if (isHttp1(response)) {
    if (!headSent && headWritten) fields._header = heldHead
    fields.finished = ended
  } else {
    Object.defineProperty(response, 'headersSent', { configurable: true, value: headWritten })
    Object.defineProperty(response, 'writableEnded', { configurable: true, value: ended })
  }
}

/** The response is Node's again, and answers by what has really left. */
export function hideState({ response, headSent }: Progress): void {
  const fields = response as unknown as Http1Fields
  if (isHttp1(response)) {
    if (!headSent) fields._header = null
    fields.finished = false
  } else for (const name of ['headersSent', 'writableEnded']) Reflect.deleteProperty(response, name)
}

/** Stands for a head that was given and has not left. */
const heldHead = 'held'
