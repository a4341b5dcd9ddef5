import type { ScannableTable } from '../../../src/stores/cas.js'

export interface MapTable extends ScannableTable<string> {
  readonly entries: Map<string, { value: Uint8Array; version: string; expiresAt: number | undefined }>
  /** How often each method was called. */
  readonly calls: Record<'read' | 'put' | 'remove', number>
}

/** The smallest engine with conditional writes: a map, of which every process of a test has the same. */
export function mapTable(entries: MapTable['entries'] = new Map()): MapTable {
  let writes = 0
  const calls = { read: 0, put: 0, remove: 0 }
  const origin = crypto.randomUUID()
  return {
    entries,
    calls,
    name: 'The map',
    maxValueBytes: 100_000,
    async read(key) {
      calls.read++
      await undefined
      return entries.get(key)
    },
    async put(key, value, seen, expiresAt) {
      calls.put++
      await undefined
      if (entries.get(key)?.version !== seen) return false
      entries.set(key, { value, version: `${origin}-${++writes}`, expiresAt })
      return true
    },
    async remove(key, seen) {
      calls.remove++
      await undefined
      return entries.get(key)?.version === seen && entries.delete(key)
    },
    async *scan(prefix) {
      for (const [key, entry] of entries) if (key.startsWith(prefix)) yield { key, ...entry }
    },
  }
}
