/* Reads the tokens of JSON from UTF-8 bytes and writes each in its one form. No string is made on the way. */
import { maxSortedMembers } from '../../contract/index.js'
import { canonicalNumber } from '../../engine/canonical.js'

export interface Scan {
  /** Valid UTF-8. */
  readonly bytes: Uint8Array
  at: number
  readonly out: Uint8Array
  size: number
  /** One entry for each open container: of an object, where its members begin in `marks`; of an array, -1. */
  readonly open: number[]
  /** Two entries for each member of the open objects: where it begins in `out`, and where its name ends there. */
  readonly marks: number[]
  /** One entry for each open object: whether its members must be sorted. */
  readonly disorder: boolean[]
  /** How many bytes the sorting of members may still move. */
  movable: number
  /** Members that may still be sorted. */
  sortable: number
}

export function openScan(bytes: Uint8Array): Scan {
  return {
    bytes,
    at: 0,
    // Strings never grow and numbers at most from three bytes to five (`1.5` is `15e-1`), so this always has room.
    out: new Uint8Array(2 * bytes.length + 32),
    size: 0,
    open: [],
    marks: [],
    disorder: [],
    movable: 64 * 1024 * 1024 + 32 * bytes.length,
    sortable: maxSortedMembers,
  }
}

const minus = 0x2d
const quote = 0x22
const backslash = 0x5c
const zero = 0x30

export function put(scan: Scan, byte: number): void {
  scan.out[scan.size++] = byte
}

export function isDigit(byte: number): boolean {
  return byte >= zero && byte <= 0x39
}

export function isQuote(byte: number): boolean {
  return byte === quote
}

export function skipSpace(scan: Scan): void {
  const { bytes } = scan
  let byte = bytes[scan.at]
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++scan.at]
}

const words: readonly Uint8Array[] = ['true', 'false', 'null'].map((word) => new TextEncoder().encode(word))

export function readWord(scan: Scan): boolean {
  const word = words.find((known) => known[0] === scan.bytes[scan.at])
  if (word === undefined) return false
  for (const byte of word) {
    if (scan.bytes[scan.at++] !== byte) return false
    put(scan, byte)
  }
  return true
}

export function readString(scan: Scan): boolean {
  const { bytes, out } = scan
  let at = scan.at + 1
  put(scan, quote)
  let size = scan.size
  for (;;) {
    const byte = bytes[at++]
    if (byte === undefined || byte < 0x20) return false
    if (byte === backslash) {
      scan.at = at
      scan.size = size
      if (!readEscape(scan)) return false
      at = scan.at
      size = scan.size
      continue
    }
    out[size++] = byte
    if (byte !== quote) continue
    scan.at = at
    scan.size = size
    return true
  }
}

/** What may follow a backslash besides `u`, and what it stands for. */
const escapes: ReadonlyMap<number, number> = new Map([
  [quote, quote],
  [backslash, backslash],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
])

/** Reads the escape whose backslash was read, and writes what it stands for as `JSON.stringify` would. */
function readEscape(scan: Scan): boolean {
  const letter = scan.bytes[scan.at++] ?? 0
  if (letter !== 0x75) {
    const unit = escapes.get(letter)
    if (unit === undefined) return false
    putCharacter(scan, unit)
    return true
  }
  const unit = readHex(scan)
  if (unit === undefined || (unit >= 0xdc00 && unit <= 0xdfff)) return false
  if (unit < 0xd800 || unit > 0xdbff) {
    putCharacter(scan, unit)
    return true
  }
  if (scan.bytes[scan.at] !== backslash || scan.bytes[scan.at + 1] !== 0x75) return false
  scan.at += 2
  const low = readHex(scan)
  if (low === undefined || low < 0xdc00 || low > 0xdfff) return false
  putCharacter(scan, 0x10000 + (unit - 0xd800) * 0x400 + (low - 0xdc00))
  return true
}

