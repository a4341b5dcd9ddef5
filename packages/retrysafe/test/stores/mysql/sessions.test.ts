/* Whatever the sessions and the clients are set to, the store is the same. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import type { MysqlStore } from '../../../src/stores/mysql.js'
import { keyCases } from '../../../src/testkit/cases/keys.js'
import { orderCases } from '../../../src/testkit/cases/order.js'
import { raceCases } from '../../../src/testkit/cases/races.js'
import { valueCases } from '../../../src/testkit/cases/values.js'
import type { StoreCase } from '../../../src/testkit/store-case.js'
import { runStoreCase } from '../../../src/testkit/store-cases.js'
import {
  type Client,
  type ClientOptions,
  dropTable,
  freshTable,
  mariadbConnection,
  mariadbPool,
  mysql2Connection,
  mysql2Pool,
  openMysql,
} from './open.js'

const reason = await missing('mysql')
beforeEach((context) => context.skip(reason !== undefined, reason))

const large = new Uint8Array(20_000).map((_, index) => index % 256)

/** Something of everything that a store is asked, each answer looked at. */
async function tour(store: MysqlStore): Promise<void> {
  // No character set of one byte has all of it.
  const token = 'ключ ☃ é'
  const claim = await store.begin('bytes', { token, fingerprint: 'v1:é', leaseMs: 600_000 })
  expect(claim).toMatchObject({ status: 'new', token, attempt: 1 })
  if (claim.status === 'new') expect(Math.abs(claim.leaseUntil.getTime() - Date.now() - 600_000)).toBeLessThan(60_000)
  expect(await store.begin('bytes', { fingerprint: 'v1:b' })).toEqual({ status: 'mismatch' })
  expect(await store.begin('bytes')).toMatchObject({ status: 'in_progress', attempt: 1 })
  await store.renew('bytes', token, { checkpoint: { step: '☃' }, checkpointNumber: 1 })
  await store.renew('bytes', token)
  expect((await store.get('bytes'))?.checkpoint).toEqual({ step: '☃' })
  await store.complete('bytes', large, { token, kind: 'ключ' })
  const replay = await store.begin('bytes', { fingerprint: 'v1:é' })
  expect(replay).toMatchObject({ status: 'completed', kind: 'ключ' })
  expect(replay.status === 'completed' && Buffer.compare(replay.response as Uint8Array, large)).toBe(0)
  const keys = ['a', 'A', 'ä', 'a ', '𝒳']
  const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: `of ${key}` })))
  expect(outcomes.map(({ status }) => status)).toEqual(keys.map(() => 'new'))
  await Promise.all(keys.map((key) => store.complete(key, { of: key, n: 0.1 }, { token: `of ${key}` })))
  const replays = await Promise.all(keys.map((key) => store.begin(key)))
  expect(replays).toMatchObject(keys.map((key) => ({ status: 'completed', response: { of: key, n: 0.1 } })))
  const [first] = replays
  if (first?.status === 'completed') expect(first.expiresAt.getTime() - first.completedAt.getTime()).toBe(86_400_000)
  expect((await store.list({ prefix: 'a' })).records.map(({ key }) => key)).toEqual(['a', 'a '])
  expect(await store.delete('ä')).toBe(true)
  expect(await store.delete('ä')).toBe(false)
  await store.begin('released', { token: 'mine', afterCrash: 'uncertain' })
  await store.release('released', 'mine')
  expect(await store.begin('released', { token: 'next' })).toMatchObject({ status: 'new', attempt: 2 })
  expect(await store.free('released', { attempt: 2 })).toBe(true)
  await store.begin('simple')
  await store.complete('simple', 'done')
  await expect(store.complete('simple', 'again')).rejects.toMatchObject({ code: 'already_completed' })
  await expect(store.renew('simple', 'other')).rejects.toMatchObject({ code: 'lease_lost' })
  expect(await store.purge()).toBe(0)
}

function tours(client: Client, options: ClientOptions): void {
  const words = JSON.stringify(options, (_, value) => (typeof value === 'function' ? 'a function' : value))
  test(`with ${words} on ${client.name} every answer is the same`, async () => {
    const opened = await openMysql(client, {}, options)
    try {
      await tour(opened.store)
    } finally {
      await opened.close()
    }
  })
}

