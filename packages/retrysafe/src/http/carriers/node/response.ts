import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Answer } from '../../core/facts.js'
import type { HeaderList } from '../../core/headers.js'
import type { Written } from './chunks.js'

/** Sends a whole response of ours. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status
  if (isHttp1(response)) response.statusMessage = answer.statusText ?? ''
  for (const [name, values] of groupByName(answer.headers)) response.setHeader(name, withOuter(response, name, values))
  response.end(answer.body)
}

/** Sends another response than the work had begun, with what stood on it before. No head is out yet. */
export function replaceResponse(response: ServerResponse, answer: Answer, outer: HeaderList): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  for (const [name, values] of groupByName(outer)) response.setHeader(name, values)
  sendAnswer(response, answer)
}

/** Breaks a response off so that its client knows it: of HTTP/2, a stream that just ends looks like a whole response. */
export function cutResponse(response: ServerResponse): void {
  response.destroy(isHttp1(response) ? undefined : new Error('The response broke off.'))
}

/** HTTP/2 has other fields, and no status text: Node warns of whoever touches it. */
export function isHttp1(response: ServerResponse): boolean {
  return response.req.httpVersionMajor < 2
}

/** `Vary` of outer middleware still holds: the response depends on what either names. */
function withOuter(response: ServerResponse, name: string, values: string | string[]): string | string[] {
  if (name.toLowerCase() !== 'vary' || !response.hasHeader(name)) return values
  return [response.getHeader(name), values].flat().join(', ')
}

/** The headers that are set, as a list, with the case in which they were given. */
export function headersOf(response: ServerResponse): HeaderList {
  const list: [string, string][] = []
  // The compatibility layer of http2 has no raw names; its names are in lower case anyhow.
  const { getRawHeaderNames = response.getHeaderNames } = response as { getRawHeaderNames?: () => string[] }
  const names = getRawHeaderNames.call(response)
  for (const name of names) {
    if (name.startsWith(':')) continue // there is the status, once the head is sent
    const value = response.getHeader(name)
    if (Array.isArray(value)) for (const one of value) list.push([name, String(one)])
    else if (value !== undefined) list.push([name, String(value)])
  }
  return list
}

/** Headers that were given to `writeHead` alone: an object, a flat list, or a list of pairs. */
export function applyHeaders(response: ServerResponse, headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers as OutgoingHttpHeaders))
      if (value !== undefined) response.setHeader(name, value)
    return
  }
  const pairs: [string, string][] = []
  if (Array.isArray(headers[0])) for (const [name, value] of headers) pairs.push([String(name), String(value)])
  else for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([String(headers[at]), String(headers[at + 1])])
  for (const [name, values] of groupByName(pairs)) response.setHeader(name, values)
}

function groupByName(headers: HeaderList): Iterable<[string, string | string[]]> {
  const grouped = new Map<string, [string, string[]]>()
  for (const [name, value] of headers) {
    const known = grouped.get(name.toLowerCase())
    if (known === undefined) grouped.set(name.toLowerCase(), [name, [value]])
    else known[1].push(value)
  }
  return [...grouped.values()].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values])
}

/** As Node has it: the end is still being held, but it has been said. */
export function refuseWrite(response: ServerResponse, done: Written | undefined): boolean {
  const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  process.nextTick(() => {
    done?.(error)
    response.emit('error', error)
  })
  return false
}
