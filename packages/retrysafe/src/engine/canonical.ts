/* One text for every value that means the same. It is what fingerprints are made of, so it may never change. */
import { isBytes, maxJsonDepth, RetrysafeError } from '../contract/index.js'
import { digestText } from './digest.js'

/**
 * The exact decimal form of a JSON number: an integer without trailing zeros and a power of ten. `1`, `1.0`, `1e0` and
 * `10e-1` are `1`; `100` is `1e2`; `-0.50` is `-5e-1`; `-0` is `0`. It never goes through a double, and never expands an
 * exponent, so that the work is linear in the length of the text.
 *
 * The text must be a number by the grammar of JSON (RFC 8259).
 */
export function canonicalNumber(text: string): string {
  const negative = text.charCodeAt(0) === minus
  let at = negative ? 1 : 0
  const wholeFrom = at
  while (isDigit(text.charCodeAt(at))) at++
  let digits = text.slice(wholeFrom, at)
  let exponent = 0
  if (text.charCodeAt(at) === point) {
    const from = at + 1
    at = from
    while (isDigit(text.charCodeAt(at))) at++
    digits += text.slice(from, at)
    exponent = from - at
  }
  const from = firstOther(digits)
  if (from === digits.length) return '0'
  let until = digits.length
  while (digits.charCodeAt(until - 1) === zero) until--
  exponent += digits.length - until
  const power = at === text.length ? String(exponent) : addDecimal(text.slice(at + 1), exponent)
  const sign = negative ? '-' : ''
  return `${sign}${digits.slice(from, until)}${power === '0' ? '' : `e${power}`}`
}

const zero = 0x30
const nine = 0x39
const point = 0x2e
const minus = 0x2d
const plus = 0x2b

function isDigit(unit: number): boolean {
  return unit >= zero && unit <= nine
}

/** Where the first character stands that is no zero. */
function firstOther(digits: string): number {
  let at = 0
  while (digits.charCodeAt(at) === zero) at++
  return at
}

/** Digits that a double adds exactly. */
const exactDigits = 15
const exactLimit = 10 ** exactDigits

/** Adds a small number to an integer of any length, in time linear in its digits (BigInt would be quadratic). */
function addDecimal(signed: string, small: number): string {
  const first = signed.charCodeAt(0)
  const unsigned = first === minus || first === plus ? signed.slice(1) : signed
  const digits = unsigned.slice(firstOther(unsigned))
  if (digits.length <= exactDigits) return String(Number(digits) * (first === minus ? -1 : 1) + small)
  // The integer is larger than the small number could be, so its sign stays and only its magnitude moves.
  const low = Number(digits.slice(-exactDigits)) + (first === minus ? -small : small)
  const high = digits.slice(0, -exactDigits)
  const carry = Math.floor(low / exactLimit)
  const lowDigits = String(low - carry * exactLimit).padStart(exactDigits, '0')
  const moved = carry === 0 ? high : step(high, carry > 0)
  const magnitude = moved + lowDigits
  return `${first === minus ? '-' : ''}${magnitude.slice(firstOther(magnitude))}`
}

/** A positive integer plus or minus one, as decimal digits. */
function step(digits: string, up: boolean): string {
  const [edge, opposite] = up ? [nine, '0'] : [zero, '9']
  let at = digits.length - 1
  while (at >= 0 && digits.charCodeAt(at) === edge) at--
  const tail = opposite.repeat(digits.length - 1 - at)
  if (at < 0) return `1${tail}`
  return digits.slice(0, at) + String.fromCharCode(digits.charCodeAt(at) + (up ? 1 : -1)) + tail
}

/**
 * The canonical text of a value that a caller gives as its fingerprint: JSON with members sorted by code units, numbers
 * as exact decimals, strings escaped as `JSON.stringify` does, and no white space. Members that are `undefined` are left
 * out; a `bigint` is the number that it is; what has a `toJSON` (a `Date`, a `URL`, a decimal) counts as what that
 * gives; a `Uint8Array` counts by its digest.
 *
 * @throws `invalid_option`, with the path, for what would make two different values alike: NaN, functions, symbols, Map,
 * Set, objects with behaviour, `undefined` in an array, cycles, more than 1,000 levels.
 */
