/* What Node's responses say of clients that leave. */
import type { ServerResponse } from 'node:http'
import type { Written } from './chunks.js'

/** Whether the client left before anybody listened. */
export function isGone(response: ServerResponse): boolean {
  const { stream } = response as { stream?: { destroyed: boolean } } // of http2
  return response.destroyed || stream?.destroyed === true
}

/** The response of a client that left is over: whoever waits for its events gets them. */
export function endUnseen(response: ServerResponse, done: Written | undefined): void {
  process.nextTick(() => {
    if (!isAtTurn(response)) {
      const ofNode = response.listeners('finish').find(({ name }) => name === 'bound resOnFinish')
      if (ofNode !== undefined) response.off('finish', ofNode as () => void)
    }
    done?.()
    response.emit('finish')
    response.emit('close')
  })
}

/** Newer versions of Node destroy the responses that wait in a pipeline behind a connection that broke. */
export function isBrokenInPipeline(response: ServerResponse): boolean {
  return !isAtTurn(response) && response.req.socket.destroyed
}

/** Of responses in a pipeline only one has the connection, and Node's own listener asserts that it is this one. */
function isAtTurn({ socket }: ServerResponse & { socket: unknown }): boolean {
  return socket !== null
}

/** What streams look at before they write to a response. */
export function pretendOpen(response: ServerResponse, open: boolean): void {
  Object.assign(response, { destroyed: !open, _closed: !open })
}

/** Who is told how a response goes. */
export interface Told {
  readonly over: () => void
  readonly onLeave: (() => void) | undefined
}