function readHex(scan: Scan): number | undefined {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const byte = scan.bytes[scan.at++] ?? 0
    const lower = byte | 0x20
    if (isDigit(byte)) value = value * 16 + byte - zero
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x61 + 10
    else return undefined
  }
  return value
}

/** Control characters that have an escape of two characters. */
const shortEscapes: ReadonlyMap<number, number> = new Map([
  [0x08, 0x62],
  [0x0c, 0x66],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
])

function putCharacter(scan: Scan, point: number): void {
  if (point < 0x20) putControl(scan, point)
  else if (point < 0x80) {
    if (point === quote || point === backslash) put(scan, backslash)
    put(scan, point)
  } else putBeyondAscii(scan, point)
}

function putControl(scan: Scan, point: number): void {
  const short = shortEscapes.get(point)
  if (short === undefined) putText(scan, `\\u00${point.toString(16).padStart(2, '0')}`)
  else {
    put(scan, backslash)
    put(scan, short)
  }
}

function putBeyondAscii(scan: Scan, point: number): void {
  if (point < 0x800) put(scan, 0xc0 | (point >> 6))
  else {
    if (point < 0x10000) put(scan, 0xe0 | (point >> 12))
    else {
      put(scan, 0xf0 | (point >> 18))
      put(scan, 0x80 | ((point >> 12) & 63))
    }
    put(scan, 0x80 | ((point >> 6) & 63))
  }
  put(scan, 0x80 | (point & 63))
}

/** Reads a number by the grammar, and writes it as `canonicalNumber` would. */
export function readNumber(scan: Scan): boolean {
  const { bytes } = scan
  const from = scan.at
  const whole = bytes[from] === minus ? from + 1 : from
  const wholeEnd = skipDigits(bytes, whole)
  if (wholeEnd === whole || (bytes[whole] === zero && wholeEnd > whole + 1)) return false
  let end = wholeEnd
  if (bytes[end] === 0x2e) {
    end = skipDigits(bytes, wholeEnd + 1)
    if (end === wholeEnd + 1) return false
  }
  const fractionEnd = end
  let shift = 0
  if (((bytes[end] ?? 0) | 0x20) === 0x65) {
    const sign = bytes[end + 1]
    const exponent = sign === 0x2b || sign === minus ? end + 2 : end + 1
    end = skipDigits(bytes, exponent)
    if (end === exponent) return false
    shift = readShort(bytes, exponent, end) * (sign === minus ? -1 : 1)
  }
  scan.at = end
  if (Number.isFinite(shift)) putDecimal(scan, from, wholeEnd, fractionEnd, shift)
  else putText(scan, canonicalNumber(new TextDecoder().decode(bytes.subarray(from, end))))
  return true
}

/** The value of up to 15 digits; infinite where there are more. */
function readShort(bytes: Uint8Array, from: number, end: number): number {
  if (end - from > 15) return Number.POSITIVE_INFINITY
  let value = 0
  for (let at = from; at < end; at++) value = value * 10 + (bytes[at] ?? 0) - zero
  return value
}

/** Writes the number from there to `end`, where an exponent may have stood that shifts it by so many digits. */
function putDecimal(scan: Scan, from: number, wholeEnd: number, end: number, shift: number): void {
  const { bytes, out } = scan
  const start = scan.size
  if (bytes[from] === minus) put(scan, minus)
  const digits = scan.size
  for (let at = bytes[from] === minus ? from + 1 : from; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (at !== wholeEnd && (byte !== zero || scan.size > digits)) put(scan, byte)
  }
  if (scan.size === digits) {
    scan.size = start
    put(scan, zero)
    return
  }
  const written = scan.size
  while (out[scan.size - 1] === zero) scan.size--
  const exponent = shift + written - scan.size - Math.max(end - wholeEnd - 1, 0)
  if (exponent !== 0) putText(scan, `e${exponent}`)
}

function putText(scan: Scan, ascii: string): void {
  for (let index = 0; index < ascii.length; index++) put(scan, ascii.charCodeAt(index))
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from
  while (isDigit(bytes[at] ?? 0)) at++
  return at
}
