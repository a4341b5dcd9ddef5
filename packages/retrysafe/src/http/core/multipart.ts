/* Multipart bodies without their boundary, which clients make anew for every request. */

/**
 * A form of the body that no longer depends on the boundary: each piece between two delimiter lines, preceded by its
 * length in 4 bytes. Undefined where the content type names no boundary, or where the body has no delimiter of it: then
 * it counts byte by byte.
 *
 * A delimiter (RFC 2046, 5.1.1) stands at the start of the body or after CRLF, is `--` and the boundary, perhaps `--`
 * for the last one, perhaps spaces or tabs, and then CRLF or the end of the body. All else that looks like one is
 * content.
 */
export function canonicalMultipart(bytes: Uint8Array, contentType: string): Uint8Array | undefined {
  const boundary = readBoundary(contentType)
  if (boundary === undefined) return undefined
  const marker = new TextEncoder().encode(`--${boundary}`)
  const starts = findDelimiters(bytes, marker)
  return starts.length === 0 ? undefined : joinPieces(bytes, starts, marker.length)
}

/** A token or a quoted string of 1 to 70 characters. */
export function readBoundary(contentType: string): string | undefined {
  const match = /;[ \t]*boundary[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.){1,140})"|([^\s";,]{1,70}))[ \t]*(?:;|$)/i.exec(
    contentType,
  )
  const boundary = match?.[1]?.replace(/\\(.)/g, '$1') ?? match?.[2]
  return boundary !== undefined && boundary.length <= 70 && /^[\x20-\x7e]+$/.test(boundary) ? boundary : undefined
}

/**
 * Where the dashes of each delimiter stand. The CRLF before belongs to the piece before, so that a body that begins with
 * one differs; the closing dashes and the rest of the line belong to the piece after.
 */
function findDelimiters(bytes: Uint8Array, marker: Uint8Array): number[] {
  const starts: number[] = []
  let at = 0
  while (at <= bytes.length - marker.length) {
    if (startsWith(bytes, at, marker) && endsLine(bytes, at + marker.length)) starts.push(at)
    // The next line.
    do {
      at = bytes.indexOf(carriageReturn, at) + 1
      if (at === 0) return starts
    } while (bytes[at] !== lineFeed)
    at++
  }
  return starts
}

const carriageReturn = 0x0d
const lineFeed = 0x0a
const dash = 0x2d

function startsWith(bytes: Uint8Array, at: number, marker: Uint8Array): boolean {
  for (let index = 0; index < marker.length; index++) if (bytes[at + index] !== marker[index]) return false
  return true
}

function endsLine(bytes: Uint8Array, from: number): boolean {
  let at = bytes[from] === dash && bytes[from + 1] === dash ? from + 2 : from
  while (bytes[at] === 0x20 || bytes[at] === 0x09) at++
  return at >= bytes.length || (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed)
}

function joinPieces(bytes: Uint8Array, starts: readonly number[], markerLength: number): Uint8Array {
  const joined = new Uint8Array(bytes.length - starts.length * markerLength + 4 * (starts.length + 1))
  const view = new DataView(joined.buffer)
  let from = 0
  let at = 0
  for (let index = 0; index <= starts.length; index++) {
    const until = starts[index] ?? bytes.length
    view.setUint32(at, until - from)
    at += 4
    if (until - from > 64) joined.set(bytes.subarray(from, until), at)
    // A view on every short piece would cost more than the copy.
    else for (let offset = 0; offset < until - from; offset++) joined[at + offset] = bytes[from + offset] ?? 0
    at += until - from
    from = until + markerLength
  }
  return joined
}
