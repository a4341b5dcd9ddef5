import { describe, expect, test } from 'vitest'
import { createIdempotency } from '../../../src/engine/idempotency.js'
import type { Bench } from './bench.js'
import { patience } from './patience.js'
import { placesOf } from './places.js'

/** A pool that is as small as can be, for stores that take a connection a call. A deadlock ends by the time limit. */
export function poolSuite(bench: Bench): void {
  const places = placesOf(bench)

  describe(`a pool of two connections on ${bench.name}`, patience, () => {
    test('store, business work and fifty waiters that share it all get through', async (context) => {
      const { store, business } = await places.open(await places.make(context), { connections: 2 })
      if (business === undefined) return context.skip(`${bench.name} has no pool`)
      const ran: string[] = []
      const call = async (key: string, by: string): Promise<unknown> => {
        // One instance each, as in fifty processes: duplicates of one instance would share what they ask.
        const idempotency = createIdempotency({ store, leaseMs: 5000 })
        const work = async (): Promise<{ by: string }> => {
          ran.push(key)
          for (let turn = 0; turn < 3; turn++) await business()
          return { by }
        }
        const response = await idempotency.run(key, work, { whenInProgress: { waitMs: 25_000 } })
        await idempotency.drain()
        return response
      }
      const keys = Array.from({ length: 5 }, (_, index) => `key-${index}`)
      const [responses] = await Promise.all([
        Promise.all(
          keys.map((key) => Promise.all(Array.from({ length: 11 }, (_, number) => call(key, `${key}-${number}`)))),
        ),
        Promise.all(Array.from({ length: 20 }, () => business())),
      ])
      expect(ran.sort()).toEqual(keys)
      for (const all of responses) expect(all).toEqual(all.map(() => all[0]))
      // Nobody kept a connection.
      await Promise.all(Array.from({ length: 4 }, () => business()))
    })
  })
}
