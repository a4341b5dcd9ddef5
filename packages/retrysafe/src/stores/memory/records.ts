import {
  encodedBytes,
  isListed,
  isOver,
  type ListedRecord,
  type ListPage,
  type ListQuery,
  type Rec,
  RetrysafeError,
  toListed,
  utf8Length,
} from '../../contract/index.js'
import { compareBytes } from '../shared/key-order.js'
import { createExpiryQueue, type Expiring, type ExpiryQueue } from './expiry.js'

/** What an entry takes besides its strings: the record, its numbers, its places in the map and the queue. */
const overheadBytes = 512
/** Room that a claim keeps for its completion: 100,000 claims reserve little more than the default bound. */
const reservedBytes = 2048

export interface Entry extends Expiring {
  readonly key: string
  readonly keyBytes: number
  record: Rec
  bytes: number
}

export interface Bounds {
  readonly maxEntries: number
  readonly maxBytes: number
  /** Drop the oldest completed keys rather than refuse. */
  readonly evicts: boolean
}

/** The records of one store, what they take, and in which order they may go. */
export interface Shelf {
  readonly bounds: Bounds
  readonly entries: Map<string, Entry>
  /** All but those that are kept until settled. */
  readonly expiries: ExpiryQueue<Entry>
  /** Completed entries, oldest first. Only kept where they may be evicted. */
  readonly completed: Set<Entry>
  /** Goes on where it stood: a Set is slow to find its first member after many were deleted from its front. */
  oldest: Iterator<Entry>
  bytes: number
  completedBytes: number
  /** Hears of keys that were removed to make room. */
  readonly onEvict: (key: string) => void
}

export function createShelf(bounds: Bounds, onEvict: (key: string) => void): Shelf {
  const completed = new Set<Entry>()
  return {
    bounds,
    entries: new Map(),
    expiries: createExpiryQueue(),
    completed,
    oldest: completed.values(),
    bytes: 0,
    completedBytes: 0,
    onEvict,
  }
}

/** Writes what `begin` decided; throws `store_full` where there is no room, and changes nothing. */
export function putClaim(shelf: Shelf, key: string, entry: Entry | undefined, record: Rec, now: number): void {
  if (put(shelf, key, entry, record, now)) return
  const { maxEntries, maxBytes, evicts } = shelf.bounds
  const why = evicts ? 'all of it is held by live claims' : "raise the bounds, or set whenFull: 'evict'"
  throw new RetrysafeError(
    'store_full',
    `The memory store is full (maxEntries ${maxEntries}, maxBytes ${maxBytes}): ${why}. Nothing was claimed.`,
    { key },
  )
}

/** Writes what a later call decided; throws `value_too_large` where it does not fit, and changes nothing. */
export function putValue(shelf: Shelf, key: string, entry: Entry | undefined, record: Rec, now: number): void {
  if (put(shelf, key, entry, record, now)) return
  const { maxBytes } = shelf.bounds
  throw new RetrysafeError(
    'value_too_large',
    `The value does not fit what is left of the memory store's maxBytes (${maxBytes}). Nothing was changed.`,
    { key },
  )
}

/** Removes up to `limit` records past retention, those first that ended first. */
export function sweep(shelf: Shelf, now: number, limit: number): number {
  for (let swept = 0; swept < limit; swept++) {
    const first = shelf.expiries.first()
    if (first === undefined || !isOver(first.record, now)) return swept
    drop(shelf, first)
  }
  return limit
}

export function listPage(shelf: Shelf, query: ListQuery & { limit: number }, now: number): ListPage {
  const { prefix = '', cursor, status, limit } = query
  const page: Entry[] = []
  for (const entry of shelf.entries.values()) {
    const { key, record } = entry
    if (!key.startsWith(prefix) || (cursor !== undefined && compareBytes(key, cursor) <= 0)) continue
    if (isOver(record, now) || !isListed(record, status, now)) continue
    const last = page[limit]
    if (last !== undefined && compareBytes(key, last.key) > 0) continue
    page.splice(placeOf(page, key), 0, entry)
    if (page.length > limit + 1) page.pop() // one more than the page tells whether there is a next one
  }
  const records: ListedRecord[] = page.slice(0, limit).map((entry) => toListed(entry.key, entry.record))
  const last = records.at(-1)
  return page.length > limit && last !== undefined ? { records, cursor: last.key } : { records }
}

