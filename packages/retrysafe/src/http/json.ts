/* Request bodies in JSON, told apart by what they say and not by how they are spelt. */
import { maxJsonDepth } from '../contract/index.js'
import { canonicalNumber, canonicalValue, isPlainObject } from '../engine/canonical.js'

/** Larger bodies count byte by byte: their canonical text and its pieces would take many times their size. */
const maxCanonicalBytes = 64 * 1024 * 1024

/**
 * The canonical text of strict JSON, or undefined where it is not strict: then the body counts byte by byte. Strict is
 * RFC 8259 in UTF-8 without a byte order mark (which it forbids to send, and parsers treat differently), with unique
 * member names after unescaping, no lone surrogates (which no UTF-8 could hold) and up to 1,000 levels.
 *
 * Members stand in the order of their code units, numbers are exact decimals and never go through a double, strings are
 * escaped as `JSON.stringify` does, and there is no white space.
 */
export function canonicalJson(bytes: Uint8Array): string | undefined {
  const text = bytes.length > maxCanonicalBytes ? undefined : decode(bytes)
  if (text === undefined) return undefined
  const scan: Scan = { text, at: 0 }
  const open: Container[] = []
  for (;;) {
    skipSpace(scan)
    let done = beginsContainer(scan) ? enter(scan, open) : readScalar(scan)
    if (done === entered) continue
    for (;;) {
      if (done === undefined) return undefined
      skipSpace(scan)
      const parent = open[open.length - 1]
      if (parent === undefined) return scan.at === text.length ? done : undefined
      parent.texts.push(done)
      const unit = text.charCodeAt(scan.at++)
      if (unit === comma) {
        if (parent.names !== undefined && !readName(scan, parent.names)) return undefined
        break
      }
      if (unit !== (parent.names === undefined ? closeBracket : closeBrace)) return undefined
      open.pop()
      done = close(parent)
    }
  }
}

/**
 * The canonical text of a body that a parser read before us, equal to `canonicalJson` of its source; undefined where it
 * is no JSON or where the parser may have changed a number: one that is no safe integer and has more than 15
 * significant digits, or is so near zero that doubles hold fewer.
 */
export function canonicalParsed(value: unknown): string | undefined {
  return isExactJson(value, 0) ? canonicalValue(value) : undefined
}

interface Scan {
  readonly text: string
  at: number
}

interface Container {
  /** Undefined for an array. */
  readonly names: string[] | undefined
  readonly texts: string[]
}

/** Not a text that any value has: a container was opened, and its first value comes next. */
const entered = 'entered'

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

