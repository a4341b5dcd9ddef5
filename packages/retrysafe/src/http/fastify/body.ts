/* What is known of the body where Fastify's parsers ran before us. */
import type { IncomingMessage } from 'node:http'
import type { Body } from '../core/gate.js'
import { isMultipart } from '../core/request-fingerprint.js'
import type { FastifyLikeRequest } from './types.js'

/** Undefined where nobody has read it yet, so that the carrier can. */
export function parsedBody(request: FastifyLikeRequest): Body | undefined {
  const raw = request.raw as IncomingMessage
  if (!raw.readableDidRead) return undefined
  const { body } = request
  return isMultipart(raw.headers['content-type']) ? multipartBody(body) : { status: 'parsed', value: body }
}

type File = Extract<Body, { status: 'multipart' }>['files'][number]

/**
 * `@fastify/multipart` attaches parts, with `attachFieldsToBody: true`, or bare values, with `'keyValues'`: that has the
 * bytes of files and neither their names nor their types.
 */
function multipartBody(body: unknown): Body {
  if (typeof body !== 'object' || body === null) return { status: 'gone' }
  const fields: Record<string, unknown> = Object.create(null)
  const files: File[] = []
  for (const [name, entry] of Object.entries(body)) {
    const values: unknown[] = []
    for (const part of Array.isArray(entry) ? entry : [entry]) {
      if (!isPart(part)) values.push(part)
      else if (part.type === 'field') values.push(part.value)
      else if (part._buf === undefined || part._buf === null) return { status: 'gone' }
      else files.push({ name, filename: part.filename, type: part.mimetype, bytes: part._buf })
    }
    if (values.length > 0) fields[name] = values.length === 1 ? values[0] : values
  }
  return { status: 'multipart', fields, files }
}

interface Part {
  readonly type: string
  readonly value?: unknown
  readonly filename?: string | undefined
  readonly mimetype?: string | undefined
  /** There once somebody has read the file to its end. */
  readonly _buf?: Uint8Array | null | undefined
}

function isPart(part: unknown): part is Part {
  return typeof part === 'object' && part !== null && 'fieldname' in part && 'type' in part
}
