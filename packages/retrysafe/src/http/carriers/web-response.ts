/* Responses of the web: what is read of them, and those that are ours. */
import type { Answer } from '../core/facts.js'
import type { HeaderList } from '../core/headers.js'
import type { WholeHead } from '../core/http-run.js'

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

export function headOf(response: Response): WholeHead {
  const headers: [string, string][] = []
  response.headers.forEach((value, name) => {
    if (name !== 'set-cookie') headers.push([name, value])
  })
  for (const value of response.headers.getSetCookie()) headers.push(['set-cookie', value])
  return { status: response.status, statusText: response.statusText || undefined, headers }
}

export function namesOf(headers: HeaderList): (lowerCaseName: string) => boolean {
  const names = new Set(headers.map(([name]) => name.toLowerCase()))
  return (name) => names.has(name)
}
