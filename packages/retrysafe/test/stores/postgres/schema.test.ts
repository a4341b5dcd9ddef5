import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import { postgresSchema, postgresStore } from '../../../src/stores/postgres.js'
import { freshName, openPool, urlOf } from './open.js'

const url = (await urlOf()) ?? ''
const reason = await missing('postgres')
beforeEach((context) => context.skip(reason !== undefined, reason))

const { client, query, close } = openPool(url, { connections: 12 })
const schemas: string[] = []
afterAll(async () => {
  for (const schema of schemas) await query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
  await close()
})

/** A schema that is there and empty. */
async function freshSchema(): Promise<string> {
  const schema = freshName()
  schemas.push(schema)
  await query(`CREATE SCHEMA "${schema}"`)
  return schema
}

describe('before migrate', () => {
  test('every call says to migrate, and makes no table', async () => {
    const schema = await freshSchema()
    const store = postgresStore({ client, schema })
    const calls = {
      begin: () => store.begin('key'),
      complete: () => store.complete('key', 1),
      get: () => store.get('key'),
      renew: () => store.renew('key', 'mine'),
      release: () => store.release('key', 'mine'),
      purge: () => store.purge(),
      list: () => store.list(),
      delete: () => store.delete('key'),
      free: () => store.free('key', { attempt: 1 }),
    }
    for (const [name, call] of Object.entries(calls))
      await expect(call(), name).rejects.toMatchObject({
        code: 'store_unavailable',
        message: expect.stringMatching(/call migrate\(\).*postgresSchema\(\)/),
      })
    const tables = await query('SELECT 1 FROM pg_tables WHERE schemaname = $1', [schema])
    expect(tables).toEqual([])
    await store.migrate()
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
  })

  test('a table that is dropped later is an error that says so too, and may come back', async () => {
    const schema = await freshSchema()
    const store = postgresStore({ client, schema })
    await store.migrate()
    await store.begin('key')
    await query(`DROP TABLE "${schema}".retrysafe_records`)
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('migrate()'),
      cause: { code: '42P01' },
    })
    await query(postgresSchema({ schema }))
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
  })
})

