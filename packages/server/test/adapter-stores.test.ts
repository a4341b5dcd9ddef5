/* What every adapter promises, seen through the proxy on stores of other processes. */
import { Redis } from 'ioredis'
import pg from 'pg'
import { type AdapterCase, adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { missing, postgresUrl, redisUrl } from '../../../tools/engines/src/index.js'
import { connectStore, isMigratable } from '../src/stores/open-store.js'
import { storeUrl } from '../src/stores/store-url.js'
import { isLack, lacksOfProxy, type OperatorStore, openProxy, unlikeOfProxy } from './proxy-harness.js'

/** Those in which the store has a say. How a header or a body is written is the same on all of them. */
const cases: readonly AdapterCase[] = adapterCases.filter(({ about }) => about === 'requests')

/** Where all places of this file are: a schema, or the start of a prefix. */
const own = `adapter_${crypto.randomUUID().slice(0, 8)}`
let opened = 0

/** A place of its own for every case. */
async function open(url: string): Promise<OperatorStore> {
  const store = await connectStore(storeUrl(url, 'the store'))
  if (isMigratable(store)) await store.migrate()
  return store as OperatorStore
}

const places = [
  {
    engine: 'postgres' as const,
    open: async () => open(`${await postgresUrl()}?schema=${own}&table=t${++opened}&pool=3`),
    remove: async () => {
      const client = new pg.Client((await postgresUrl()) ?? '')
      await client.connect()
      await client.query(`DROP SCHEMA IF EXISTS ${own} CASCADE`)
      await client.end()
    },
  },
  {
    engine: 'redis' as const,
    open: async () => open(`${await redisUrl()}?prefix=${own}:${++opened}:`),
    remove: async () => {
      const client = new Redis((await redisUrl()) ?? '')
      for (const key of await client.keys(`${own}:*`)) await client.del(key)
      client.disconnect()
    },
  },
]

describe.each(places)('a service behind the proxy, with its keys in $engine', async ({ engine, open, remove }) => {
  const reason = await missing(engine)
  const seen = { held: 0, skipped: 0 }
  afterAll(async () => {
    if (reason === undefined) await remove()
    console.log(`adapter cases on ${engine}: ${seen.held} held, ${seen.skipped} skipped, of ${cases.length}`)
  })
  for (const adapterCase of cases)
    test(adapterCase.name, async (context) => {
      const skip = (why: string): void => {
        seen.skipped++
        context.skip(why)
      }
      const missed = reason ?? unlikeOfProxy('at once', adapterCase.name)
      if (missed !== undefined) return skip(missed)
      const result = await runAdapterCase(adapterCase, openProxy('at once', open), lacksOfProxy)
      if (result.status === 'skipped') return skip(result.reason)
      if (result.status === 'broken' && isLack(result.error)) return skip(result.error.message)
      if (result.status === 'broken') throw result.error
      expect(result.status).toBe('held')
      seen.held++
    })
})
