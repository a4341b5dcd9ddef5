/* A store for that engine: what it can do is said once, and all rules of the contract come with it. */
import type { Clock, IdempotencyStore, Inspectable } from 'retrysafe'
import { compareAndSwapStore } from 'retrysafe/cas'

export interface HttpKvStoreOptions {
  url: string
  clock?: Clock | undefined
}

export function httpKvStore({ url, clock }: HttpKvStoreOptions): IdempotencyStore & Inspectable {
  const at = (name: 'key' | 'prefix', value: string) => `${url}/?${new URLSearchParams({ [name]: value })}`

  /** Resolves whether the condition held. Anything else that the server says is an error. */
  async function write(key: string, init: RequestInit, seen: string | undefined): Promise<boolean> {
    const condition: Record<string, string> = seen === undefined ? { 'if-none-match': '*' } : { 'if-match': seen }
    const response = await fetch(at('key', key), { ...init, headers: condition })
    await response.arrayBuffer()
    if (response.status === 412) return false
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    return true
  }

  return compareAndSwapStore(
    {
      name: `The key-value server ${url}`,
      maxValueBytes: 1024 * 1024,
      async read(key) {
        const response = await fetch(at('key', key))
        const value = new Uint8Array(await response.arrayBuffer())
        if (response.status === 404) return undefined
        if (!response.ok) throw new Error(`HTTP ${response.status}`)
        return { value, version: response.headers.get('etag') ?? '' }
      },
      // This engine forgets nothing by itself, so that expiresAt is of no use to it: `purge` walks the scan.
      put: (key, value, seen) => write(key, { method: 'PUT', body: Uint8Array.from(value) }, seen),
      remove: (key, seen) => write(key, { method: 'DELETE' }, seen),
      async *scan(prefix) {
        const response = await fetch(at('prefix', prefix))
        if (!response.ok) throw new Error(`HTTP ${response.status}`)
        const found = (await response.json()) as { key: string; etag: string; value: string }[]
        for (const { key, etag, value } of found)
          yield { key, version: etag, value: Uint8Array.from(atob(value), (one) => one.charCodeAt(0)) }
      },
    },
    { clock },
  )
}
