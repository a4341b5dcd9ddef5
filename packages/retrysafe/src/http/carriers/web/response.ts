/* Responses of the web: what is read of them, and those that are ours. */
import type { Answer } from '../../core/facts.js'
import type { WholeHead } from '../../core/http-run.js'

/** Statuses whose responses have no body, so that none may be given. */
const bodiless: ReadonlySet<number> = new Set([101, 103, 204, 205, 304])

export function responseOf({ status, statusText = '', headers, body }: Answer): Response {
  const content = bodiless.has(status) ? null : (body as string | Uint8Array<ArrayBuffer>)
  return new Response(content, { status, statusText, headers: headers.map(([name, value]) => [name, value]) })
}

/** The response again with another body: its own was read. */
export function withBody(response: Response, body: Uint8Array | ReadableStream<Uint8Array>): Response {
  const { status, statusText, headers } = response
  return new Response(body as Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>, {
    status,
    statusText,
    headers,
  })
}

/**
 * The body of a light response, such as `@hono/node-server` makes, which is there without being read: on Node a real
 * `Response` and its stream cost more than all the rest. Undefined for every other response.
 */
export function bodyAtHand(response: Response): Uint8Array | undefined {
  if (Object.getPrototypeOf(response) !== Response.prototype) return undefined
  const [symbol] = Object.getOwnPropertySymbols(response)
  if (symbol?.description !== 'cache') return undefined
  const cache: unknown = Reflect.get(response, symbol)
  if (!Array.isArray(cache) || cache.length !== 3 || cache[0] !== response.status) return undefined
  const body: unknown = cache[1]
  return body === null ? noBytes : typeof body === 'string' ? utf8.encode(body) : undefined
}

const noBytes = new Uint8Array()
const utf8 = new TextEncoder()

export function headOf(response: Response, withReason: boolean): WholeHead {
  const headers: [string, string][] = []
  response.headers.forEach((value, name) => {
    if (name !== 'set-cookie') headers.push([name, value])
  })
  for (const value of response.headers.getSetCookie()) headers.push(['set-cookie', value])
  return { status: response.status, statusText: withReason ? response.statusText || undefined : undefined, headers }
}
