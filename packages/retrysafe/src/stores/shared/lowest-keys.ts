/* A page in the byte order of keys, out of a scan that comes in any order. */
import { isListed, isOver, type Rec } from '../../contract/index.js'
import type { ListFilter } from './driver.js'
import { compareBytes } from './key-order.js'

type Listed = readonly [key: string, record: Rec]

export interface LowestKeys {
  /** Whether the key would be on the page, so far; asked before its record is read. */
  wants(key: string): boolean
  add(key: string, record: Rec): void
  /** The page, once all were added. */
  readonly page: readonly Listed[]
}

/** Keeps the first `limit` keys of those that the filter lets through, and never more at once. */
export function lowestKeys(filter: ListFilter, now: number, skewMs: number): LowestKeys {
  const { prefix = '', after, status, limit } = filter
  const page: Listed[] = []
  const wants = (key: string): boolean => {
    if (!key.startsWith(prefix) || (after !== undefined && compareBytes(key, after) <= 0)) return false
    const last = page.length < limit ? undefined : page.at(-1)
    return last === undefined || compareBytes(key, last[0]) < 0
  }
  return {
    page,
    wants,
    add(key, record) {
      if (!wants(key) || isOver(record, now, skewMs) || !isListed(record, status, now, skewMs)) return
      const at = firstAbove(page, key)
      // A scan that goes on while keys are written may show one twice.
      if (page[at - 1]?.[0] === key) return
      page.splice(at, 0, [key, record])
      if (page.length > limit) page.pop()
    },
  }
}

/** Where the key belongs: behind all that are not above it. */
function firstAbove(page: readonly Listed[], key: string): number {
  let [low, high] = [0, page.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareBytes(page[middle]?.[0] ?? '', key) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
