/* Many at once: what goes together, what that costs, and what happens when they are in each other's way. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { missing, mysqlUrl } from '../../../../../tools/engines/src/index.js'
import { type MysqlClient, type MysqlStore, type MysqlStoreOptions, mysqlStore } from '../../../src/stores/mysql.js'
import { mysql2Pool, type OpenClient, type OpenedMysql, openMysql } from './open.js'

const reason = await missing('mysql')
const url = (await mysqlUrl()) ?? ''
beforeEach((context) => context.skip(reason !== undefined, reason))

const opens: OpenedMysql[] = []
const pools: OpenClient[] = []
afterAll(async () => {
  for (const pool of pools) await pool.close()
  for (const opened of opens) await opened.close()
})

interface Counted {
  readonly opened: OpenedMysql
  readonly store: MysqlStore
  /** The statements since the last time, by what they begin with, comments left out. */
  statements(): string[]
}

/** A store whose statements are counted. */
async function counted(options: Partial<MysqlStoreOptions> = {}): Promise<Counted> {
  const opened = await openMysql(mysql2Pool)
  const pool = await mysql2Pool.open(url)
  opens.push(opened)
  pools.push(pool)
  const seen: string[] = []
  const client: MysqlClient = {
    execute: (statement, values) => {
      seen.push(
        statement.sql
          .replace(/\/\*.*?\*\//, '')
          .trim()
          .split(' ')[0] ?? '',
      )
      return pool.client.execute(statement, values)
    },
  }
  const store = mysqlStore({ client, table: opened.table, ...options })
  await store.get('warm')
  seen.splice(0)
  return { opened, store, statements: () => seen.splice(0) }
}

const mine = { token: 'mine' }

describe('round trips', () => {
  test('a claim, a replay, a completion, a renewal and a release are one each', async () => {
    const { store, statements } = await counted()
    await store.begin('key', mine)
    expect(statements()).toEqual(['INSERT'])
    await store.begin('key', mine)
    await store.begin('key')
    expect(statements()).toEqual(['SELECT', 'SELECT'])
    await store.renew('key', 'mine')
    await store.renew('key', 'mine', { checkpoint: 1 })
    await store.renew('key', 'mine', { checkpoint: 2, checkpointNumber: 5 })
    expect(statements()).toEqual(['UPDATE', 'UPDATE', 'UPDATE'])
    await store.complete('key', 'done', mine)
    expect(statements()).toEqual(['UPDATE'])
    await store.begin('key')
    expect(statements()).toEqual(['SELECT'])
    await store.begin('other', mine)
    await store.release('other', 'mine')
    expect(statements()).toEqual(['INSERT', 'DELETE'])
    await store.begin('simple')
    await store.complete('simple', 1)
    expect(statements()).toEqual(['INSERT', 'UPDATE'])
  })

  test('a takeover is one write more than a look', async () => {
    const { store, statements, opened } = await counted()
    await store.begin('key', mine)
    await opened.age('key', 40_000)
    statements()
    expect(await store.begin('key')).toMatchObject({ status: 'new', attempt: 2 })
    expect(statements()).toEqual(['SELECT', 'UPDATE'])
  })

  test('replays and refusals of duplicates change nothing in the table, those of other processes too', async () => {
    const { store, opened } = await counted()
    const other = await opened.again()
    await store.begin('done', { ...mine, fingerprint: 'v1:a' })
    await store.complete('done', 'response', mine)
    await store.begin('running', { ...mine, fingerprint: 'v1:a' })
    const state = `SELECT \`key\`, version, updated_at, lease_until FROM \`${opened.table}\``
    const before = await opened.query(state)
    for (const from of [store, other])
      for (let turn = 0; turn < 2; turn++) {
        const outcomes = await Promise.all([
          from.begin('done'),
          from.begin('running'),
          from.begin('running', { fingerprint: 'v1:b' }),
          from.begin('running', mine),
        ])
        expect(outcomes.map(({ status }) => status)).toEqual(['completed', 'in_progress', 'mismatch', 'new'])
      }
    expect(await opened.query(state)).toEqual(before)
  })
})

describe('calls made at the same time', () => {
  const keys = Array.from({ length: 100 }, (_, index) => `key-${index}`)

  test('share a statement, and without coalescing do not', async () => {
    const { store, statements } = await counted()
    await Promise.all(keys.map((key) => store.begin(key, mine)))
    await Promise.all(keys.map((key) => store.complete(key, { of: key }, mine)))
    expect(statements()).toEqual(['INSERT', 'UPDATE'])
    const replays = await Promise.all(keys.map((key) => store.begin(key)))
    expect(replays).toMatchObject(keys.map((key) => ({ status: 'completed', response: { of: key } })))
    expect(statements()).toEqual(['SELECT'])
    const single = await counted({ coalesce: false })
    await Promise.all(keys.map((key) => single.store.begin(key, mine)))
    expect(single.statements().length).toBe(100)
  })

  test('of one key among them the first claims, and what is taken already is told apart', async () => {
    const { store, opened } = await counted()
    const other = await opened.again()
    await other.begin('taken', mine)
    const asked = ['a', 'taken', 'b', 'a', 'b', 'a']
    const outcomes = await Promise.all(asked.map((key) => store.begin(key)))
    expect(outcomes.map(({ status }) => status)).toEqual([
      'new',
      'in_progress',
      'new',
      'in_progress',
      'in_progress',
      'in_progress',
    ])
    const ends = await Promise.allSettled([
      other.complete('taken', 1, mine),
      other.complete('a', 1, mine),
      other.complete('taken', 2, mine),
    ])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    // Which of the two came first nobody says, but one did, and it stands.
    const one = await store.begin('taken')
    expect(one).toMatchObject({ status: 'completed', response: expect.toBeOneOf([1, 2]) })
    expect(await other.begin('taken')).toEqual(one)
  })

  test('each response of a batch is its own, of bytes and of text, as long as it may be', async () => {
    const { store } = await counted()
    const values = [
      'x'.repeat(8 * 1024 - 2),
      'y'.repeat(8 * 1024),
      new Uint8Array(8 * 1024).fill(255),
      new Uint8Array(8 * 1024 + 1),
      new Uint8Array(0),
      null,
      'ünï ☃ 𝒳 \\ " \u0000',
      { retention: 1 },
    ]
    await Promise.all(values.map((_, index) => store.begin(`value-${index}`, mine)))
    await Promise.all(
      values.map((value, index) => store.complete(`value-${index}`, value, { ...mine, retentionMs: 5000 + index })),
    )
    for (const [index, value] of values.entries()) {
      const replay = await store.begin(`value-${index}`)
      if (replay.status !== 'completed') throw new Error(replay.status)
      expect(replay.expiresAt.getTime() - replay.completedAt.getTime()).toBe(5000 + index)
      if (value instanceof Uint8Array) expect(Buffer.compare(replay.response as Uint8Array, value)).toBe(0)
      else expect(replay.response).toEqual(value)
    }
  })

  test('a key that somebody holds keeps none of the others', async () => {
    const { store, opened } = await counted()
    const { query, table } = opened
    await Promise.all(keys.map((key) => store.begin(key, mine)))
    await query('START TRANSACTION')
    await query(`SELECT 1 FROM \`${table}\` WHERE \`key\` = 'key-7' FOR UPDATE`)
    await query(`INSERT INTO \`${table}\` SELECT 'held', format, version, status, attempt, 'other', fingerprint, lease_ms,
      retention_ms, lease_until, expires_at, after_crash, created_at, updated_at, completed_at, checkpoint_number,
      withheld, kind, response_type, response, checkpoint_type, \`checkpoint\` FROM \`${table}\` WHERE \`key\` = 'key-7'`)
    const others = keys.filter((key) => key !== 'key-7')
    const settled: string[] = []
    const note =
      (key: string): (() => void) =>
      () =>
        settled.push(key)
    const completions = keys.map((key) => store.complete(key, key, mine).then(note(key)))
    const claims = ['held', 'x', 'y', 'z'].map((key) => store.begin(key, mine).then(note(key)))
    // The held ones are the only ones that are not done, and are so as soon as they are let go.
    await Promise.all([...completions.filter((_, index) => index !== 7), ...claims.slice(1)])
    expect(settled.sort()).toEqual([...others, 'x', 'y', 'z'].sort())
    await query('ROLLBACK')
    await Promise.all([...completions, ...claims])
    expect(await store.begin('key-7')).toMatchObject({ status: 'completed', response: 'key-7' })
    expect(await store.begin('held', mine)).toMatchObject({ status: 'new', attempt: 1 })
  })

  test('held keys keep nobody who comes later, however many they are', async () => {
    const { store, opened } = await counted()
    const { query, table } = opened
    const completed = keys.slice(0, 4)
    const begun = ['held-1', 'held-2', 'held-3', 'free']
    await Promise.all([...completed, ...begun.slice(0, 3)].map((key) => store.begin(key, mine)))
    // Released keys that are claimed anew meet the lock at once, as fresh ones do.
    await query('START TRANSACTION')
    for (const key of begun.slice(0, 3)) await query(`DELETE FROM \`${table}\` WHERE \`key\` = '${key}'`)
    for (const key of completed.slice(0, 3))
      await query(`SELECT 1 FROM \`${table}\` WHERE \`key\` = '${key}' FOR UPDATE`)
    const other = await opened.again()
    const settled: string[] = []
    const waiting: Promise<unknown>[] = []
    for (const key of [...begun, ...completed]) {
      const call = key.startsWith('key') ? other.complete(key, 1, mine) : other.begin(key, { token: 'next' })
      waiting.push(call.then(() => settled.push(key)))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all([waiting[3], waiting[7]])
    expect(settled.sort()).toEqual(['free', 'key-3'])
    await query('COMMIT')
    await Promise.all(waiting)
    expect(await other.get('held-1')).toMatchObject({ attempt: 1 })
    expect(await other.get('key-1')).toMatchObject({ status: 'completed' })
  })

  test('that are replays of large responses are answered alone, so that no result has all of them', async () => {
    const { store, opened } = await counted()
    const [own] = opened.clients
    if (own === undefined) throw new Error('The store has no client.')
    const results: number[] = []
    const client: MysqlClient = {
      execute: async (statement, values) => {
        const result = await own.client.execute(statement, values)
        const rows = Object.values((result as Record<string, unknown>[][])[0] ?? {})
        const held = rows.flatMap((row) => Object.values(row))
        results.push(held.reduce<number>((sum, one) => sum + (one instanceof Uint8Array ? one.byteLength : 0), 0))
        return result
      },
    }
    const responseOf = (index: number): string => String(index % 10).repeat((1 + (index % 4)) * 128 * 1024)
    const large = keys.slice(0, 32)
    await Promise.all(large.map((key) => store.begin(key, mine)))
    for (const [index, key] of large.entries()) await store.complete(key, responseOf(index), mine)
    const reader = mysqlStore({ client, table: opened.table })
    for (let turn = 0; turn < 2; turn++) {
      const replays = await Promise.all([...large, ...large].map((key) => reader.begin(key)))
      for (const [index, replay] of replays.entries())
        expect(replay.status === 'completed' && replay.response === responseOf(index % 32)).toBe(true)
    }
    expect(Math.max(...results)).toBeLessThan(600 * 1024)
    expect(results.filter((bytes) => bytes > 100 * 1024)).toHaveLength(64)
  })

  test('a call that the table refuses fails alone', async () => {
    const { store, opened } = await counted()
    await opened.query(`CREATE TRIGGER \`${opened.table}_poison\` BEFORE INSERT ON \`${opened.table}\` FOR EACH ROW
      IF NEW.\`key\` = 'bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'poisoned'; END IF`)
    const asked = ['a', 'b', 'bad', 'c', 'd']
    const ends = await Promise.allSettled(asked.map((key) => store.begin(key)))
    expect(ends.map(({ status }) => status)).toEqual(asked.map((key) => (key === 'bad' ? 'rejected' : 'fulfilled')))
    expect(ends[2]).toMatchObject({ reason: { code: 'store_unavailable', cause: expect.anything() } })
  })
})

describe('conflicts', () => {
  test('a rollback under 63 waiting inserts ends in one claim, and the deadlocks are told of', async () => {
    const met: unknown[] = []
    const { opened } = await counted()
    const { query, table } = opened
    const pool = await mysql2Pool.open(url, {}, 63)
    pools.push(pool)
    const store = mysqlStore({ client: pool.client, table, coalesce: false, onRetry: (error) => met.push(error) })
    for (let round = 0; round < 3; round++) {
      const key = `storm-${round}`
      await query('START TRANSACTION')
      await query(
        `INSERT INTO \`${table}\` (\`key\`, format, version, status, attempt, lease_ms, retention_ms, after_crash,
          created_at, updated_at, checkpoint_number, withheld) VALUES (?, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 0)`,
        [Buffer.from(key)],
      )
      const racing = Array.from({ length: 63 }, (_, index) => store.begin(key, { token: `racer-${index}` }))
      // The server renews its table of transactions only for who does not ask all the time.
      const waiters =
        "SELECT COUNT(*) AS n, SLEEP(0.11) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"
      for (let waiting = 0; waiting < 10; ) waiting = Number((await query(waiters))[0]?.n)
      await query('ROLLBACK')
      const outcomes = await Promise.all(racing)
      expect(outcomes.filter(({ status }) => status === 'new').length).toBe(1)
      expect(outcomes.filter(({ status }) => status === 'in_progress').length).toBe(62)
    }
    expect(met.length).toBeGreaterThan(0)
  })

  test('batches of several processes with the same keys in other orders end in one claim a key', async () => {
    const { opened } = await counted()
    const stores = [opened.store, await opened.again(), await opened.again()]
    for (let round = 0; round < 10; round++) {
      const keys = Array.from({ length: 60 }, (_, index) => `round-${round}-${(index * 37) % 60}`)
      const outcomes = await Promise.all(
        stores.map((store, turn) =>
          Promise.all((turn === 1 ? [...keys].reverse() : keys).map((key) => store.begin(key))),
        ),
      )
      expect(outcomes.flat().filter(({ status }) => status === 'new').length).toBe(60)
      expect(outcomes.flat().filter(({ status }) => status === 'in_progress').length).toBe(120)
    }
  })

  test('purges at once, beside claims of the same keys, take what is over and nothing else', async () => {
    const { opened } = await counted()
    const { store, query, table } = opened
    const other = await opened.again()
    const keys = Array.from({ length: 1500 }, (_, index) => `over-${index}`)
    await Promise.all(keys.map((key) => store.begin(key, { leaseMs: 1000, retentionMs: 1000 })))
    await store.begin('live', mine)
    await query(`UPDATE \`${table}\` SET lease_until = 1, expires_at = 2 WHERE \`key\` LIKE 'over-%'`)
    const again = keys.slice(0, 50)
    const [claims, ...purged] = await Promise.all([
      Promise.all(again.map((key) => other.begin(key, mine))),
      store.purge({ limit: 10_000 }),
      other.purge({ limit: 10_000 }),
      store.purge({ limit: 10 }),
    ])
    expect(claims.map(({ status }) => status)).toEqual(again.map(() => 'new'))
    expect(purged[2]).toBeLessThanOrEqual(10)
    while ((await store.purge()) > 0);
    expect((await store.list({ limit: 1000 })).records.map(({ key }) => key).sort()).toEqual(['live', ...again].sort())
    expect(await opened.stored?.()).toBe(51)
  })

  test('a purge leaves the records that somebody holds, and takes the others', async () => {
    const { store, opened } = await counted()
    const { query, table } = opened
    const keys = Array.from({ length: 100 }, (_, index) => `over-${index}`)
    await Promise.all(keys.map((key) => store.begin(key, { leaseMs: 1000, retentionMs: 1000 })))
    await query(`UPDATE \`${table}\` SET lease_until = 1, expires_at = 2`)
    await query('START TRANSACTION')
    await query(`SELECT 1 FROM \`${table}\` WHERE \`key\` IN ('over-7', 'over-70') FOR UPDATE`)
    expect(await store.purge()).toBe(98)
    await query('ROLLBACK')
    expect(await store.purge()).toBe(2)
  })

  test('a key that is claimed anew between the look of a purge and its delete is not taken', async () => {
    const { opened } = await counted()
    const { store, table } = opened
    const [own] = opened.clients
    if (own === undefined) throw new Error('The store has no client.')
    let claimed: string | undefined
    const client: MysqlClient = {
      execute: async (statement, values) => {
        if (/DELETE/.test(statement.sql)) claimed = (await store.begin('key', { token: 'next' })).status
        return own.client.execute(statement, values)
      },
    }
    await store.begin('key', { ...mine, leaseMs: 1000, retentionMs: 1000 })
    await store.begin('other', { ...mine, leaseMs: 1000, retentionMs: 1000 })
    for (const key of ['key', 'other']) await opened.age(key, 10_000)
    expect(await mysqlStore({ client, table }).purge()).toBe(1)
    expect(claimed).toBe('new')
    expect((await store.list()).records.map(({ key }) => key)).toEqual(['key'])
  })

  test('a claim that waited for a lock has a lease that begins after the wait', async () => {
    const { store, opened } = await counted({ coalesce: false })
    const { query, table } = opened
    await store.begin('key', mine)
    await query('START TRANSACTION')
    await query(`SELECT 1 FROM \`${table}\` WHERE \`key\` = 'key' FOR UPDATE`)
    const renewal = store.renew('key', 'mine', { leaseMs: 100_000 })
    const [wait] = await query('SELECT SLEEP(0.3), CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) AS until')
    await query('COMMIT')
    await renewal
    const leaseUntil = (await store.get('key'))?.leaseUntil?.getTime() ?? 0
    expect(leaseUntil - 100_000).toBeGreaterThanOrEqual(Number(wait?.until))
  })
})
