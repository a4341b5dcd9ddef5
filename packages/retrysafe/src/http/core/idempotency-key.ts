import { maxKeyCodePoints } from '../../contract/index.js'

/** What the `Idempotency-Key` field of a request says. */
export type ReadKey =
  | { readonly status: 'none' }
  | { readonly status: 'key'; readonly key: string }
  /** `reason` says what would do, for the client to read. */
  | { readonly status: 'invalid'; readonly reason: string }

/** Visible ASCII without `"`, `\`, `,` and `;`. */
const bare = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/

/**
 * Reads the `Idempotency-Key` field: a string by RFC 9651, or the same characters bare, as almost everybody sends it.
 * `"abc"` and `abc` are one key.
 *
 * @param lines every field line of that name, as received; a list joined by commas is found out too.
 */
export function readIdempotencyKey(lines: readonly string[]): ReadKey {
  const [line] = lines
  if (line === undefined) return { status: 'none' }
  if (lines.length > 1) return invalid('is there more than once: send it once')
  const text = trimSpace(line)
  if (text === '') return invalid(empty)
  const read = text.startsWith('"') ? readQuoted(text) : readBare(text)
  if (read.status !== 'key') return read
  if (read.key === '') return invalid(empty)
  return read.key.length > maxKeyCodePoints ? invalid(tooLong) : read
}

const empty = `is empty: send a key of 1 to ${maxKeyCodePoints} characters, such as a UUID`
const tooLong = `has more than ${maxKeyCodePoints} characters: send a shorter key, such as a UUID`

/** Without the spaces and tabs around it. Other white space is no part of a field's syntax and stays. */
function trimSpace(line: string): string {
  let from = 0
  let until = line.length
  while (isSpace(line.charCodeAt(from))) from++
  while (until > from && isSpace(line.charCodeAt(until - 1))) until--
  return line.slice(from, until)
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

function readBare(text: string): ReadKey {
  if (bare.test(text)) return { status: 'key', key: text }
  if (!isAscii(text)) return invalid(notAscii)
  if (text.includes(',')) return invalid('is a list: send one key, and put it in double quotes if it has a comma')
  if (text.includes(';')) return invalid('has parameters: send the key alone, in double quotes if it has a semicolon')
  return invalid(
    'has a space, a double quote or a backslash: put the key in double quotes, with a backslash before each double quote and backslash in it',
  )
}

/** An sf-string (RFC 9651, 3.3.3), and nothing after it. */
function readQuoted(text: string): ReadKey {
  if (!isAscii(text)) return invalid(notAscii)
  let key = ''
  for (let at = 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === '"') return at === text.length - 1 ? { status: 'key', key } : readRest(text.slice(at + 1))
    if (character !== '\\') {
      key += character
      continue
    }
    at++
    const escaped = text.charAt(at)
    if (escaped !== '"' && escaped !== '\\')
      return invalid('has a backslash before something else than a double quote or a backslash: double that backslash')
    key += escaped
  }
  return invalid('begins with a double quote that is never closed: close it, or send the key without quotes')
}

function readRest(rest: string): ReadKey {
  const next = rest.trimStart()
  if (next.startsWith(',')) return invalid('is a list: send one key')
  if (next.startsWith(';')) return invalid('has parameters: send the key alone')
  return invalid('goes on after its closing double quote: put a backslash before each double quote in the key')
}

const notAscii = 'has characters other than visible ASCII and spaces: send a key of those, such as a UUID'

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}

function invalid(problem: string): ReadKey {
  return { status: 'invalid', reason: `The Idempotency-Key field ${problem}.` }
}