describe('migrate', () => {
  test('ten processes that migrate at once make one table, and none of them fails', async () => {
    const schema = freshName()
    schemas.push(schema)
    const pools = Array.from({ length: 10 }, () => openPool(url, { connections: 1 }))
    for (const pool of pools) await pool.query('SELECT 1')
    await Promise.all(pools.map((pool) => postgresStore({ client: pool.client, schema }).migrate()))
    for (const pool of pools) await pool.close()
    expect(await query(`SELECT name, value::int4 AS value FROM "${schema}".retrysafe_records_meta`)).toEqual([
      { name: 'schema', value: 1 },
    ])
  })

  for (const isolation of ['repeatable read', 'serializable'] as const)
    test(`so it is at ${isolation}`, async () => {
      const schema = freshName()
      schemas.push(schema)
      const pools = Array.from({ length: 10 }, () => openPool(url, { connections: 1, isolation }))
      for (const pool of pools) await pool.query('SELECT 1')
      await Promise.all(pools.map((pool) => postgresStore({ client: pool.client, schema }).migrate()))
      for (const pool of pools) await pool.close()
      expect(await postgresStore({ client, schema }).begin('key')).toMatchObject({ status: 'new' })
    })

  test('two tables of one database keep apart, and without a schema the search path says where', async () => {
    const schema = await freshSchema()
    const pool = new pg.Pool({ connectionString: url, max: 2, options: `-c search_path=${schema}` })
    const one = postgresStore({ client: pool })
    const other = postgresStore({ client: pool, table: 'Ünïcode-1' })
    await one.migrate()
    await other.migrate()
    await one.begin('key')
    expect(await other.get('key')).toBeUndefined()
    expect(await postgresStore({ client, schema }).get('key')).toBeDefined()
    const tables = await query('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema])
    expect(tables.map(({ tablename }) => tablename)).toEqual([
      'retrysafe_records',
      'retrysafe_records_meta',
      'Ünïcode-1',
      'Ünïcode-1_meta',
    ])
    await pool.end()
  })

  test('a role that may not make tables can migrate where they are, and work', async () => {
    const schema = await freshSchema()
    await query(postgresSchema({ schema }))
    const role = freshName()
    await query(`CREATE ROLE ${role} LOGIN`)
    await query(`GRANT USAGE ON SCHEMA "${schema}" TO ${role}`)
    await query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`)
    const limited = openPool(url.replace('postgres@', `${role}@`))
    try {
      const store = postgresStore({ client: limited.client, schema })
      await store.migrate()
      expect(await store.begin('key', { token: 'mine' })).toMatchObject({ status: 'new' })
      await store.complete('key', 1, { token: 'mine' })
      expect(await store.purge()).toBe(0)
      const elsewhere = postgresStore({ client: limited.client, schema: freshName() })
      await expect(elsewhere.migrate()).rejects.toMatchObject({ code: 'store_unavailable', cause: { code: '42501' } })
    } finally {
      await limited.close()
      await query(`DROP OWNED BY ${role}`)
      await query(`DROP ROLE ${role}`)
    }
  })

  test('a role that owns nothing but the schema can make the tables in it', async () => {
    const schema = await freshSchema()
    const role = freshName()
    await query(`CREATE ROLE ${role} LOGIN`)
    await query(`ALTER SCHEMA "${schema}" OWNER TO ${role}`)
    const owner = openPool(url.replace('postgres@', `${role}@`))
    try {
      const store = postgresStore({ client: owner.client, schema })
      await store.migrate()
      expect(await store.begin('key')).toMatchObject({ status: 'new' })
    } finally {
      await owner.close()
      await query(`DROP OWNED BY ${role} CASCADE`)
      await query(`DROP ROLE ${role}`)
    }
  })

  test('the SQL of postgresSchema is what migrate does, may be repeated, and touches no record', async () => {
    const [byHand, byCall] = [await freshSchema(), await freshSchema()]
    await query(postgresSchema({ schema: byHand }))
    await postgresStore({ client, schema: byCall }).migrate()
    await postgresStore({ client, schema: byHand }).begin('key')
    await query(postgresSchema({ schema: byHand }))
    expect(await postgresStore({ client, schema: byHand }).get('key')).toBeDefined()
    const shapeOf = async (schema: string): Promise<unknown> => {
      const columns = await query(
        `SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns
         WHERE table_schema = $1 ORDER BY 1, 2`,
        [schema],
      )
      const options = await query(
        `SELECT relname, reloptions FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY 1`,
        [schema],
      )
      const indexes = await query('SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1', [
        schema,
      ])
      return JSON.parse(JSON.stringify({ columns, options, indexes }).replaceAll(schema, 'the_schema'))
    }
    expect(await shapeOf(byCall)).toEqual(await shapeOf(byHand))
  })

  test('a later schema is refused and left as it is, by the first call and by migrate', async () => {
    const schema = await freshSchema()
    await postgresStore({ client, schema }).migrate()
    await query(`UPDATE "${schema}".retrysafe_records_meta SET value = 2`)
    const store = postgresStore({ client, schema })
    const refusal = { code: 'unsupported', message: expect.stringContaining('later Retrysafe') }
    await expect(store.begin('key')).rejects.toMatchObject(refusal)
    await expect(store.migrate()).rejects.toMatchObject(refusal)
    expect(await query(`SELECT value::int4 AS value FROM "${schema}".retrysafe_records_meta`)).toEqual([{ value: 2 }])
  })

  test('a database whose encoding cannot hold every key is refused', async () => {
    const database = freshName()
    await query(`CREATE DATABASE ${database} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
    const latin = openPool(url.replace(/\/[^/]*$/, `/${database}`))
    try {
      await expect(postgresStore({ client: latin.client }).migrate()).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('LATIN1'),
      })
    } finally {
      await latin.close()
      await query(`DROP DATABASE ${database}`)
    }
  })
})