describe('options of the client', () => {
  const asText = (field: { string(): string | null }): string | null => field.string()
  for (const options of [
    { supportBigNumbers: true },
    { supportBigNumbers: true, bigNumberStrings: true },
    { decimalNumbers: true, dateStrings: true, jsonStrings: true },
    { rowsAsArray: true },
    { namedPlaceholders: true },
    { typeCast: asText },
    { typeCast: false },
    { flags: ['-FOUND_ROWS'] },
    { charset: 'latin1_swedish_ci' },
  ])
    tours(mysql2Pool, options)
  for (const options of [
    { bigIntAsNumber: true, insertIdAsNumber: true },
    { supportBigNumbers: true, bigNumberStrings: true },
    { rowsAsArray: true, metaAsArray: true },
    { nestTables: true },
    { checkNumberRange: true },
    { namedPlaceholders: true },
    { typeCast: asText },
    { foundRows: false },
    { pipelining: false },
    { prepareCacheLength: 0 },
    { charset: 'latin1' },
  ])
    tours(mariadbPool, options)
})

describe('settings of the session', () => {
  for (const initSql of [
    ["SET time_zone = '+13:00'"],
    ["SET time_zone = '-11:00'"],
    ['SET timestamp = 1000000000'],
    ["SET sql_mode = ''"],
    ["SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE'"],
    ['SET NAMES latin1'],
    ['SET NAMES utf8mb3 COLLATE utf8mb3_bin'],
    ['SET sql_select_limit = 1', 'SET sql_safe_updates = 1'],
  ]) {
    tours(mysql2Pool, { initSql })
    tours(mariadbPool, { initSql })
  }

  const hostile = { charset: 'latin1_swedish_ci', initSql: ["SET sql_mode = ''", "SET time_zone = '+05:45'"] }
  holds('a lenient session in latin1', hostile, [...keyCases, ...valueCases, ...orderCases])
})

for (const level of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])
  holds(`sessions at ${level}`, { initSql: [`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`] }, raceCases)

function holds(name: string, options: ClientOptions, cases: readonly StoreCase[]): void {
  describe(`on ${name}`, () => {
    const table = freshTable()
    afterAll(() => dropTable(table))
    for (const storeCase of cases)
      test(storeCase.name, async (context) => {
        const result = await runStoreCase(storeCase, () => openMysql(mysql2Pool, { table }, options))
        if (result.status === 'skipped') context.skip(result.reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
      })
  })
}

describe('a session that is not the store\u2019s alone', () => {
  test.each([mysql2Connection, mariadbConnection])(
    'an open transaction on $name is neither joined nor ended',
    async (client) => {
      const opened = await openMysql(client)
      const { store } = opened
      await store.begin('done', { token: 'mine' })
      const connection = opened.clients[0]?.client as unknown as { query(sql: string): Promise<unknown> }
      await connection.query('START TRANSACTION')
      const refused = { code: 'store_unavailable', message: expect.stringContaining('transaction') }
      await expect(store.begin('key')).rejects.toMatchObject(refused)
      await expect(store.begin('done')).rejects.toMatchObject(refused)
      await expect(store.complete('done', 1, { token: 'mine' })).rejects.toMatchObject(refused)
      await expect(store.release('done', 'mine')).rejects.toMatchObject(refused)
      await connection.query('COMMIT')
      expect((await store.list()).records.map(({ key, status }) => [key, status])).toEqual([['done', 'in_progress']])
      await opened.close()
    },
  )

  test('without autocommit nothing is acknowledged, since nothing would stand', async () => {
    const opened = await openMysql(mysql2Pool, {}, { initSql: ['SET autocommit = 0'] })
    await expect(opened.store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('autocommit'),
    })
    expect(await opened.stored?.()).toBe(0)
    await opened.close()
  })
})

test('nothing is cut off in a lenient session, however long it is', async () => {
  const opened = await openMysql(mysql2Pool, {}, { initSql: ["SET sql_mode = ''"] })
  const { store } = opened
  // 255 characters as JavaScript counts them, with as many bytes as they can have.
  const long = '\uffff'.repeat(254)
  const keys = ['a', 'b'].map((last) => '\u{10ffff}'.repeat(510) + last)
  for (const key of keys) {
    const last = key.slice(-1)
    expect(await store.begin(key, { token: long + last, fingerprint: long + last })).toMatchObject({ attempt: 1 })
  }
  for (const key of keys) {
    const last = key.slice(-1)
    await store.complete(key, last, { token: long + last, kind: long + last })
    expect(await store.begin(key, { fingerprint: long + last })).toMatchObject({
      status: 'completed',
      response: last,
      kind: long + last,
    })
  }
  await expect(store.complete(keys[0] ?? '', 9, { token: `${long}b` })).rejects.toMatchObject({
    code: 'lease_lost',
  })
  await opened.close()
})
