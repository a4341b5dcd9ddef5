/* Request bodies in JSON, told apart by what they say and not by how they are spelt. */
import { maxJsonDepth, maxSortedMembers } from '../../contract/index.js'
import { canonicalValue, isPlainObject } from '../../engine/canonical.js'
import { inOrder, sortMembers } from './json-members.js'
import { isDigit, isQuote, openScan, put, readNumber, readString, readWord, type Scan, skipSpace } from './json-scan.js'

/**
 * The canonical text of strict JSON, or undefined where it is not strict: then the body counts byte by byte. Strict is
 * RFC 8259 in UTF-8 without a byte order mark (which it forbids to send, and parsers treat differently), with unique
 * member names after unescaping, no lone surrogates (which no UTF-8 could hold) and up to 1,000 levels.
 *
 * Members stand in the order of their code units, numbers are exact decimals and never go through a double, strings are
 * escaped as `JSON.stringify` does, and there is no white space. The time is linear but for the sorting of members;
 * a body with more than 50,000 members to sort, or that would have to be moved about too often, by hundreds of unsorted
 * levels around much, counts as not strict.
 */
export function canonicalJson(bytes: Uint8Array): string | undefined {
  const canonical = canonicalJsonBytes(bytes)
  return canonical === undefined ? undefined : new TextDecoder().decode(canonical)
}

/** `canonicalJson` as UTF-8, without the detour. */
export function canonicalJsonBytes(bytes: Uint8Array): Uint8Array | undefined {
  if (!isUtf8(bytes)) return undefined
  const scan = openScan(bytes)
  for (;;) {
    skipSpace(scan)
    const read = readValue(scan)
    if (read === 'wrong') return undefined
    if (read === 'entered') continue
    for (;;) {
      skipSpace(scan)
      const depth = scan.open.length
      if (depth === 0) return scan.at === bytes.length ? scan.out.subarray(0, scan.size) : undefined
      const isObject = scan.open[depth - 1] !== anArray
      const unit = bytes[scan.at++]
      if (unit === comma) {
        put(scan, comma)
        if (isObject && !readName(scan)) return undefined
        break
      }
      if (unit !== (isObject ? closeBrace : closeBracket) || !close(scan, isObject)) return undefined
    }
  }
}

/**
 * The canonical text of a body that a parser read before us, equal to `canonicalJson` of its source; undefined where it
 * is no JSON or where the parser may have changed a number: one that is no safe integer and has more than 15
 * significant digits, or is so near zero that doubles hold fewer.
 */
export function canonicalParsed(value: unknown): string | undefined {
  return isExactJson(value, 0, { members: maxSortedMembers }) ? canonicalValue(value) : undefined
}

/** Whether the source had them in order cannot be known any more, so not more than are sorted. */
interface Left {
  members: number
}

const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Stands in `open` for a container whose members have no names. */
const anArray = -1

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

type Read = 'done' | 'entered' | 'wrong'

function readValue(scan: Scan): Read {
  const unit = scan.bytes[scan.at] ?? 0
  if (unit === openBrace || unit === openBracket) return enter(scan, unit === openBrace)
  const isRead = isQuote(unit) ? readString(scan) : unit === 0x2d || isDigit(unit) ? readNumber(scan) : readWord(scan)
  return isRead ? 'done' : 'wrong'
}

/** Opens a container and reads its first name, or takes it whole where it is empty. */
function enter(scan: Scan, isObject: boolean): Read {
  if (scan.open.length >= maxJsonDepth) return 'wrong'
  put(scan, isObject ? openBrace : openBracket)
  scan.at++
  skipSpace(scan)
  const closing = isObject ? closeBrace : closeBracket
  if (scan.bytes[scan.at] === closing) {
    put(scan, closing)
    scan.at++
    return 'done'
  }
  scan.open.push(isObject ? scan.marks.length : anArray)
  if (!isObject) return 'entered'
  scan.disorder.push(false)
  return readName(scan) ? 'entered' : 'wrong'
}

function readName(scan: Scan): boolean {
  const { bytes, marks, disorder } = scan
  skipSpace(scan)
  const start = scan.size
  if (!isQuote(bytes[scan.at] ?? 0) || !readString(scan)) return false
  marks.push(start, scan.size)
  const isFirst = marks.length - 2 === scan.open[scan.open.length - 1]
  if (!isFirst && !inOrder(scan, marks.length - 4, marks.length - 2)) disorder[disorder.length - 1] = true
  skipSpace(scan)
  put(scan, colon)
  return bytes[scan.at++] === colon
}

function close(scan: Scan, isObject: boolean): boolean {
  const from = scan.open.pop() ?? anArray
  if (!isObject) {
    put(scan, closeBracket)
    return true
  }
  if (scan.disorder.pop() === true && !sortMembers(scan, from)) return false
  scan.marks.length = from
  put(scan, closeBrace)
  return true
}

function isExactJson(value: unknown, depth: number, left: Left): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return isExactNumber(value)
    case 'object':
      return value === null || (depth < maxJsonDepth && isExactContainer(value, depth + 1, left))
    default:
      return false
  }
}

function isExactContainer(value: object, depth: number, left: Left): boolean {
  if (Array.isArray(value)) {
    if (Object.keys(value).length !== value.length) return false
    return value.every((element) => isExactJson(element, depth, left))
  }
  if (!isPlainObject(value) || Object.getOwnPropertySymbols(value).length > 0) return false
  const members = Object.values(value)
  left.members -= members.length
  return left.members >= 0 && members.every((member) => member === undefined || isExactJson(member, depth, left))
}

/** The smallest double that has all of its digits. */
const smallestNormal = 2.2250738585072014e-308

function isExactNumber(value: number): boolean {
  if (Number.isSafeInteger(value)) return true
  if (!Number.isFinite(value) || Math.abs(value) < smallestNormal) return false
  const text = String(value)
  const end = text.indexOf('e')
  const digits = (end < 0 ? text : text.slice(0, end)).replace(/[-.]/g, '').replace(/^0+|0+$/g, '')
  return digits.length <= 15
}
