/* The order of an object's members, by the UTF-16 code units of their names, in text that is UTF-8. */
import type { Scan } from './json-scan.js'

/** Whether the member at the mark `a` surely comes before the one at `b`; otherwise `sortMembers` looks closer. */
export function inOrder(scan: Scan, a: number, b: number): boolean {
  return compareNames(scan, a, b) < 0
}

/**
 * Sorts the members from that mark on, which are the last thing in `out`. False where two have the same name, or where
 * this body was moved about too often, or has too many to sort.
 */
export function sortMembers(scan: Scan, from: number): boolean {
  const { out, marks } = scan
  const begin = mark(marks, from)
  const end = scan.size
  scan.movable -= end - begin
  scan.sortable -= (marks.length - from) / 2
  if (scan.movable < 0 || scan.sortable < 0) return false
  const order: number[] = []
  for (let at = from; at < marks.length; at += 2) order.push(at)
  const compare = comparison(scan, order)
  order.sort(compare)
  for (let index = 1; index < order.length; index++)
    if (compare(mark(order, index - 1), mark(order, index)) === 0) return false
  const members = out.slice(begin, end)
  let size = begin
  for (const at of order) {
    if (size > begin) out[size++] = comma
    const start = mark(marks, at)
    // Up to the comma before the next member, or to the end.
    const until = at + 2 < marks.length ? mark(marks, at + 2) - 1 : end
    out.set(members.subarray(start - begin, until - begin), size)
    size += until - start
  }
  return true
}

const comma = 0x2c
const backslash = 0x5c

function mark(from: readonly number[], index: number): number {
  return from[index] ?? 0
}

/** Not a number where an escape stands at the first difference, or before it. */
function compareNames({ out, marks }: Scan, a: number, b: number): number {
  // Between the quotes.
  let left = mark(marks, a) + 1
  let right = mark(marks, b) + 1
  const leftEnd = mark(marks, a + 1) - 1
  const rightEnd = mark(marks, b + 1) - 1
  for (; left < leftEnd && right < rightEnd; left++, right++) {
    const x = out[left] ?? 0
    const y = out[right] ?? 0
    if (x === backslash || y === backslash) return Number.NaN
    if (x !== y) return rank(x) - rank(y)
  }
  return leftEnd - left - (rightEnd - right)
}

/**
 * UTF-8 sorts as code points do. In code units, what is beyond U+FFFF (lead bytes F0 to F4) begins with a surrogate, and
 * so comes after U+D7FF (lead byte ED) and before U+E000 (lead byte EE).
 */
function rank(byte: number): number {
  return byte < 0xf0 ? byte : 0xed + (byte - 0xef) / 16
}

/** By bytes, or where any name has an escape left, by what the names mean. */
function comparison(scan: Scan, order: readonly number[]): (a: number, b: number) => number {
  if (!order.some((at) => hasEscape(scan, at))) return (a, b) => compareNames(scan, a, b)
  const decoder = new TextDecoder()
  const names = new Map<number, string>()
  for (const at of order) {
    const token = scan.out.subarray(mark(scan.marks, at), mark(scan.marks, at + 1))
    names.set(at, JSON.parse(decoder.decode(token)) as string)
  }
  return (a, b) => {
    const [left = '', right = ''] = [names.get(a), names.get(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}

function hasEscape({ out, marks }: Scan, at: number): boolean {
  const end = mark(marks, at + 1)
  for (let index = mark(marks, at); index < end; index++) if (out[index] === backslash) return true
  return false
}
