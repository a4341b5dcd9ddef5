import { RetrysafeError } from './errors.js'
import { maxJsonDepth } from './limits.js'
import type { Storable, StoredValue } from './types.js'

/**
 * A value as stores keep it: JSON text, or bytes. JSON text from here is plain Unicode without NUL and without lone
 * surrogates, since JSON escapes both, so every engine keeps it unaltered.
 */
export type Encoded = string | Uint8Array

const utf8 = new TextEncoder()

/**
 * Turns a value into what is kept, or refuses it with `value_not_serialisable` and the path of what JSON would change:
 * `undefined` in an array, NaN, BigInt, Date, Map, a class with methods, a cycle. Bytes are copied, unless given away.
 */
export function encodeValue(value: Storable): Encoded {
  if (isBytes(value)) return given in value ? value : new Uint8Array(value)
  const negativeZero = check(value, [], [])
  if (!negativeZero) return JSON.stringify(value)
  // JSON text can hold -0 and JSON.parse reads it, only JSON.stringify loses it.
  return write(value)
}

const given: unique symbol = Symbol.for('retrysafe.given')

/** Says that nobody else holds these bytes or will change them, so that whoever stores them needs no copy. */
export function giveAway(bytes: Uint8Array): Uint8Array {
  const marked: Uint8Array & { [given]?: true } = bytes
  marked[given] = true
  return bytes
}

/** Gives back an own copy of what was stored. */
export function decodeValue(encoded: Encoded): StoredValue {
  return typeof encoded === 'string' ? (JSON.parse(encoded) as StoredValue) : new Uint8Array(encoded)
}

/** How many bytes the value takes where it is kept. */
export function encodedBytes(encoded: Encoded): number {
  return typeof encoded === 'string' ? utf8Length(encoded) : encoded.byteLength
}

/** Whether the value is a Uint8Array, of any realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]'
}

/** UTF-8 bytes of a string; a short one is counted without being encoded. */
export function utf8Length(text: string): number {
  if (text.length > 4096) return utf8.encode(text).byteLength
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}

/** Walks the value; true where it holds a -0. */
function check(value: unknown, path: (string | number)[], parents: object[]): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return false
    case 'number':
      if (!Number.isFinite(value)) refuse(path, `is ${value}, which JSON cannot hold`)
      return Object.is(value, -0)
    case 'object':
      return value !== null && checkObject(value, path, parents)
    default:
      return refuse(path, `is ${value === undefined ? 'undefined' : `a ${typeof value}`}, which JSON cannot hold`)
  }
}

function checkObject(value: object, path: (string | number)[], parents: object[]): boolean {
  if (parents.includes(value)) refuse(path, 'refers to itself')
  if (parents.length >= maxJsonDepth) refuse(path, `is nested deeper than ${maxJsonDepth} levels`)
  const isArray = Array.isArray(value)
  const names = Object.keys(value)
  if (isArray && names.length !== value.length) refuse(path, 'is an array with holes or named members')
  if (!isArray) checkPlain(value, path)
  parents.push(value)
  let negativeZero = false
  for (const name of names) {
    const member = (value as Record<string, unknown>)[name]
    if (member === undefined && !isArray) continue // left out, as JSON does
    path.push(isArray ? Number(name) : name)
    if (check(member, path, parents)) negativeZero = true
    path.pop()
  }
  parents.pop()
  return negativeZero
}

function checkPlain(value: object, path: (string | number)[]): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    if (typeof (value as { toJSON?: unknown }).toJSON === 'function') refuse(path, 'has a toJSON method')
    if (Object.getOwnPropertySymbols(value).length > 0) refuse(path, 'has members named by symbols')
    return
  }
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name
  const described = typeof name === 'string' && name !== '' ? name : 'an unnamed class'
  if (ArrayBuffer.isView(value)) refuse(path, `is ${described}: bytes are kept only as the whole value`)
  // A class without members of its own on the prototype (a database row) is data; any other would lose its methods.
  for (let at: object | null = prototype as object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (isObjectPrototype(at)) return
    const behaviour = Reflect.ownKeys(at).find((own) => own !== 'constructor')
    if (behaviour !== undefined) refuse(path, `is an instance of ${described}, which a replay could not give back`)
  }
}

/** Object.prototype of this realm or another (a vm context, a test runner's sandbox). */
function isObjectPrototype(value: object): boolean {
  return Object.getPrototypeOf(value) === null && Object.hasOwn(value, 'hasOwnProperty')
}

function refuse(path: readonly (string | number)[], why: string): never {
  const where = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')
  throw new RetrysafeError(
    'value_not_serialisable',
    `The value${where} ${why}. Pass plain JSON data or bytes, or give a codec.`,
  )
}

/** JSON.stringify for a checked value, keeping -0. */
function write(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(',')}}`
}
