/** What the queue orders: things that end at an instant. It keeps its own place, so that moving it needs no search. */
export interface Expiring {
  /** Epoch milliseconds; only read while it is in the queue. */
  expiresAt: number
  /** Its place in the queue; -1 where it is in none. The queue alone writes it. */
  place: number
}

export interface ExpiryQueue<T extends Expiring> {
  /** What ends first. */
  first(): T | undefined
  /** Puts it in its place, also after `expiresAt` changed. */
  put(item: T): void
  remove(item: T): void
}

/**
 * A binary heap. Nearly every expiry is later than those before it, so that putting one in is one comparison; the
 * worst case is logarithmic.
 */
export function createExpiryQueue<T extends Expiring>(): ExpiryQueue<T> {
  const heap: T[] = []

  function put(item: T): void {
    if (item.place === -1) {
      item.place = heap.length
      heap.push(item)
    }
    if (!rise(item)) sink(item)
  }

  function remove(item: T): void {
    const { place } = item
    if (place === -1) return
    item.place = -1
    const last = heap.pop()
    if (last === undefined || last === item) return
    last.place = place
    heap[place] = last
    if (!rise(last)) sink(last)
  }

  function rise(item: T): boolean {
    let { place } = item
    const from = place
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || parent.expiresAt <= item.expiresAt) break
      heap[place] = parent
      parent.place = place
      place = above
    }
    heap[place] = item
    item.place = place
    return place !== from
  }

  function sink(item: T): void {
    let { place } = item
    for (;;) {
      const left = heap[2 * place + 1]
      const right = heap[2 * place + 2]
      const child = right !== undefined && left !== undefined && right.expiresAt < left.expiresAt ? right : left
      if (child === undefined || child.expiresAt >= item.expiresAt) break
      const below = child.place
      heap[place] = child
      child.place = place
      place = below
    }
    heap[place] = item
    item.place = place
  }

  return { first: () => heap[0], put, remove }
}
