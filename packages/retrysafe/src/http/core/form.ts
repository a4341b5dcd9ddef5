/* Bodies of HTML forms, told apart by what they say and not by how they are spelt. */

import { isUnicode, readText } from './form-text.js'
import { maxFields, type Pair, treeOf } from './form-tree.js'
import { canonicalParsed } from './json.js'

/**
 * The canonical text of an `application/x-www-form-urlencoded` body, the same as that of what a parser makes of it;
 * undefined where it is odd: then it counts byte by byte. The order of different names does not count, since parsed
 * objects do not keep it; that of the values of a name does.
 *
 * Besides names that are odd (see `treeOf`), odd are: another charset than UTF-8, bytes that are none, percent signs
 * that encode nothing, a byte order mark, a name without characters, and `]=` behind another `=`, where parsers
 * disagree about the end of the name.
 */
export function canonicalForm(bytes: Uint8Array, contentType: string): string | undefined {
  const text = isUnicode(contentType) ? readText(withSpaces(bytes)) : undefined
  const pairs = text === undefined ? undefined : readPairs(text)
  const tree = pairs === undefined ? undefined : treeOf(pairs)
  return tree === undefined ? undefined : canonicalParsed(tree)
}

function readPairs(text: string): Pair[] | undefined {
  const pairs: Pair[] = []
  const parts = text.split('&', maxFields + 1)
  if (parts.length > maxFields) return undefined
  for (const part of parts) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decode(equals < 0 ? part : part.slice(0, equals))
    const value = equals < 0 ? '' : decode(part.slice(equals + 1))
    if (name === undefined || value === undefined || !endsAtFirstEquals(part)) return undefined
    pairs.push([name, value])
  }
  return pairs
}

/** A plus is a space wherever it is not encoded. In text, millions of them would take seconds to replace. */
function withSpaces(bytes: Uint8Array): Uint8Array {
  return bytes.includes(plus) ? bytes.map((byte) => (byte === plus ? 0x20 : byte)) : bytes
}

const plus = 0x2b

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** `qs` ends a name at the first `]=`, brackets encoded or not, and others at the first `=`. */
function endsAtFirstEquals(part: string): boolean {
  const shown = part.replace(/%5d/gi, ']')
  const bracket = shown.indexOf(']=')
  return bracket < 0 || shown.indexOf('=') === bracket + 1
}
