import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import { type PostgresStoreOptions, postgresStore } from '../../../src/stores/postgres.js'
import { freshName, urlOf } from './open.js'

const url = (await urlOf()) ?? ''
const reason = await missing('postgres')
beforeEach((context) => context.skip(reason !== undefined, reason))

const schema = freshName()
const admin = new pg.Pool({ connectionString: url, max: 1 })
beforeAll(async () => {
  if (reason === undefined) await postgresStore({ client: admin, schema }).migrate()
})
afterAll(async () => {
  if (reason === undefined) await admin.query(`DROP SCHEMA "${schema}" CASCADE`)
  await admin.end()
})

const pools: pg.Pool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
})

/** A store on one connection, and what is prepared there. */
function onOneConnection(options: Partial<PostgresStoreOptions> = {}) {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  pools.push(pool)
  const prepared = async (): Promise<{ name: string; statement: string }[]> =>
    (await pool.query('SELECT name, statement FROM pg_prepared_statements ORDER BY prepare_time')).rows
  return { pool, prepared, store: postgresStore({ client: pool, schema, coalesce: false, ...options }) }
}

test('a pool of pg prepares each statement on each connection, so that the server plans it no more', async () => {
  const { store, prepared } = onOneConnection()
  for (let round = 0; round < 7; round++) expect((await store.begin('once')).status).not.toBe('conflict')
  await store.get('once')
  const statements = (await prepared()).map(({ statement }) => statement.slice(0, 6))
  expect(statements).toEqual(['WITH c', 'SELECT'])
})

test('nothing is prepared where that is turned off', async () => {
  const { store, prepared } = onOneConnection({ prepare: false })
  await store.begin('never')
  await store.get('never')
  expect(await prepared()).toEqual([])
})

test('a statement that the connection has lost is asked again unprepared, and so is all that follows', async () => {
  const { pool, store, prepared } = onOneConnection()
  const { token } = (await store.begin('lost')) as { token: string }
  await store.complete('other', 'nothing', { token }).catch(() => undefined)
  await pool.query('DEALLOCATE ALL')
  expect(await store.begin('lost')).toMatchObject({ status: 'in_progress' })
  await store.complete('lost', 'done', { token })
  expect(await store.begin('lost')).toMatchObject({ status: 'completed', response: 'done' })
  expect(await prepared()).toEqual([])
})

test('a statement that somebody else has prepared by its name is asked unprepared', async () => {
  const [first, second] = [onOneConnection(), onOneConnection()]
  await first.store.begin('taken')
  const [{ name = '' } = {}] = await first.prepared()
  await second.pool.query(`PREPARE "${name}" AS SELECT 'of somebody else'`)
  expect(await second.store.begin('taken')).toMatchObject({ status: 'in_progress' })
})

test('a table that was small when a statement was planned is not read whole when it has grown', async () => {
  const { pool, store, prepared } = onOneConnection()
  const records = `"${schema}".retrysafe_records`
  // Nothing but the statements' own renewal is to make the server plan anew.
  await admin.query(`TRUNCATE ${records}`)
  await admin.query(`ALTER TABLE ${records} SET (autovacuum_enabled = false)`)
  await admin.query(`VACUUM ANALYZE ${records}`)
  for (let index = 0; index < 700; index++) await store.begin(`growing-${index}`)
  const begins = (await prepared()).filter(({ statement }) => statement.startsWith('WITH c'))
  const planOf = async (name: string | undefined): Promise<string> => {
    const { rows } = await pool.query<Record<string, string>>(
      `EXPLAIN EXECUTE "${name}" ('growing-1', 'token', NULL, 1, 1, 0, '1ms')`,
    )
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  expect(begins.length).toBeGreaterThan(2)
  expect(await planOf(begins[0]?.name)).toContain('Seq Scan on retrysafe_records')
  expect(await planOf(begins.at(-1)?.name)).not.toContain('Seq Scan on retrysafe_records')
})
