/* A response as it is kept in a store: one run of bytes. */
import { giveAway, RetrysafeError, utf8Length } from '../../contract/index.js'
import type { HeaderList } from './headers.js'

export interface StoredResponse {
  readonly status: number
  /** Absent where the protocol has none, or where it is the usual one. */
  readonly statusText?: string
  readonly headers: HeaderList
  /** The `Origin` of the request that it answered. */
  readonly origin?: string
  readonly body: Uint8Array
}

const utf8 = new TextEncoder()

/** Raised when the form changes; what an earlier release wrote is read for ever. */
const formatVersion = 1
/** Version, and the length of the head as 4 bytes, big-endian. */
const prefixBytes = 5

/**
 * The bytes to store: the version, the length of the head, the head, and the body byte for byte. The head is JSON in
 * UTF-8, `[status, statusText, origin, [name, value, name, value, …]]`, with `null` for what is absent: any string that
 * a header can hold comes back as it was.
 */
export function encodeResponse(response: {
  readonly status: number
  readonly statusText?: string | undefined
  readonly headers: HeaderList
  readonly origin?: string | undefined
  readonly body: Uint8Array
}): Uint8Array {
  const { status, statusText, headers, origin, body } = response
  const flat: string[] = []
  for (const [name, value] of headers) flat.push(name, value)
  const head = JSON.stringify([status, statusText ?? null, origin ?? null, flat])
  const headLength = utf8Length(head)
  const bytes = new Uint8Array(prefixBytes + headLength + body.length)
  bytes[0] = formatVersion
  for (let at = 0; at < 4; at++) bytes[1 + at] = headLength >>> (8 * (3 - at))
  if (headLength > head.length) utf8.encodeInto(head, bytes.subarray(prefixBytes))
  else for (let at = 0; at < headLength; at++) bytes[prefixBytes + at] = head.charCodeAt(at)
  bytes.set(body, prefixBytes + headLength)
  return giveAway(bytes)
}

/**
 * Reads what `encodeResponse` made. The body is a view on the given bytes, not a copy.
 *
 * @throws `store_corrupt` for anything else, a later version too.
 */
export function decodeResponse(bytes: Uint8Array): StoredResponse {
  const [version] = bytes
  if (version === undefined || bytes.length < prefixBytes) throw corrupt('it is cut short')
  if (version !== formatVersion) throw corrupt(`its format has version ${version}, and this release reads 1`)
  const headLength = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1)
  const bodyFrom = prefixBytes + headLength
  if (bodyFrom > bytes.length) throw corrupt('it is cut short')
  const head = readHead(bytes.subarray(prefixBytes, bodyFrom))
  return { ...head, body: bytes.subarray(bodyFrom) }
}

function readHead(bytes: Uint8Array): Omit<StoredResponse, 'body'> {
  const [status, statusText, origin, flat, ...rest] = parseHead(bytes)
  const isStatus = typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 999
  if (!isStatus || !isText(statusText) || !isText(origin) || !isTexts(flat) || rest.length > 0)
    throw corrupt('its head is not what was written')
  const headers: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2) headers.push([flat[index] ?? '', flat[index + 1] ?? ''])
  return {
    status,
    ...(statusText === null ? {} : { statusText }),
    headers,
    ...(origin === null ? {} : { origin }),
  }
}

function parseHead(bytes: Uint8Array): readonly unknown[] {
  try {
    const head: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
    return Array.isArray(head) ? head : []
  } catch {
    return []
  }
}

function isText(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length % 2 === 0 && value.every((text) => typeof text === 'string')
}

function corrupt(why: string): RetrysafeError {
  return new RetrysafeError('store_corrupt', `The stored response cannot be read: ${why}.`)
}
