/* What is known of a body that was read by Hono's own methods before us: Hono keeps it for every later reader. */
import type { Body, MultipartFile } from '../core/gate.js'
import { isMultipart } from '../core/request-fingerprint.js'

interface HonoLikeRequest {
  readonly raw: Request
  readonly bodyCache: object
}

interface BodyCache {
  readonly arrayBuffer?: Promise<ArrayBuffer> | ArrayBuffer
  readonly blob?: Promise<Blob> | Blob
  readonly text?: Promise<string> | string
  readonly formData?: Promise<FormData> | FormData
  readonly json?: unknown
}

/** Undefined where nothing was read in that way. */
export function cachedBody({ raw, bodyCache }: HonoLikeRequest): Promise<Body> | undefined {
  for (const _ in bodyCache) return readCache(bodyCache, raw.headers.get('content-type') ?? '')
  return undefined
}

async function readCache(cache: BodyCache, contentType: string): Promise<Body> {
  try {
    if (cache.arrayBuffer !== undefined) return bytesOf(await cache.arrayBuffer)
    if (cache.blob !== undefined) return bytesOf(await (await cache.blob).arrayBuffer())
    if (cache.text !== undefined) return textOf(await cache.text, contentType)
    if (cache.formData !== undefined) return await formOf(await cache.formData, contentType)
    if (cache.json !== undefined) return { status: 'parsed', value: await cache.json }
  } catch {
    // Whoever read it was told of the error.
  }
  return { status: 'gone' }
}

function bytesOf(buffer: ArrayBuffer): Body {
  return { status: 'bytes', bytes: new Uint8Array(buffer) }
}

/** Of a JSON text the bytes, since a parsed string would count as the string that it is. */
function textOf(text: string, contentType: string): Body {
  if (!/json/i.test(contentType)) return { status: 'parsed', value: text }
  if (text.includes('\ufffd')) return { status: 'gone' } // stands for bytes that were none, and nobody knows which
  return { status: 'bytes', bytes: new TextEncoder().encode(text) }
}

async function formOf(form: FormData, contentType: string): Promise<Body> {
  if (!isMultipart(contentType)) {
    const pairs = new URLSearchParams()
    form.forEach((value, name) => {
      pairs.append(name, String(value))
    })
    return { status: 'parsed', value: pairs.toString() }
  }
  const fields: Record<string, string | string[]> = Object.create(null)
  const found: [string, File][] = []
  form.forEach((value, name) => {
    if (typeof value !== 'string') found.push([name, value])
    else fields[name] = name in fields ? [fields[name] ?? [], value].flat() : value
  })
  const files: MultipartFile[] = []
  for (const [name, file] of found)
    files.push({ name, filename: file.name, type: file.type, bytes: new Uint8Array(await file.arrayBuffer()) })
  return { status: 'multipart', fields, files }
}
