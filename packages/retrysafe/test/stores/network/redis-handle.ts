/* Redis through ioredis, which sends a command again by itself whose connection was cut. */
import { Redis } from 'ioredis'
import { redisStore } from '../../../src/stores/redis.js'
import type { OpenHandle, ProcessHandle } from './bench.js'

/** Fails after a moment without an engine; by default ioredis holds calls for many seconds. */
export const patience = { retryStrategy: (): number => 20, maxRetriesPerRequest: 3 }

export const openHandle: OpenHandle<ProcessHandle> = async ({ url, name }, { push = false } = {}) => {
  const open = (): Redis => {
    const client = new Redis(url, patience)
    client.on('error', () => undefined)
    return client
  }
  const client = open()
  const subscriber = push ? open() : undefined
  const store = redisStore({ client, prefix: `${name}:`, ...(subscriber === undefined ? {} : { subscriber }) })
  return {
    store,
    close: async () => {
      await store.close().catch(() => undefined)
      subscriber?.disconnect()
      client.disconnect()
    },
  }
}
