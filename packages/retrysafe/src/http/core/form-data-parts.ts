/* A strict reader of `multipart/form-data` (RFC 7578): of what parsers agree on, and of nothing else. */
import { isUnicode, readText } from './form-text.js'
import { maxFields } from './form-tree.js'
import { readBoundary } from './multipart.js'

export interface FormDataPart {
  readonly name: string
  readonly filename: string | undefined
  readonly type: string | undefined
  /** Text of a field, bytes of a file. */
  readonly content: string | Uint8Array
}

/** Parsers stop at so many bytes of the headers of a part. */
const maxHeaderBytes = 16 * 1024

/** The longest field that parsers keep whole. */
const maxFieldBytes = 1024 * 1024

/**
 * The parts of a body in their order, or undefined where anything of it is read differently by common parsers, or lost
 * by them: text around the parts, other headers than those that say what a part is, names outside ASCII or with
 * escapes, file names that are empty or have a path, charsets, transfer encodings that encode, fields that are no plain
 * text or longer than 1 MiB, more than 1,000 parts, and none at all.
 */
export function readFormData(bytes: Uint8Array, contentType: string): readonly FormDataPart[] | undefined {
  const boundary = isUnicode(contentType) && !contentType.includes('\\') ? readBoundary(contentType) : undefined
  if (boundary === undefined) return undefined
  const delimiter = new TextEncoder().encode(`\r\n--${boundary}`)
  const parts: FormDataPart[] = []
  // The first one has no CRLF in front.
  if (!matches(bytes, 0, delimiter.subarray(2))) return undefined
  let at = delimiter.length - 2
  while (matches(bytes, at, crlf)) {
    // The CRLF of the delimiter may not be that of the next one too.
    const until = find(bytes, at, delimiter)
    if (until < 0 || parts.length === maxFields) return undefined
    const part = readPart(bytes.subarray(at + 2, until))
    if (part === undefined) return undefined
    parts.push(part)
    at = until + delimiter.length
  }
  const isEnd = parts.length > 0 && matches(bytes, at, dashes)
  const rest = bytes.length - at - 2
  return isEnd && (rest === 0 || (rest === 2 && matches(bytes, at + 2, crlf))) ? parts : undefined
}

const crlf = new Uint8Array([0x0d, 0x0a])
const dashes = new Uint8Array([0x2d, 0x2d])
const emptyLine = new Uint8Array([0x0d, 0x0a, 0x0d, 0x0a])

function matches(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false
  return true
}

/** What is looked for begins with CRLF. */
function find(bytes: Uint8Array, from: number, wanted: Uint8Array): number {
  let at = bytes.indexOf(0x0d, from)
  while (at >= 0 && !matches(bytes, at, wanted)) {
    // A call for every one of many in a row would cost more than all the rest.
    do at++
    while (bytes[at] === 0x0d && bytes[at + 1] !== 0x0a)
    at = bytes.indexOf(0x0d, at)
  }
  return at
}

function readPart(bytes: Uint8Array): FormDataPart | undefined {
  const end = find(bytes, 0, emptyLine)
  if (end < 0 || end > maxHeaderBytes) return undefined
  const headers = readHeaders(bytes.subarray(0, end))
  const named = headers === undefined ? undefined : readDisposition(headers.get('content-disposition') ?? '')
  if (headers === undefined || named === undefined) return undefined
  const { name, filename } = named
  const type = headers.get('content-type')
  const content = bytes.subarray(end + emptyLine.length)
  if (filename !== undefined) {
    if (type !== undefined && !/^[\w.+-]+\/[\w.+-]+$/.test(type)) return undefined
    // What a parser says where there is none.
    return { name, filename, type: type?.toLowerCase() ?? 'text/plain', content }
  }
  if (type !== undefined && !/^text\/plain(?:[ \t]*;[ \t]*charset=("?)utf-8\1)?$/i.test(type)) return undefined
  const text = content.length > maxFieldBytes ? undefined : readText(content)
  return text === undefined ? undefined : { name, filename, type: undefined, content: text }
}

const knownHeaders: Readonly<Record<string, RegExp>> = {
  'content-disposition': /^/,
  'content-type': /^/,
  'content-length': /^\d+$/,
  'content-transfer-encoding': /^(?:7bit|8bit|binary)$/i,
}

/** Headers by their names in lower case. */
function readHeaders(bytes: Uint8Array): ReadonlyMap<string, string> | undefined {
  const headers = new Map<string, string>()
  for (const line of readText(bytes)?.split('\r\n') ?? []) {
    const match = /^([A-Za-z-]+):[ \t]*([!-~](?:[ -~\t]*[!-~])?)$/.exec(line)
    const [, spelt = '', value = ''] = match ?? []
    const name = spelt.toLowerCase()
    const known = Object.hasOwn(knownHeaders, name) ? knownHeaders[name] : undefined
    if (known === undefined || headers.has(name) || !known.test(value)) return undefined
    headers.set(name, value)
  }
  return headers
}

/** Sticky, so that no run of spaces is looked at twice. */
const parameter = /[ \t]*;[ \t]*(name|filename)=(?:"([ !#-[\]-~]*)"|([\w.-]+))/iy

function readDisposition(value: string): { readonly name: string; readonly filename: string | undefined } | undefined {
  if (!/^form-data/i.test(value)) return undefined
  const found = new Map<string, string>()
  parameter.lastIndex = 'form-data'.length
  while (parameter.lastIndex < value.length) {
    const match = parameter.exec(value)
    const name = match?.[1]?.toLowerCase()
    if (name === undefined || found.has(name)) return undefined
    found.set(name, match?.[2] ?? match?.[3] ?? '')
  }
  const name = found.get('name') ?? ''
  const filename = found.get('filename')
  if (name === '' || hasEscape.test(name)) return undefined
  return filename === undefined || isPlainFilename(filename) ? { name, filename } : undefined
}

/** How browsers escape line ends and quotes; some parsers undo it. */
const hasEscape = /%(?:0a|0d|22)/i

/** Parsers keep the last part of a path, and none that is dots. */
function isPlainFilename(filename: string): boolean {
  return !/^\.{0,2}$|\//.test(filename) && !hasEscape.test(filename)
}