function decode(bytes: Uint8Array): string | undefined {
  try {
    // With ignoreBOM a byte order mark stays in the text, where the grammar has no place for it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function skipSpace(scan: Scan): void {
  for (;;) {
    const unit = scan.text.charCodeAt(scan.at)
    if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
    scan.at++
  }
}

function beginsContainer(scan: Scan): boolean {
  const unit = scan.text.charCodeAt(scan.at)
  return unit === openBrace || unit === openBracket
}

/** Opens a container and reads its first name, or gives its text where it is empty. */
function enter(scan: Scan, open: Container[]): string | undefined {
  if (open.length >= maxJsonDepth) return undefined
  const isObject = scan.text.charCodeAt(scan.at++) === openBrace
  skipSpace(scan)
  if (scan.text.charCodeAt(scan.at) === (isObject ? closeBrace : closeBracket)) {
    scan.at++
    return isObject ? '{}' : '[]'
  }
  const container: Container = { names: isObject ? [] : undefined, texts: [] }
  open.push(container)
  return container.names === undefined || readName(scan, container.names) ? entered : undefined
}

function readName(scan: Scan, names: string[]): boolean {
  skipSpace(scan)
  const token = scan.text.charCodeAt(scan.at) === quote ? readString(scan) : undefined
  if (token === undefined) return false
  names.push(token)
  skipSpace(scan)
  return scan.text.charCodeAt(scan.at++) === colon
}

/** The text of a whole container, or undefined where a name is there twice. */
function close(container: Container): string | undefined {
  const { names, texts } = container
  if (names === undefined) return `[${texts.join(',')}]`
  const order = sortedOrder(names)
  if (order === undefined) return undefined
  return `{${order.map((index) => `${names[index]}:${texts[index]}`).join(',')}}`
}

/** The indices of the names in the order of their code units; undefined where two are equal. */
function sortedOrder(names: readonly string[]): number[] | undefined {
  // Names are canonical tokens: an escape in one must not decide the order, so those are compared as what they mean.
  const keys = names.map((name) => (name.includes('\\') ? (JSON.parse(name) as string) : name.slice(1, -1)))
  const order = keys.map((_, index) => index)
  let isSorted = true
  for (let index = 1; index < keys.length && isSorted; index++) isSorted = less(keys, index - 1, index)
  if (isSorted) return order
  order.sort((a, b) => (less(keys, a, b) ? -1 : 1))
  for (let index = 1; index < order.length; index++)
    if (!less(keys, order[index - 1] ?? 0, order[index] ?? 0)) return undefined
  return order
}

function less(keys: readonly string[], a: number, b: number): boolean {
  return (keys[a] ?? '') < (keys[b] ?? '')
}

function readScalar(scan: Scan): string | undefined {
  const unit = scan.text.charCodeAt(scan.at)
  if (unit === quote) return readString(scan)
  if (unit === 0x2d || isDigit(unit)) return readNumber(scan)
  for (const word of ['true', 'false', 'null']) {
    if (!scan.text.startsWith(word, scan.at)) continue
    scan.at += word.length
    return word
  }
  return undefined
}

function readString(scan: Scan): string | undefined {
  const { text } = scan
  const from = scan.at
  let escaped = false
  for (let at = from + 1; ; at++) {
    const unit = text.charCodeAt(at)
    if (unit === quote) {
      scan.at = at + 1
      const token = text.slice(from, at + 1)
      return escaped ? respell(token) : token
    }
    if (unit === backslash) {
      escaped = true
      at++
    } else if (!(unit >= 0x20)) return undefined // a control character, or the end of the text (NaN)
  }
}

/** The one way in which a string with escapes is written. */
function respell(token: string): string | undefined {
  try {
    const value = JSON.parse(token) as string
    return value.isWellFormed() ? JSON.stringify(value) : undefined
  } catch {
    return undefined
  }
}

function readNumber(scan: Scan): string | undefined {
  const { text } = scan
  const from = scan.at
  let at = from
  if (text.charCodeAt(at) === 0x2d) at++
  const whole = at
  at = skipDigits(text, at)
  if (at === whole || (text.charCodeAt(whole) === 0x30 && at > whole + 1)) return undefined
  const isPlain = text.charCodeAt(at - 1) !== 0x30
  const end = skipFraction(text, at)
  if (end === undefined) return undefined
  scan.at = end
  const token = text.slice(from, end)
  return isPlain && end === at ? token : canonicalNumber(token)
}

/** Past the fraction and the exponent that may follow an integer. */
function skipFraction(text: string, from: number): number | undefined {
  let at = from
  if (text.charCodeAt(at) === 0x2e) {
    const fraction = at + 1
    at = skipDigits(text, fraction)
    if (at === fraction) return undefined
  }
  if ((text.charCodeAt(at) | 0x20) !== 0x65) return at
  at++
  const sign = text.charCodeAt(at)
  if (sign === 0x2b || sign === 0x2d) at++
  const end = skipDigits(text, at)
  return end === at ? undefined : end
}

function skipDigits(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}

function isExactJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return isExactNumber(value)
    case 'object':
      return value === null || (depth < maxJsonDepth && isExactContainer(value, depth + 1))
    default:
      return false
  }
}

function isExactContainer(value: object, depth: number): boolean {
  if (Array.isArray(value)) {
    if (Object.keys(value).length !== value.length) return false
    return value.every((element) => isExactJson(element, depth))
  }
  if (!isPlainObject(value) || Object.getOwnPropertySymbols(value).length > 0) return false
  return Object.values(value).every((member) => member === undefined || isExactJson(member, depth))
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
