/* The table: who makes it, what it is refused for, and what is read of it for ever. */
import { readFileSync } from 'node:fs'
import { beforeEach, expect, test } from 'vitest'
import { missing, mysqlUrl } from '../../../../../tools/engines/src/index.js'
import { type MysqlClient, mysqlSchema, mysqlStore } from '../../../src/stores/mysql.js'
import { freshTable, mariadbPool, mysql2Pool, type OpenedMysql, openMysql } from './open.js'

const reason = await missing('mysql')
const url = (await mysqlUrl()) ?? ''
beforeEach((context) => context.skip(reason !== undefined, reason))

async function withStore(work: (opened: OpenedMysql) => Promise<void>): Promise<void> {
  const opened = await openMysql(mysql2Pool)
  try {
    await work(opened)
  } finally {
    await opened.close()
  }
}

test('ten processes that migrate at once, with two clients, make one table and lose no record', () =>
  withStore(async (opened) => {
    await opened.query(`DROP TABLE \`${opened.table}\``)
    const pools = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? mysql2Pool : mariadbPool).open(url, {}, 1)),
    )
    const stores = pools.map(({ client }) => mysqlStore({ client, table: opened.table }))
    await Promise.all(
      stores.map(async (store, index) => {
        await store.migrate()
        await store.begin(`key-${index}`, { token: 'mine' })
        await store.migrate()
      }),
    )
    expect((await opened.store.list()).records.length).toBe(10)
    for (const pool of pools) await pool.close()
  }))

test('no call makes the table: where it is missing each says how it is made, and once it is there the store goes on', () =>
  withStore(async ({ store, table, query }) => {
    await query(`DROP TABLE \`${table}\``)
    const refused = { code: 'store_unavailable', message: expect.stringContaining('migrate()') }
    for (const call of [() => store.begin('key'), () => store.get('key'), () => store.purge(), () => store.list()])
      await expect(call()).rejects.toMatchObject(refused)
    await query(mysqlSchema({ table }))
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
    // It went while the store was at work.
    await query(`DROP TABLE \`${table}\``)
    await expect(store.begin('key')).rejects.toMatchObject({ ...refused, cause: expect.anything() })
  }))

test('a table of a later version is refused by every call and left as it is', () =>
  withStore(async ({ store, table, query, again }) => {
    await store.begin('key')
    await query(`ALTER TABLE \`${table}\` COMMENT = 'retrysafe schema 2'`)
    const late = await again()
    for (const call of [() => (late as typeof store).migrate(), () => late.begin('other'), () => late.get('key')])
      await expect(call()).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('later') })
    expect((await query(`SELECT COUNT(*) AS n FROM \`${table}\``))[0]?.n).toBe(1)
  }))

test('a table that is not of Retrysafe, or not of InnoDB, is refused and left as it is', () =>
  withStore(async ({ store, table, query }) => {
    await query(`DROP TABLE \`${table}\``)
    await query(`CREATE TABLE \`${table}\` (id INT) COMMENT = 'ours'`)
    await expect(store.migrate()).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('comment'),
    })
    await query(`DROP TABLE \`${table}\``)
    await query(mysqlSchema({ table }).replace('InnoDB', 'Aria').replace('ROW_FORMAT=DYNAMIC', ''))
    await expect(store.migrate()).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('Aria'),
    })
    await expect(store.begin('key')).rejects.toMatchObject({ code: 'unsupported' })
  }))

test('a record of a later version is refused alone, in a batch too, and nothing changes it', () =>
  withStore(async ({ store, table, query, again }) => {
    await store.begin('late', { token: 'mine' })
    await query(`UPDATE \`${table}\` SET format = 2`)
    const other = await again()
    const ends = await Promise.allSettled([other.begin('a'), other.begin('late'), other.begin('b')])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    for (const call of [
      () => store.begin('late'),
      () => store.get('late'),
      () => store.complete('late', 1, { token: 'mine' }),
      () => store.renew('late', 'mine'),
      () => store.release('late', 'mine'),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'unsupported' })
    expect(await query(`SELECT format, status FROM \`${table}\` WHERE \`key\` = 'late'`)).toEqual([
      { format: 2, status: 0 },
    ])
  }))

test('records of format 1 are read as they were written', () =>
  withStore(async ({ table, query, clients }) => {
    await query(`DROP TABLE \`${table}\``)
    const fixture = readFileSync(new URL('../fixtures/mysql-1.sql', import.meta.url), 'utf8')
    for (const statement of fixture.replaceAll('retrysafe_fixture', table).split(/;\n/))
      if (statement.trim() !== '') await query(statement)
    const store = mysqlStore({ client: clients[0]?.client as MysqlClient, table })
    await store.migrate()
    expect(await store.begin('bytes')).toMatchObject({ status: 'completed', response: Uint8Array.of(0, 255, 7) })
    expect(await store.begin('tenant/ünï', { fingerprint: 'v1:abc' })).toMatchObject({
      status: 'completed',
      response: { paid: true, amount: -0 },
      kind: 'http',
      attempt: 2,
      expiresAt: new Date(4_102_444_800_000),
    })
    expect(await store.begin('uncertain')).toEqual({ status: 'uncertain', attempt: 3, checkpoint: { step: 1 } })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await store.begin('released', { token: 'next' })).toMatchObject({
      status: 'new',
      attempt: 3,
      checkpoint: [1],
    })
  }))

test('the table may stand in another database than the client\u2019s', () =>
  withStore(async ({ query, clients }) => {
    const database = freshTable()
    await query(`CREATE DATABASE ${database}`)
    const store = mysqlStore({ client: clients[0]?.client as MysqlClient, table: `${database}.keys-of-ours` })
    await store.migrate()
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
    expect(await query(`SELECT CONVERT(\`key\` USING utf8mb4) AS k FROM ${database}.\`keys-of-ours\``)).toEqual([
      { k: 'key' },
    ])
    await query(`DROP DATABASE ${database}`)
  }))

test('names that are no table\u2019s, and clients that are none, are refused', () => {
  const client: MysqlClient = { execute: async () => [] }
  for (const table of ['', 'a b', 'a`b', "a'b", 'a.b.c', 'a.', '.a', 'x'.repeat(65), 7, 'é'])
    expect(() => mysqlStore({ client, table } as never)).toThrowError(/table is/)
  for (const bad of [undefined, null, 'mysql://', {}, { execute: 1 }])
    expect(() => mysqlStore({ client: bad } as never)).toThrowError(/client is/)
  expect(() => mysqlStore({ client, coalesce: 1 } as never)).toThrowError(/coalesce is/)
})

test('a client whose results cannot be read is named, and nothing is taken for an answer', async () => {
  for (const execute of [async () => undefined, async () => 'rows', () => ({}) as Promise<unknown>]) {
    const store = mysqlStore({ client: { execute } })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('mysql2/promise'),
    })
  }
})
