/* What must be equal on a retry, of a request. */
import { isBytes } from '../../contract/index.js'
import { fingerprintOfParts } from '../../engine/fingerprint.js'
import { canonicalForm } from './form.js'
import { canonicalFormData, canonicalParsedFormData, type MultipartFile } from './form-data.js'
import { bytesOfText } from './form-text.js'
import { canonicalFormValue } from './form-tree.js'
import { canonicalJsonBytes, canonicalParsed } from './json.js'
import { canonicalMultipart } from './multipart.js'

export type RequestBody =
  | { readonly status: 'bytes'; readonly bytes: Uint8Array }
  /** What a parser made of it: of JSON, a form or text, as the media type says. Bytes count as the raw ones. */
  | { readonly status: 'parsed'; readonly value: unknown }
  /** What a parser made of a multipart form. */
  | { readonly status: 'multipart'; readonly fields: unknown; readonly files: readonly MultipartFile[] }
  /** A parser took it and kept nothing. */
  | { readonly status: 'gone' }

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
 * The fingerprint of a request, or undefined where nothing can be known of its body (`body_consumed`): a parser kept
 * nothing, or something that does not tell the body, such as a JSON number that it may have changed.
 *
 * Equal are: JSON and form bodies that say the same, other multipart bodies that differ only in their boundary, and
 * otherwise equal bytes; under the same method, target, media type (without parameters) and host (without port). Whether
 * a parser ran before makes no difference, but for bodies that parsers read differently.
 */
export function requestFingerprint(facts: RequestFacts): string | undefined {
  const mediaType = readMediaType(facts.contentType)
  const body = readBody(facts.body, mediaType, facts.contentType ?? '')
  if (body === undefined) return undefined
  const host = facts.host === undefined ? '' : readHost(facts.host)
  return fingerprintOfParts('http', facts.method, facts.target, mediaType, host, body.form, body.content)
}

interface Body {
  readonly form: 'json' | 'form' | 'form-data' | 'multipart' | 'bytes'
  readonly content: string | Uint8Array
}

function readBody(body: RequestBody, mediaType: string, contentType: string): Body | undefined {
  switch (body.status) {
    case 'bytes':
      return readBytes(body.bytes, mediaType, contentType)
    case 'parsed':
      return readParsed(body.value, mediaType, contentType)
    case 'multipart':
      return bodyOf('form-data', canonicalParsedFormData(body.fields, body.files))
    case 'gone':
      return undefined
  }
}

function readBytes(bytes: Uint8Array, mediaType: string, contentType: string): Body {
  if (isJson(mediaType)) {
    const json = canonicalJsonBytes(bytes)
    if (json !== undefined) return { form: 'json', content: json }
  } else if (mediaType === urlencoded) {
    const form = canonicalForm(bytes, contentType)
    if (form !== undefined) return { form: 'form', content: form }
  } else if (mediaType.startsWith('multipart/')) {
    const formData = mediaType === 'multipart/form-data' ? canonicalFormData(bytes, contentType) : undefined
    if (formData !== undefined) return { form: 'form-data', content: formData }
    const multipart = canonicalMultipart(bytes, contentType)
    if (multipart !== undefined) return { form: 'multipart', content: multipart }
  }
  return { form: 'bytes', content: bytes }
}

function readParsed(value: unknown, mediaType: string, contentType: string): Body | undefined {
  if (isBytes(value)) return readBytes(value, mediaType, contentType)
  if (isJson(mediaType)) return bodyOf('json', canonicalParsed(value))
  if (typeof value === 'string') {
    const bytes = bytesOfText(value, contentType)
    return bytes === undefined ? undefined : readBytes(bytes, mediaType, contentType)
  }
  return mediaType === urlencoded ? bodyOf('form', canonicalFormValue(value)) : undefined
}

function bodyOf(form: Body['form'], content: string | undefined): Body | undefined {
  return content === undefined ? undefined : { form, content }
}

const urlencoded = 'application/x-www-form-urlencoded'

/** Type and subtype in lower case, without parameters; empty where there is none. */
export function readMediaType(contentType: string | undefined): string {
  return contentType === undefined ? '' : (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}

export function isMultipart(contentType: string | undefined): boolean {
  return readMediaType(contentType).startsWith('multipart/')
}

function isJson(mediaType: string): boolean {
  return mediaType === 'application/json' || mediaType.endsWith('+json')
}

function readHost(host: string): string {
  return host.trim().toLowerCase().replace(/:\d*$/, '')
}
