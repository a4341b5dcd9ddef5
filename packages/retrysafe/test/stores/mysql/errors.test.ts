/* What the server refuses, and what a server that is not there is. */
import { inspect } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { missing, startMariadb } from '../../../../../tools/engines/src/index.js'
import { type MysqlStore, mysqlStore } from '../../../src/stores/mysql.js'
import { mariadbPool, mysql2Pool, type OpenClient, openMysql } from './open.js'

const reason = await missing('mysql')
beforeEach((context) => context.skip(reason !== undefined, reason))

const pools: OpenClient[] = []
afterAll(async () => {
  for (const pool of pools) await pool.close()
})

const mine = { token: 'mine' }

test('what does not fit into a packet is refused with the server\u2019s limit, and the claim stays as it was', async () => {
  const server = await startMariadb({ settings: { 'max-allowed-packet': '1M' } })
  for (const kind of [mysql2Pool, mariadbPool]) {
    const pool = await kind.open(server.url)
    const store = mysqlStore({ client: pool.client, table: 'packets' })
    await store.migrate()
    await store.begin('key', mine)
    const most = 1024 * 1024 - 16 * 1024
    const refused = { code: 'value_too_large', message: expect.stringContaining('1048576') }
    await expect(store.complete('key', new Uint8Array(most + 1), mine)).rejects.toMatchObject(refused)
    await expect(store.renew('key', 'mine', { checkpoint: 'x'.repeat(most) })).rejects.toMatchObject(refused)
    const value = new Uint8Array(most).fill(7)
    await store.renew('key', 'mine', { checkpoint: value })
    expect(await store.get('key')).toMatchObject({ checkpoint: { length: most } })
    await store.complete('key', value, mine)
    const replay = await store.begin('key')
    expect(replay.status === 'completed' && Buffer.compare(replay.response as Uint8Array, value)).toBe(0)
    expect(await store.delete('key')).toBe(true)
    await store.close()
    await pool.close()
  }
  await server.stop()
})

test('what fits into a packet by itself is stored, also where all of a moment together do not', async () => {
  const server = await startMariadb({ settings: { 'max-allowed-packet': '256K' } })
  const keys = Array.from({ length: 64 }, (_, index) => `key-${index}`)
  for (const kind of [mysql2Pool, mariadbPool]) {
    const pool = await kind.open(server.url)
    const store = mysqlStore({ client: pool.client, table: 'packets' })
    await store.migrate()
    await Promise.all(keys.map((key) => store.begin(key, mine)))
    await Promise.all(keys.map((key) => store.complete(key, new Uint8Array(4096).fill(7), mine)))
    for (const key of keys) expect(await store.get(key)).toMatchObject({ response: { length: 4096 } })
    for (const key of keys) await store.delete(key)
    await store.close()
    await pool.close()
  }
  await server.stop()
})

test('a server that is gone, refuses, is read-only or has too many connections is store_unavailable, without a password', async () => {
  const server = await startMariadb({ settings: { 'max-connections': '10' } })
  const secret = server.url.replace(':retrysafe@', ':secret-of-ours@')
  for (const kind of [mysql2Pool, mariadbPool]) {
    const options = { connectTimeout: 2000, ...(kind === mariadbPool ? { acquireTimeout: 2000 } : {}) }
    const open = async (at: string): Promise<MysqlStore> => {
      const pool = await kind.open(at, options, 1)
      pools.push(pool)
      return mysqlStore({ client: pool.client, table: 'gone' })
    }
    const store = await open(server.url)
    await store.migrate()
    const refusals = [await (await open(secret)).begin('key').catch((error: unknown) => error)]
    await server.kill()
    refusals.push(await store.begin('key').catch((error: unknown) => error))
    await server.start()
    for (const error of refusals) {
      expect(error).toMatchObject({ code: 'store_unavailable', cause: expect.anything() })
      expect(String(error)).not.toContain('secret')
    }
    // The store goes on as soon as its client does.
    await expect
      .poll(() => store.begin(kind.name, mine).catch(() => undefined), { timeout: 20_000 })
      .toMatchObject({
        status: 'new',
      })
  }
  await server.stop()
}, 90_000)

test('what the numbers of the server\u2019s errors mean', async () => {
  const failing = (errno: number) => async (): Promise<unknown> => {
    throw Object.assign(new Error('words\nsql: SELECT secret'), { errno, sqlMessage: 'words' })
  }
  for (const [errno, code] of [
    [1114, 'store_full'],
    [1021, 'store_full'],
    [1290, 'store_unavailable'],
    [1040, 'store_unavailable'],
    [1053, 'store_unavailable'],
    [1153, 'value_too_large'],
    [1194, 'store_corrupt'],
    [1142, 'store_unavailable'],
  ] as const) {
    const store = mysqlStore({ client: { execute: failing(errno) } })
    const error: unknown = await store.begin('key').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, cause: { errno } })
    expect(String(error)).not.toContain('secret')
  }
})

for (const kind of [mysql2Pool, mariadbPool])
  test(`no error shows what the call carried, through ${kind.name}`, async () => {
    const { store, query, table, close } = await openMysql(kind, {}, kind === mariadbPool ? { debugLen: 65_536 } : {})
    await query(`ALTER TABLE \`${table}\` ADD CHECK (response IS NULL OR LENGTH(response) < 8)`)
    await store.begin('key', { token: 'secret-token' })
    const refused: unknown = await store
      .complete('key', 'secret-value', { token: 'secret-token' })
      .catch((error: unknown) => error)
    await close()
    expect(refused).toMatchObject({ code: 'store_unavailable', cause: { errno: 4025, sqlState: '23000' } })
    const shown = inspect(refused, { depth: 9, showHidden: true })
    expect(shown).not.toContain('secret')
    expect(shown).not.toContain(Buffer.from('secret').toString('hex'))
    expect(shown).not.toContain(inspect(Buffer.from('secret')).slice(8, -1))
  })