/** False where there is no room, even without all that may go. */
function put(shelf: Shelf, key: string, known: Entry | undefined, record: Rec, now: number): boolean {
  const keyBytes = known === undefined ? utf8Length(key) : known.keyBytes
  const bytes = keyBytes + bytesOf(record)
  let entry = known
  if (!fits(shelf, entry, bytes)) {
    if (!makeRoom(shelf, key, bytes, now)) return false
    entry = shelf.entries.get(key) // it may have been over, and gone
  }
  if (entry === undefined) {
    entry = { key, keyBytes, record, bytes, expiresAt: 0, place: -1 }
    shelf.entries.set(key, entry)
    shelf.bytes += bytes
  } else {
    shelf.completed.delete(entry)
    shelf.bytes += bytes - entry.bytes
    if (entry.record.status === 'completed') shelf.completedBytes -= entry.bytes
    entry.record = record
    entry.bytes = bytes
  }
  if (record.status === 'completed') {
    shelf.completedBytes += bytes
    if (shelf.bounds.evicts) shelf.completed.add(entry)
  }
  if (record.expiresAt === undefined) {
    shelf.expiries.remove(entry)
  } else {
    entry.expiresAt = record.expiresAt
    shelf.expiries.put(entry)
  }
  return true
}

function fits(shelf: Shelf, known: Entry | undefined, bytes: number): boolean {
  const { maxEntries, maxBytes } = shelf.bounds
  if (known === undefined) return shelf.entries.size < maxEntries && shelf.bytes + bytes <= maxBytes
  return shelf.bytes + bytes - known.bytes <= maxBytes
}

/** Removes what is past retention, then, where it may and where that will do, completed keys, oldest first. */
function makeRoom(shelf: Shelf, key: string, bytes: number, now: number): boolean {
  while (sweep(shelf, now, 1) > 0) if (fits(shelf, shelf.entries.get(key), bytes)) return true
  const { evicts, maxBytes } = shelf.bounds
  const known = shelf.entries.get(key)
  if (!evicts || shelf.bytes - shelf.completedBytes + bytes - (known?.bytes ?? 0) > maxBytes) return false
  for (let oldest = oldestCompleted(shelf); oldest !== undefined; oldest = oldestCompleted(shelf)) {
    drop(shelf, oldest)
    shelf.onEvict(oldest.key)
    if (fits(shelf, known, bytes)) return true
  }
  return false
}

function oldestCompleted(shelf: Shelf): Entry | undefined {
  const next = shelf.oldest.next()
  if (!next.done) return next.value
  shelf.oldest = shelf.completed.values()
  return shelf.oldest.next().value
}

export function drop(shelf: Shelf, entry: Entry): void {
  shelf.entries.delete(entry.key)
  shelf.expiries.remove(entry)
  shelf.completed.delete(entry)
  shelf.bytes -= entry.bytes
  if (entry.record.status === 'completed') shelf.completedBytes -= entry.bytes
}

/** What a record takes, with the room that its completion will need. */
function bytesOf(record: Rec): number {
  const { token, fingerprint, kind, response, checkpoint, status } = record
  let bytes = overheadBytes + (token?.length ?? 0) + (fingerprint?.length ?? 0) + (kind?.length ?? 0)
  if (status === 'in_progress') bytes += reservedBytes
  if (response !== undefined) bytes += encodedBytes(response)
  if (checkpoint !== undefined) bytes += encodedBytes(checkpoint)
  return bytes
}

function placeOf(page: readonly Entry[], key: string): number {
  let low = 0
  let high = page.length
  while (low < high) {
    const middle = (low + high) >> 1
    const entry = page[middle]
    if (entry !== undefined && compareBytes(entry.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
