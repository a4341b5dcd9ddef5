/* What every adapter promises, seen through the proxy on stores of other processes. */
import { Redis } from 'ioredis'
import type pg from 'pg'
import { postgresStore } from 'retrysafe/postgres'
import { type AdapterCase, adapterCases, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { missing, postgresUrl, redisUrl } from '../../../tools/engines/src/index.js'
import { connectStore } from '../src/stores/open-store.js'
import { postgresPool } from '../src/stores/postgres.js'
import { storeUrl } from '../src/stores/store-url.js'
import { isLack, lacksOfProxy, type OperatorStore, openProxy, unlikeOfProxy } from './proxy-harness.js'

/** Those in which the store has a say. How a header or a body is written is the same on all of them. */
const cases: readonly AdapterCase[] = adapterCases.filter(({ about }) => about === 'requests')

/** Where all places of this file are: a schema, or the start of a prefix. */
const own = `adapter_${crypto.randomUUID().slice(0, 8)}`
let opened = 0
let pool: Promise<pg.Pool> | undefined

/** To make a table takes ten times as long as a case does. A closed store writes no more, so the next gets an empty one. */
async function openPostgres(): Promise<OperatorStore> {
  const url = storeUrl(`${await postgresUrl()}?schema=${own}&pool=3`, 'the store')
  if (url.kind !== 'postgres') throw new Error('this is no PostgreSQL')
  const isFirst = pool === undefined
  pool ??= postgresPool(url)
  const client = await pool
  const store = postgresStore({ client, schema: own })
  if (isFirst) await store.migrate()
  else await client.query(`DELETE FROM ${own}.retrysafe_records`)
  return store
}

const places = [
  {
    engine: 'postgres' as const,
    open: openPostgres,
    remove: async () => {
      const client = await pool
      await client?.query(`DROP SCHEMA ${own} CASCADE`)
      await client?.end()
    },
  },
  {
    engine: 'redis' as const,
    open: async () => {
      const url = storeUrl(`${await redisUrl()}?prefix=${own}:${++opened}:`, 'the store')
      return (await connectStore(url)) as OperatorStore
    },
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
