import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Answer } from '../core/facts.js'
import type { HeaderList } from '../headers.js'

/** Sends a whole response of ours. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status
  if (answer.statusText !== undefined && answer.statusText !== '') response.statusMessage = answer.statusText
  for (const [name, values] of groupByName(answer.headers)) response.setHeader(name, values)
  response.end(answer.body)
}

/** Sends another response than the work had begun. No head is out yet. */
export function replaceResponse(response: ServerResponse, answer: Answer): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusMessage = ''
  sendAnswer(response, answer)
}

/** The headers that are set, as a list, with the case in which they were given. */
export function headersOf(response: ServerResponse): HeaderList {
  const list: [string, string][] = []
  // The compatibility layer of http2 has no raw names; its names are in lower case anyhow.
  const { getRawHeaderNames = response.getHeaderNames } = response as { getRawHeaderNames?: () => string[] }
  const names = getRawHeaderNames.call(response)
  for (const name of names) {
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
