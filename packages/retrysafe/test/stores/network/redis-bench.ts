import { missing, redisUrl } from '@retrysafe/engines'
import { Redis } from 'ioredis'
import { age, keysOf } from '../redis/open.js'
import type { Bench } from './bench.js'
import { openHandle, patience } from './redis-handle.js'

export const redisBench: Bench = {
  name: 'Redis',
  url: redisUrl,
  missing: () => missing('redis'),
  open: async (place, options) => {
    const handle = await openHandle(place, options)
    const side = new Redis(place.url, patience)
    side.on('error', () => undefined)
    return {
      ...handle,
      age: (key, ms) => age(side, `${place.name}:${key}`, ms),
      close: async () => {
        await handle.close()
        side.disconnect()
      },
    }
  },
  handle: 'test/stores/network/redis-handle.ts',
  prepare: async () => undefined,
  remove: async ({ url, name }) => {
    const side = new Redis(url)
    for (const key of await keysOf(side, `${name}:`)) await side.del(key)
    side.disconnect()
  },
}
