/* What parsers that ran before us left of a request's body. */
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { isBytes } from '../../../contract/index.js'
import type { Body, MultipartFile } from '../../core/gate.js'
import { isMultipart } from '../../core/request-fingerprint.js'
import { isTouched, type NodeBody } from './body.js'

/** Where parsers of Node's frameworks leave what they read. */
export interface ParsedRequest extends IncomingMessage {
  readonly body?: unknown
  /** The bytes, where the `verify` hook of a parser kept them, or the platform did. */
  readonly rawBody?: unknown
  /** Of multer. */
  readonly file?: unknown
  readonly files?: unknown
  /** Of the parsers of Express 4: whether one of them has read the body. */
  readonly _body?: unknown
}

/** Undefined where nobody has read the body yet, so that the carrier can. */
export function parsedBodyOf(
  request: ParsedRequest,
  maxBytes: number,
): Body | NodeBody | Promise<Body | NodeBody> | undefined {
  const { body, rawBody } = request
  if (!isTouched(request)) return undefined
  // Only a stream that was read to its end is known to be whole in there: some collect it while others go on.
  if (request.readableEnded) {
    if (!request.readableDidRead) return { status: 'bytes', bytes: new Uint8Array() } // whatever a parser made of nothing
    if (isBytes(rawBody)) return bytesWithin(rawBody, maxBytes)
    if (typeof rawBody === 'string') return bytesWithin(new TextEncoder().encode(rawBody), maxBytes)
  }
  const type = request.headers['content-type'] ?? ''
  if (isMultipart(type) && !isBytes(body)) return multipartBody(request, maxBytes)
  if (isBytes(body)) return bytesWithin(body, maxBytes)
  return body === undefined || isPlaceholder(request, type) ? { status: 'gone' } : { status: 'parsed', value: body }
}

function bytesWithin(bytes: Uint8Array, maxBytes: number): Body | NodeBody {
  return bytes.byteLength > maxBytes ? { status: 'too_large' } : { status: 'bytes', bytes }
}

/** A JSON body that was really parsed to `{}` has hardly more than its two braces. */
const longestEmptyJson = 16

/** The parsers of Express 4 put an empty object where they leave a body alone; then somebody else has read it. */
function isPlaceholder({ body, _body, headers }: ParsedRequest, type: string): boolean {
  if (_body === true || typeof body !== 'object' || body === null || isBytes(body) || Array.isArray(body)) return false
  if (Object.keys(body).length > 0) return false
  return !/json/i.test(type) || Number(headers['content-length'] ?? 0) > longestEmptyJson
}

/** A file of multer: in memory, or in a file of its own. */
interface Upload {
  readonly fieldname: string
  readonly originalname?: string
  readonly mimetype?: string
  readonly size?: number
  readonly buffer?: unknown
  readonly path?: unknown
}

function multipartBody(request: ParsedRequest, maxBytes: number): Body | NodeBody | Promise<Body | NodeBody> {
  const { body, file, files } = request
  const [one, many] = [listUploads(file), listUploads(files)]
  if (one === undefined || many === undefined || !isOfMulter(body)) return { status: 'gone' }
  const uploads = [...one, ...many]
  const fields = body
  const bytes = uploads.reduce((sum, { size = 0 }) => sum + size, 0)
  if (bytes > maxBytes) return { status: 'too_large' }
  if (uploads.every(({ buffer }) => isBytes(buffer)))
    return { status: 'multipart', fields, files: uploads.map((upload) => fileOf(upload, upload.buffer as Uint8Array)) }
  if (uploads.some(({ buffer, path }) => !isBytes(buffer) && typeof path !== 'string')) return { status: 'gone' }
  return readUploads(fields, uploads)
}

/**
 * Fields without a prototype, as multer makes them. Of another parser nobody knows whether it hides files elsewhere, and
 * requests that differ in those alone would be taken for one.
 */
function isOfMulter(body: unknown): body is object {
  return typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === null
}

/** One, many, or many by the names of their fields; undefined where any is of another shape than multer's. */
function listUploads(given: unknown): readonly Upload[] | undefined {
  if (given === undefined) return []
  if (typeof given !== 'object' || given === null) return undefined
  if (isUpload(given)) return [given]
  const listed: readonly unknown[] = Array.isArray(given) ? given : Object.values(given).flat()
  return listed.every(isUpload) ? listed : undefined
}

function isUpload(value: unknown): value is Upload {
  return typeof value === 'object' && value !== null && typeof (value as Upload).fieldname === 'string'
}

function fileOf({ fieldname, originalname, mimetype }: Upload, bytes: Uint8Array): MultipartFile {
  return { name: fieldname, filename: originalname, type: mimetype, bytes }
}

async function readUploads(fields: unknown, uploads: readonly Upload[]): Promise<Body> {
  try {
    const files: MultipartFile[] = []
    for (const upload of uploads)
      files.push(fileOf(upload, isBytes(upload.buffer) ? upload.buffer : await readFile(String(upload.path))))
    return { status: 'multipart', fields, files }
  } catch {
    return { status: 'gone' } // whoever took it away had it read
  }
}
