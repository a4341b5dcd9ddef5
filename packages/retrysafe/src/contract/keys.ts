import { RetrysafeError } from './errors.js'
import { maxKeyCodePoints, maxStoreKeyBytes } from './limits.js'
import { utf8Length } from './values.js'

export interface StoreKeyOptions {
  /** Whose key it is. Absent or a non-empty string: an own property that is undefined, null or '' is refused. */
  scope?: string
  /** Who uses it: keeps users of one store apart. */
  space?: string
}

const plain = /^[\x20-\x7e]+$/
const control = /\p{Cc}/u

/**
 * The key under which a store keeps an operation. `%` and `/` are percent-escaped in each part, and parts are joined by
 * `/`: `key`, `scope/key`, `space/scope/key`, and `space//key` without a scope. Nothing collides, and `tenant-7/` is a
 * prefix to list by.
 *
 * Limits: the key 1 to 255 code points; space and scope together as many. Control characters and lone surrogates are
 * refused. Any other Unicode is compared byte for byte: no case folding, no normal forms.
 *
 * @throws `invalid_key` for the key, `invalid_option` for scope and space.
 * @example
 * ```ts
 * import { storeKey } from 'retrysafe'
 *
 * storeKey('charge-42', { scope: 'tenant-7' }) // 'tenant-7/charge-42'
 * ```
 */
export function storeKey(key: string, options: StoreKeyOptions = {}): string {
  checkPart(key, 'invalid_key', 'The idempotency key')
  const scope = readPart(options, 'scope')
  const space = readPart(options, 'space')
  if (scope === undefined && space === undefined) return escapePart(key)
  if (codePoints(scope ?? '') + codePoints(space ?? '') > maxKeyCodePoints)
    throw new RetrysafeError(
      'invalid_option',
      `space and scope together have more than ${maxKeyCodePoints} code points: use shorter ones, or a digest.`,
    )
  const scoped = `${scope === undefined ? '' : escapePart(scope)}/${escapePart(key)}`
  return space === undefined ? scoped : `${escapePart(space)}/${scoped}`
}

/** Refuses what no store may be asked for: 1 to 2,042 bytes of UTF-8 without control characters and lone surrogates. */
export function checkStoreKey(key: unknown): asserts key is string {
  if (typeof key === 'string' && key.length <= maxStoreKeyBytes && plain.test(key)) return
  const problem = describeProblem(key) ?? (utf8Length(key as string) > maxStoreKeyBytes ? tooLong : undefined)
  if (problem !== undefined) throw new RetrysafeError('invalid_key', `The store key ${problem}.`)
}

const tooLong = `has more than ${maxStoreKeyBytes} bytes of UTF-8`

function readPart(options: StoreKeyOptions, name: 'scope' | 'space'): string | undefined {
  if (!Object.hasOwn(options, name)) return undefined
  const part = options[name]
  checkPart(part, 'invalid_option', name)
  return part
}

function checkPart(part: unknown, code: 'invalid_key' | 'invalid_option', name: string): asserts part is string {
  if (typeof part === 'string' && part.length <= maxKeyCodePoints && plain.test(part)) return
  const long = `has more than ${maxKeyCodePoints} code points`
  const problem = describeProblem(part) ?? (codePoints(part as string) > maxKeyCodePoints ? long : undefined)
  if (problem === undefined) return
  const advice = code === 'invalid_key' ? '' : '; leave it out, or give a non-empty string'
  throw new RetrysafeError(code, `${name} ${problem}${advice}.`)
}

function describeProblem(part: unknown): string | undefined {
  if (part === undefined || part === null) return `is ${part}`
  if (typeof part !== 'string') return `is not a string but ${Array.isArray(part) ? 'an array' : `a ${typeof part}`}`
  if (part === '') return 'is empty'
  if (!part.isWellFormed()) return 'has a lone surrogate, which is no character'
  if (control.test(part)) return 'has a control character'
  return undefined
}

function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function escapePart(part: string): string {
  return /[%/]/.test(part) ? part.replaceAll('%', '%25').replaceAll('/', '%2F') : part
}
