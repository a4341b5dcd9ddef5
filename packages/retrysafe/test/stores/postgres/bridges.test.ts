/* The bridges of docs/stores/postgres.md, each on the real query builder; the page is compiled by a check of its own. */
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import postgresJs from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import { isRetrysafeError } from '../../../src/contract/index.js'
import {
  type PostgresClient,
  type PostgresQueryClient,
  type PostgresUnsafeClient,
  type PostgresValue,
  postgresStore,
} from '../../../src/stores/postgres.js'
import { runStoreCase, storeCases } from '../../../src/testkit/store-cases.js'
import { freshName, urlOf } from './open.js'

const url = (await urlOf()) ?? ''
const reason = await missing('postgres')
beforeEach((context) => context.skip(reason !== undefined, reason))

/** The folder of a generated Prisma client and of its adapter for pg. */
const prismaFolder = process.env.RETRYSAFE_TEST_PRISMA

interface Bridge {
  readonly client: PostgresClient
  close(): Promise<unknown>
}

/** What is used of a `PrismaClient`. */
interface Prisma {
  $queryRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown>
  $disconnect(): Promise<void>
}

async function openPrisma(): Promise<Bridge> {
  const { PrismaPg } = (await import(`${prismaFolder}/adapter.js`)) as { PrismaPg: new (options: object) => object }
  const { PrismaClient } = (await import(`${prismaFolder}/client.js`)) as {
    PrismaClient: new (options: object) => Prisma
  }
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
  const client: PostgresQueryClient = {
    query: async (text, values = []) => (await prisma.$queryRawUnsafe(text, ...values)) as unknown[],
  }
  return { client, close: () => prisma.$disconnect() }
}

const bridges: Readonly<Record<string, () => Bridge | Promise<Bridge>>> = {
  Prisma: openPrisma,
  Kysely: () => {
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }),
    })
    const client: PostgresQueryClient = {
      query: (text, values = []) => db.executeQuery(CompiledQuery.raw(text, values)),
    }
    return { client, close: () => db.destroy() }
  },
  Drizzle: () => {
    const db = drizzle(url)
    return { client: db.$client, close: () => db.$client.end() }
  },
  Knex: () => {
    const db = knex({ client: 'pg', connection: url })
    const client: PostgresQueryClient = {
      query: (text: string, values: PostgresValue[] = []) => {
        const bindings: PostgresValue[] = []
        const sql = text.replaceAll(/\$(\d+)/g, (_, place) => {
          bindings.push(values[Number(place) - 1] ?? null)
          return '?'
        })
        return db.raw(sql, bindings as never[])
      },
    }
    return { client, close: () => db.destroy() }
  },
}

/** Not bridges, but wrapped alike: statements that are planned once a connection. */
const prepared: Readonly<Record<string, () => Bridge>> = {
  'postgres.js, prepared': () => {
    const sql = postgresJs(url, { onnotice: () => undefined })
    const client: PostgresUnsafeClient = {
      unsafe: (text: string, values: PostgresValue[] = []) =>
        sql.unsafe(text, values as string[], { prepare: values.length > 0 }),
    }
    return { client, close: () => sql.end() }
  },
}

/** What every kind of statement is asked by, and what differs between clients: values, instants, errors. */
const telling = /byte|value|race|once|purge|list|takeover|uncertain|checkpoint|retention/

for (const [name, open] of Object.entries({ ...bridges, ...prepared }))
  describe(name, () => {
    const schema = freshName()
    let bridge: Bridge | undefined
    const isMissing = name === 'Prisma' && !prismaFolder
    beforeEach((context) => context.skip(isMissing, 'Prisma is not installed'))
    beforeAll(async () => {
      if (reason !== undefined || isMissing) return
      bridge = await open()
      await postgresStore({ client: bridge.client, schema }).migrate()
    })
    afterAll(async () => {
      if (bridge === undefined) return
      await bridge.close()
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`DROP SCHEMA "${schema}" CASCADE`)
      await client.end()
    })

    test('holds what the store promises', async () => {
      const client = bridge?.client as PostgresClient
      const side = new pg.Client({ connectionString: url })
      await side.connect()
      let scratches = 0
      const columns = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']
      const shifts = columns.map((column) => `${column} = ${column} - $1::int8`).join(', ')
      const results: string[] = []
      for (const storeCase of storeCases.filter((one) => telling.test(one.name))) {
        const result = await runStoreCase(storeCase, async () => {
          scratches++
          const store = postgresStore({ client, schema })
          return {
            store,
            scratch: `case-${scratches}/`,
            again: async () => store,
            age: async (key, ms) => {
              await side.query(`UPDATE "${schema}".retrysafe_records SET ${shifts} WHERE key = $2`, [ms, key])
            },
            close: () => store.close(),
          }
        })
        if (result.status === 'broken') throw result.error
        results.push(result.status)
      }
      await side.end()
      expect(results.filter((status) => status === 'held').length).toBeGreaterThan(50)
    }, 120_000)

    test('gives the errors of the server through', async () => {
      const elsewhere = postgresStore({ client: bridge?.client as PostgresClient, schema: freshName() })
      const error = await elsewhere.begin('key').catch((rejection: unknown) => rejection)
      expect(isRetrysafeError(error, 'store_unavailable')).toBe(true)
      expect((error as Error).message).toContain('migrate()')
    })
  })