export function canonicalValue(value: unknown): string {
  return write(value, { path: [], parents: new Set() })
}

interface Walk {
  readonly path: (string | number)[]
  readonly parents: Set<object>
}

function write(value: unknown, walk: Walk): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      if (!Number.isFinite(value)) refuse(walk, `is ${value}, which equals nothing`)
      return canonicalNumber(String(value))
    case 'bigint':
      return canonicalNumber(String(value))
    case 'object':
      return value === null ? 'null' : writeObject(value, walk)
    default:
      return refuse(walk, value === undefined ? 'is undefined' : `is a ${typeof value}`)
  }
}

function writeObject(given: object, walk: Walk): string {
  // Before toJSON, since a Buffer has one that spells every byte.
  if (isBytes(given)) return `bytes"${digestText(given)}"`
  if (walk.parents.has(given)) refuse(walk, 'refers to itself')
  if (walk.parents.size >= maxJsonDepth) refuse(walk, `is nested deeper than ${maxJsonDepth} levels`)
  walk.parents.add(given)
  const text = writeMembers(given, walk)
  walk.parents.delete(given)
  return text
}

function writeMembers(given: object, walk: Walk): string {
  if (typeof (given as { toJSON?: unknown }).toJSON === 'function') {
    const json = (given as { toJSON(name: string): unknown }).toJSON(String(walk.path.at(-1) ?? ''))
    if (json === null && tagOf(given) === 'Date') refuse(walk, 'is an invalid Date, which equals nothing')
    // As in JSON.stringify, what toJSON gives is not asked for its toJSON again.
    return typeof json === 'object' && json !== null && !isBytes(json) ? writePlain(json, walk) : write(json, walk)
  }
  return writePlain(given, walk)
}

function writePlain(value: object, walk: Walk): string {
  if (Array.isArray(value)) return writeArray(value, walk)
  checkPlain(value, walk)
  let text = ''
  for (const name of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined) continue
    walk.path.push(name)
    // Added up and not joined, so that deep values are not copied once for every level.
    text += `${text === '' ? '{' : ','}${JSON.stringify(name)}:${write(member, walk)}`
    walk.path.pop()
  }
  return text === '' ? '{}' : `${text}}`
}

function writeArray(value: readonly unknown[], walk: Walk): string {
  if (Object.keys(value).length !== value.length) refuse(walk, 'is an array with holes or named members')
  let text = ''
  for (const [index, element] of value.entries()) {
    walk.path.push(index)
    text += `${text === '' ? '[' : ','}${write(element, walk)}`
    walk.path.pop()
  }
  return text === '' ? '[]' : `${text}]`
}

/** Refuses what keeps its state elsewhere than in its own members: two different ones would look alike. */
function checkPlain(value: object, walk: Walk): void {
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(walk, 'has members named by symbols')
  const tag = tagOf(value)
  if (tag !== 'Object') refuse(walk, `is a ${tag}`)
  for (let at: object | null = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
    if (isObjectPrototype(at)) return
    if (Reflect.ownKeys(at).some((own) => own !== 'constructor')) refuse(walk, 'is an object with behaviour')
  }
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1)
}

/** Whether the value is what an object literal or a JSON parser makes: no class, of any realm. */
export function isPlainObject(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || isObjectPrototype(prototype)
}

/** Object.prototype of this realm or another (a vm context, a test runner's sandbox). */
function isObjectPrototype(value: object): boolean {
  return Object.getPrototypeOf(value) === null && Object.hasOwn(value, 'hasOwnProperty')
}

function refuse(walk: Walk, why: string): never {
  const where = walk.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')
  throw new RetrysafeError(
    'invalid_option',
    `fingerprint${where} ${why}: it must be plain data (strings, finite numbers, booleans, null, arrays, objects), bytes, or have a toJSON method.`,
  )
}