describe('names', () => {
  const wrong = ['', '1a', 'a b', 'a"b', 'a.b', 'a$b', "a'b", 'a;b', 'a\u0000', '\ud800', 7 as unknown as string]
  for (const name of wrong)
    test(`${JSON.stringify(name)} is refused for a table and for a schema`, () => {
      expect(() => postgresStore({ client, table: name })).toThrow(expect.objectContaining({ code: 'invalid_option' }))
      expect(() => postgresSchema({ schema: name })).toThrow(expect.objectContaining({ code: 'invalid_option' }))
    })

  test('the longest names are kept whole, and longer ones are refused by their bytes', async () => {
    const schema = `s${'é'.repeat(31)}`
    schemas.push(schema)
    const table = 't'.repeat(56)
    const store = postgresStore({ client, schema, table })
    await store.migrate()
    await store.begin('key')
    const names = await query('SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY 1', [
      `"${schema}"`,
    ])
    expect(names.map(({ relname }) => relname)).toEqual(
      expect.arrayContaining([table, `${table}_meta`, `${table}_expiry`]),
    )
    for (const options of [{ schema: `${schema}s` }, { table: `${table}t` }, { table: 'é'.repeat(29) }])
      expect(() => postgresSchema(options)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  })

  test('what is no client, no listener and no choice is refused by its name', () => {
    for (const wrongClient of [undefined, null, {}, 'postgres://localhost/app', { query: 1 }])
      expect(() => postgresStore({ client: wrongClient as never })).toThrow(/client/)
    expect(() => postgresStore({ client, listen: {} as never })).toThrow(/listen/)
    expect(() => postgresStore({ client, coalesce: 1 as never })).toThrow(/coalesce/)
  })
})

describe('what an earlier version wrote', () => {
  const fixture = readFileSync(new URL('../fixtures/postgres-1.sql', import.meta.url), 'utf8')

  test('records of format 1 are read for ever', async () => {
    const schema = await freshSchema()
    await query(`SET search_path TO "${schema}"; ${fixture}; RESET search_path`)
    const store = postgresStore({ client, schema })
    await store.migrate()
    expect(await store.begin('bytes')).toMatchObject({ status: 'completed', response: Uint8Array.of(0, 255, 7) })
    expect(await store.begin('tenant/ünï', { fingerprint: 'v1:abc' })).toMatchObject({
      status: 'completed',
      response: { paid: true, amount: -0 },
      kind: 'http',
      attempt: 2,
      completedAt: new Date(1_767_225_600_000),
      expiresAt: new Date(9_999_999_999_000),
    })
    expect(await store.begin('uncertain')).toEqual({ status: 'uncertain', attempt: 3, checkpoint: { step: 1 } })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await store.begin('released', { token: 'next' })).toMatchObject({
      status: 'new',
      attempt: 3,
      checkpoint: Uint8Array.of(1),
    })
    expect(await store.begin('over')).toMatchObject({ status: 'new', attempt: 1 })
    await store.complete('running', 'done', { token: 't4' })
  })

  test('the fixture is the schema of version 1', async () => {
    const [written, made] = [await freshSchema(), await freshSchema()]
    await query(`SET search_path TO "${written}"; ${fixture}; RESET search_path`)
    await query(postgresSchema({ schema: made }))
    const columns = `SELECT table_name, column_name, data_type, is_nullable, collation_name
      FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2`
    expect(await query(columns, [written])).toEqual(await query(columns, [made]))
  })

  test('a record of a later format is refused, and not written over', async () => {
    const schema = await freshSchema()
    const store = postgresStore({ client, schema })
    await store.migrate()
    await store.begin('key', { token: 'mine' })
    await query(`UPDATE "${schema}".retrysafe_records SET format = 2`)
    const before = await query(`SELECT * FROM "${schema}".retrysafe_records`)
    const refusal = { code: 'unsupported' }
    await expect(store.begin('key', { token: 'mine' })).rejects.toMatchObject(refusal)
    await expect(store.complete('key', 1, { token: 'mine' })).rejects.toMatchObject(refusal)
    await expect(store.renew('key', 'mine')).rejects.toMatchObject(refusal)
    await expect(store.release('key', 'mine')).rejects.toMatchObject(refusal)
    await expect(store.free('key', { attempt: 1 })).rejects.toMatchObject(refusal)
    expect(await query(`SELECT * FROM "${schema}".retrysafe_records`)).toEqual(before)
  })
})
