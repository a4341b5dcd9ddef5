/* What must be equal on a retry, of a request. */
import { isBytes } from '../../contract/index.js'
import { fingerprintOfParts } from '../../engine/fingerprint.js'
import { canonicalJsonBytes, canonicalParsed } from './json.js'
import { canonicalMultipart } from './multipart.js'

export type RequestBody =
  | { readonly status: 'bytes'; readonly bytes: Uint8Array }
  /** A parser ran before us and kept no bytes. */
  | { readonly status: 'parsed'; readonly value: unknown }

export interface RequestFacts {
  readonly method: string
  /** Path and query exactly as the carrier sees them. */
  readonly target: string
  readonly contentType: string | undefined
  readonly body: RequestBody
  /** In the proxy, where one upstream may serve several hosts. */
  readonly host?: string | undefined
}

/**
 * The fingerprint of a request, or undefined where nothing can be known of its body (`body_consumed`): it was parsed
 * and is no JSON, or has a number that the parser may have changed.
 *
 * Equal are: JSON bodies that say the same, multipart bodies that differ only in their boundary, and otherwise equal
 * bytes; under the same method, target, media type (without parameters) and host (without port).
 */
export function requestFingerprint(facts: RequestFacts): string | undefined {
  const mediaType = readMediaType(facts.contentType)
  const body = readBody(facts.body, mediaType, facts.contentType)
  if (body === undefined) return undefined
  const host = facts.host === undefined ? '' : readHost(facts.host)
  return fingerprintOfParts('http', facts.method, facts.target, mediaType, host, body.form, body.content)
}

interface Body {
  readonly form: 'json' | 'multipart' | 'bytes'
  readonly content: string | Uint8Array
}

function readBody(body: RequestBody, mediaType: string, contentType: string | undefined): Body | undefined {
  if (body.status === 'bytes') return readBytes(body.bytes, mediaType, contentType)
  if (isBytes(body.value)) return readBytes(body.value, mediaType, contentType)
  const json = isJson(mediaType) ? canonicalParsed(body.value) : undefined
  return json === undefined ? undefined : { form: 'json', content: json }
}

function readBytes(bytes: Uint8Array, mediaType: string, contentType: string | undefined): Body {
  if (isJson(mediaType)) {
    const json = canonicalJsonBytes(bytes)
    if (json !== undefined) return { form: 'json', content: json }
  } else if (mediaType.startsWith('multipart/')) {
    const multipart = canonicalMultipart(bytes, contentType ?? '')
    if (multipart !== undefined) return { form: 'multipart', content: multipart }
  }
  return { form: 'bytes', content: bytes }
}

/** Type and subtype in lower case, without parameters; empty where there is none. */
export function readMediaType(contentType: string | undefined): string {
  return contentType === undefined ? '' : (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}

function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json')
}

function readHost(host: string): string {
  return host.trim().toLowerCase().replace(/:\d*$/, '')
}
