import { isListed, isOver, type Rec } from '../../contract/index.js'
import type { ListFilter } from '../shared/driver.js'
import { compareBytes } from '../shared/key-order.js'
import type { Port } from './client.js'
import type { FullPrefix } from './names.js'
import { toText } from './replies.js'
import type { RedisCalls } from './table.js'

/** Keys that one SCAN looks at. */
const keysPerScan = 1000

type Listed = readonly [key: string, record: Rec]

/** Looks at every key of every master once, and holds no more records than the page. */
export async function listRecords(
  port: Port,
  calls: Pick<RedisCalls, 'readLean'>,
  fullPrefix: FullPrefix,
  filter: ListFilter,
): Promise<readonly Listed[]> {
  const page = new Map<string, Rec>()
  let last: string | undefined
  const before = await fullPrefix()
  const match = `${escapeGlob(before + (filter.prefix ?? ''))}*`
  const consider = async (key: string): Promise<void> => {
    const { record, now } = await calls.readLean(key)
    if (record === undefined || isOver(record, now) || !isListed(record, filter.status, now)) return
    page.set(key, record)
  }
  for (const master of await port.masters()) {
    let cursor = '0'
    do {
      const found = await master.scan(cursor, match, keysPerScan)
      cursor = found.cursor
      const keys = found.keys.map((key) => toText(key).slice(before.length))
      const wanted = keys.filter((key) => isBetween(key, filter.after, last))
      await Promise.all(wanted.map(consider))
      if (page.size > filter.limit) {
        const sorted = [...page.keys()].sort(compareBytes)
        for (const key of sorted.splice(filter.limit)) page.delete(key)
        last = sorted.at(-1)
      }
    } while (cursor !== '0')
  }
  return [...page].sort(([one], [other]) => compareBytes(one, other)).slice(0, filter.limit)
}

function isBetween(key: string, after: string | undefined, last: string | undefined): boolean {
  return (after === undefined || compareBytes(key, after) > 0) && (last === undefined || compareBytes(key, last) < 0)
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&')
}
