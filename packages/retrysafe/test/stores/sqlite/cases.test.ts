import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { prepareDatabase, resetsSafely, sqliteVersion } from '../../../src/stores/sqlite/schema.js'
import { type SqliteDatabase, type SqliteStore, sqliteStore } from '../../../src/stores/sqlite.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'
import { runStoreCase, storeCases } from '../../../src/testkit/store-cases.js'
import { type Client, clients, missingClients, type OpenHandle } from './clients.js'

/** In memory where that can be had: what a crash leaves is for the tests with processes of their own. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'retrysafe-sqlite-'))
let files = 0
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fresh(): string {
  files++
  return join(folder, `${files}.db`)
}

for (const { name, reason } of missingClients) test(`everything on ${name}`, (context) => context.skip(reason))

for (const client of clients)
  describe(`on ${client.name}`, () => {
    describe('the store contract', () => {
      for (const storeCase of storeCases)
        test(storeCase.name, async (context) => {
          const result = await runStoreCase(storeCase, () => open(client))
          if (result.status === 'skipped') context.skip(result.reason)
          if (result.status === 'broken') throw result.error
          expect(result.status).toBe('held')
        })
    })
    batchCases(client)
    lockCases(client)
    fileCases(client)
    lifeCases(client)
  })

function batchCases(client: Client): void {
  test('calls that are made at the same time share a commit', async () => {
    const { database, count } = counted(client.open(fresh()))
    const store = sqliteStore({ database })
    await store.migrate()
    const before = count('COMMIT')
    const keys = Array.from({ length: 64 }, (_, index) => `key-${index}`)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: `token-${key}` })))
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['new']))
    expect(count('COMMIT') - before).toBe(1)
    await Promise.all(keys.map((key) => store.complete(key, key, { token: `token-${key}` })))
    expect(count('COMMIT') - before).toBe(2)
  })

  test('without coalescing each call has a commit of its own, and all get their answer', async () => {
    const { database, count } = counted(client.open(fresh()))
    const store = sqliteStore({ database, coalesce: false })
    await store.migrate()
    const before = count('COMMIT')
    const keys = Array.from({ length: 8 }, (_, index) => `key-${index}`)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: `token-${key}` })))
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['new']))
    expect(count('COMMIT') - before).toBe(8)
    await Promise.all(keys.map((key) => store.complete(key, key, { token: `token-${key}` })))
    expect(count('COMMIT') - before).toBe(16)
    expect(() => sqliteStore({ database, coalesce: 'no' as unknown as boolean })).toThrow('coalesce is "no"')
  })

  test('what callers ask next, once they have their answer, joins one batch', async () => {
    const { database, count } = counted(client.open(fresh()))
    const store = sqliteStore({ database })
    await store.migrate()
    const before = count('COMMIT')
    await Promise.all(
      Array.from({ length: 64 }, async (_, index) => {
        for (let turn = 0; turn < 3; turn++) {
          await store.begin(`key-${index}-${turn}`, { token: 'mine' })
          // Some callers are slower than others to get on.
          for (let hop = 0; hop < index % 7; hop++) await undefined
          await store.complete(`key-${index}-${turn}`, turn, { token: 'mine' })
        }
      }),
    )
    expect(count('COMMIT') - before).toBe(6)
  })

  test('replays, refusals of duplicates and reads write nothing', async () => {
    const { database, count } = counted(client.open(fresh()))
    const store = sqliteStore({ database })
    await store.begin('done', { token: 'mine', fingerprint: 'v1:a' })
    await store.complete('done', 'response', { token: 'mine' })
    await store.begin('running', { token: 'mine', fingerprint: 'v1:a' })
    const before = count('BEGIN IMMEDIATE')
    const outcomes = await Promise.all([
      store.begin('done'),
      store.begin('running'),
      store.begin('running', { fingerprint: 'v1:b' }),
      store.begin('running', { token: 'mine' }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['completed', 'in_progress', 'mismatch', 'new'])
    expect(await store.get('done')).toMatchObject({ status: 'completed' })
    expect(await store.begin('done')).toMatchObject({ status: 'completed' })
    expect(count('BEGIN IMMEDIATE')).toBe(before)
  })

  test('duplicates of a key within a batch act one after the other', async () => {
    const store = sqliteStore({ database: client.open(fresh()) })
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.begin('key')))
    expect(outcomes.map(({ status }) => status).sort()).toEqual([...Array(19).fill('in_progress'), 'new'])
    const claim = { token: 'mine' }
    const ends = await Promise.allSettled([
      store.begin('other', claim),
      store.complete('absent', 1, claim),
      store.release('other', 'mine'),
    ])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  })

  // The engine itself fails the statement, and with ROLLBACK ends the whole transaction besides.
  for (const how of ['ABORT', 'ROLLBACK'])
    test(`a call that fails for its own reason fails alone in its batch (${how})`, async () => {
      const path = fresh()
      const database = client.open(path)
      const store = sqliteStore({ database })
      await store.migrate()
      database.exec(`CREATE TRIGGER poison BEFORE INSERT ON retrysafe_records WHEN new.key = 'bad'
        BEGIN SELECT RAISE(${how}, 'poisoned'); END`)
      const keys = ['a', 'b', 'bad', 'c', 'd']
      const ends = await Promise.allSettled(keys.map((key) => store.begin(key)))
      expect(ends.map(({ status }) => status)).toEqual(keys.map((key) => (key === 'bad' ? 'rejected' : 'fulfilled')))
      expect(ends[2]).toMatchObject({ reason: { code: 'store_unavailable', cause: expect.anything() } })
      expect((await store.list()).records.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'd'])
      await expect(store.begin('bad')).rejects.toMatchObject({ code: 'store_unavailable' })
      // No transaction is left open: another handle may write at once.
      const other = client.open(path)
      other.exec('PRAGMA busy_timeout = 0')
      other.exec('BEGIN IMMEDIATE')
      other.exec('ROLLBACK')
      other.close()
    })

  test('nothing is acknowledged before its commit: where that fails the claim is refused and is not there', async () => {
    const database = client.open(fresh())
    const store = sqliteStore({ database })
    await store.migrate()
    database.exec('PRAGMA foreign_keys = ON')
    database.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY)')
    database.exec('CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)')
    database.exec(`CREATE TRIGGER late AFTER INSERT ON retrysafe_records WHEN new.key = 'bad'
      BEGIN INSERT INTO child VALUES (1); END`)
    await expect(store.begin('bad')).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await store.get('bad')).toBeUndefined()
    expect(await store.begin('good')).toMatchObject({ status: 'new' })
  })

  test('large values are split over several commits and all arrive', async () => {
    const { database, count } = counted(client.open(fresh()))
    const store = sqliteStore({ database })
    const keys = ['a', 'b', 'c', 'd', 'e']
    for (const key of keys) await store.begin(key, { token: 'mine' })
    const before = count('COMMIT')
    const large = new Uint8Array(3 * 1024 * 1024).fill(7)
    await Promise.all(keys.map((key) => store.complete(key, large, { token: 'mine' })))
    expect(count('COMMIT') - before).toBe(3)
    for (const key of keys) {
      const record = await store.get(key)
      expect(Buffer.compare(record?.response as Uint8Array, large)).toBe(0)
    }
  })

  test('a purge commits in parts and stops at its limit', async () => {
    const { database, count } = counted(client.open(fresh()))
    const clock = simulatedClock()
    const store = sqliteStore({ database, clock })
    const keys = Array.from({ length: 2500 }, (_, index) => `key-${index}`)
    await Promise.all(keys.map((key) => store.begin(key, { leaseMs: 100, retentionMs: 1000 })))
    clock.jump(1100)
    const before = count('COMMIT')
    expect(await store.purge({ limit: 2400 })).toBe(2400)
    expect(count('COMMIT') - before).toBe(3)
    expect(await store.purge({ limit: 10_000 })).toBe(100)
  })
}

function lockCases(client: Client): void {
  test('a lock of another connection is waited for, and the event loop goes on meanwhile', async () => {
    const path = fresh()
    const store = sqliteStore({ database: client.open(path) })
    await store.begin('done', { token: 'mine' })
    await store.complete('done', 'response', { token: 'mine' })
    const other = client.open(path)
    other.exec('PRAGMA busy_timeout = 0')
    other.exec('BEGIN IMMEDIATE')
    let settled = false
    const claim = store.begin('key').finally(() => {
      settled = true
    })
    // Were the wait a blocking one, the lock could never be given up: its holder is this thread.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(settled).toBe(false)
    expect(await store.begin('done')).toMatchObject({ status: 'completed', response: 'response' })
    expect(await store.get('key')).toBeUndefined()
    other.exec('COMMIT')
    expect(await claim).toMatchObject({ status: 'new' })
    other.close()
  })

  test('a lock that is held too long is an error that says where to look, for all who wait, and no claim', async () => {
    const path = fresh()
    const clock = simulatedClock()
    const store = sqliteStore({ database: client.open(path), clock })
    await store.migrate()
    const other = client.open(path)
    other.exec('PRAGMA busy_timeout = 0')
    other.exec('BEGIN IMMEDIATE')
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`)
    const calls = Promise.allSettled(keys.map((key) => store.begin(key)))
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(4900)
    expect(clock.pending).toBe(1)
    await clock.advance(200)
    for (const end of await calls)
      expect(end).toMatchObject({
        status: 'rejected',
        reason: { code: 'store_unavailable', message: expect.stringContaining('open transaction') },
      })
    other.exec('COMMIT')
    expect((await store.list()).records).toEqual([])
    expect(await store.begin('key-0')).toMatchObject({ status: 'new' })
    other.close()
  })

  test('two stores of one process on one file are one store', async () => {
    const path = fresh()
    const stores = [0, 1].map(() => sqliteStore({ database: client.open(path) }))
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`)
    const outcomes = await Promise.all(keys.flatMap((key) => stores.map((store) => store.begin(key))))
    expect(outcomes.filter(({ status }) => status === 'new').length).toBe(50)
    expect(outcomes.filter(({ status }) => status === 'in_progress').length).toBe(50)
  })

  test('a transaction that is not of the store is neither joined nor ended', async () => {
    const database = client.open(fresh())
    const store = sqliteStore({ database })
    await store.migrate()
    database.exec('CREATE TABLE own (id INTEGER)')
    database.exec('BEGIN')
    database.exec('INSERT INTO own VALUES (1)')
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('must be its alone'),
    })
    database.exec('COMMIT')
    expect(database.prepare('SELECT id FROM own').all().length).toBe(1)
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
  })
}

function fileCases(client: Client): void {
  test('whoever makes the tables while another waits to make them is no hindrance', async () => {
    const path = fresh()
    const [handle, other] = [client.open(path), client.open(path)]
    let raced = false
    const database: SqliteDatabase = {
      prepare: (sql) => handle.prepare(sql),
      exec: (sql) => {
        if (sql === 'BEGIN IMMEDIATE' && !raced) {
          raced = true
          prepareDatabase(other, path)
        }
        return handle.exec(sql)
      },
    }
    expect(await sqliteStore({ database }).begin('key')).toMatchObject({ status: 'new' })
    expect(raced).toBe(true)
    other.close()
  })

  test('a file that is no database is named and left as it is', async () => {
    const path = fresh()
    const junk = Buffer.from('This is a letter, and no database. '.repeat(300))
    writeFileSync(path, junk)
    const store = sqliteStore({ database: client.open(path) })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_corrupt',
      message: expect.stringContaining('left as it is'),
      cause: expect.anything(),
    })
    await expect(store.get('key')).rejects.toMatchObject({ code: 'store_corrupt' })
    expect(readFileSync(path).equals(junk)).toBe(true)
  })

  test('a damaged file is an error for what meets the damage, never an answer', async () => {
    const path = fresh()
    const handle = client.open(path)
    const store = sqliteStore({ database: handle })
    const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
    await Promise.all(keys.map((key) => store.complete(key, 'x'.repeat(500), { token: 'mine' })))
    handle.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    await store.close()
    handle.close()
    const bytes = readFileSync(path)
    bytes.fill(0xff, bytes.length / 2)
    writeFileSync(path, bytes)
    const again = sqliteStore({ database: client.open(path) })
    const ends = await Promise.allSettled(keys.map((key) => again.get(key)))
    const damaged = ends.filter(({ status }) => status === 'rejected')
    expect(damaged.length).toBeGreaterThan(0)
    for (const end of damaged) expect(end).toMatchObject({ reason: { code: 'store_corrupt' } })
    for (const end of ends)
      if (end.status === 'fulfilled') expect(end.value).toMatchObject({ response: 'x'.repeat(500) })
  })

  test('a file of a later version is refused and left as it is', async () => {
    const path = fresh()
    const store = sqliteStore({ database: client.open(path) })
    await store.begin('key', { token: 'mine' })
    const other = client.open(path)
    other.exec("UPDATE retrysafe_meta SET value = 2 WHERE name = 'schema'")
    const late = sqliteStore({ database: client.open(path) })
    await expect(late.begin('other')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('later Retrysafe'),
    })
    expect(other.prepare('SELECT key FROM retrysafe_records').all().length).toBe(1)
    other.close()
  })

  test('a record of a later version is refused alone, in a batch too, and nothing changes it', async () => {
    const path = fresh()
    const store = sqliteStore({ database: client.open(path) })
    await store.begin('late', { token: 'mine' })
    const other = client.open(path)
    other.exec('UPDATE retrysafe_records SET format = 2')
    const ends = await Promise.allSettled([store.begin('a'), store.begin('late'), store.begin('b')])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(ends[1]).toMatchObject({ reason: { code: 'unsupported' } })
    for (const call of [
      () => store.complete('late', 1, { token: 'mine' }),
      () => store.renew('late', 'mine'),
      () => store.release('late', 'mine'),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'unsupported' })
    const [row] = other.prepare("SELECT format, status FROM retrysafe_records WHERE key = 'late'").all()
    expect(row).toMatchObject({ format: 2, status: 0 })
    other.close()
  })

  test('records of format 1 are read as they were written', async () => {
    const database = client.open(fresh())
    database.exec(readFileSync(new URL('../fixtures/sqlite-1.sql', import.meta.url), 'utf8'))
    const clock = simulatedClock(1_767_225_700_000)
    const store = sqliteStore({ database, clock })
    expect(await store.begin('bytes')).toMatchObject({ status: 'completed', response: Uint8Array.of(0, 255, 7) })
    expect(await store.begin('tenant/ünï', { fingerprint: 'v1:abc' })).toMatchObject({
      status: 'completed',
      response: { paid: true, amount: -0 },
      kind: 'http',
      attempt: 2,
      expiresAt: new Date(1_767_312_000_000),
    })
    expect(await store.begin('uncertain')).toEqual({ status: 'uncertain', attempt: 3, checkpoint: { step: 1 } })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await store.begin('released', { token: 'next' })).toMatchObject({
      status: 'new',
      attempt: 3,
      checkpoint: [1],
    })
  })

  test('the file asks for every commit to be on the disk', async () => {
    const database = client.open(fresh())
    await sqliteStore({ database }).migrate()
    expect(database.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' })
    expect(database.prepare('PRAGMA synchronous').get()).toMatchObject({ synchronous: 2 })
    expect(database.prepare('PRAGMA fullfsync').get()).toMatchObject({ fullfsync: 1 })
  })
}

function lifeCases(client: Client): void {
  test('closing waits for what is queued, refuses what comes later, and leaves a given handle open', async () => {
    const database = client.open(fresh())
    const store = sqliteStore({ database })
    const claims = ['a', 'b', 'c'].map((key) => store.begin(key))
    const read = store.get('a')
    const closed = store.close()
    const late = store.begin('late')
    await expect(late).rejects.toMatchObject({ code: 'store_closed' })
    await closed
    expect((await Promise.all(claims)).map(({ status }) => status)).toEqual(['new', 'new', 'new'])
    await read
    await store.close()
    for (const call of [
      () => store.get('a'),
      () => store.complete('a', 1),
      () => store.renew('a', 'mine'),
      () => store.release('a', 'mine'),
      () => store.purge(),
      () => store.list(),
      () => store.delete('a'),
      () => store.free('a', { attempt: 1 }),
      () => store.migrate(),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'store_closed' })
    expect(database.prepare('SELECT key FROM retrysafe_records').all().length).toBe(3)
  })

  test('with a handle that its owner closed nothing is acknowledged that is not stored', async () => {
    const path = fresh()
    const database = client.open(path)
    const store = sqliteStore({ database })
    await store.begin('key', { token: 'mine' })
    database.close()
    const other = sqliteStore({ database: client.open(path) })
    const [claim] = await Promise.allSettled([store.begin('other')])
    // libsql serves statements that were prepared before; the others refuse.
    if (claim.status === 'rejected') expect(claim.reason).toMatchObject({ code: 'store_unavailable' })
    expect(await other.begin('other')).toMatchObject({ status: claim.status === 'rejected' ? 'new' : 'in_progress' })
  })

  test('a clock of more than whole milliseconds will do', async () => {
    const clock = simulatedClock(1_767_225_600_000.75)
    const store = sqliteStore({ database: client.open(fresh()), clock })
    await store.begin('key', { token: 'mine', leaseMs: 1000 })
    expect((await store.get('key'))?.leaseUntil).toEqual(new Date(1_767_225_601_000))
  })
}

describe('by its path', () => {
  test('a value of more than 256 MiB is refused: libsql would store nothing and not say so', async () => {
    const store = sqliteStore({ path: fresh() })
    await store.begin('key', { token: 'mine' })
    const large = new Uint8Array(256 * 1024 * 1024 + 1)
    await expect(store.complete('key', large, { token: 'mine' })).rejects.toMatchObject({ code: 'value_too_large' })
    expect(await store.get('key')).toMatchObject({ status: 'in_progress' })
    await store.close()
  })

  test('nothing is opened before the first call, and all that was acknowledged is there for the next store', async () => {
    const path = fresh()
    const store = sqliteStore({ path })
    expect(existsSync(path)).toBe(false)
    await store.begin('key', { token: 'mine' })
    expect(existsSync(path)).toBe(true)
    await store.complete('key', { paid: true }, { token: 'mine' })
    await store.close()
    await store.close()
    const next = sqliteStore({ path })
    expect(await next.begin('key')).toMatchObject({ status: 'completed', response: { paid: true } })
    await next.close()
  })

  test('closing waits for what is queued before it closes the file', async () => {
    const path = fresh()
    const store = sqliteStore({ path })
    const order: string[] = []
    const claims = ['a', 'b', 'c'].map(async (key) => order.push((await store.begin(key)).status))
    await store.close()
    order.push('closed')
    await Promise.all(claims)
    expect(order).toEqual(['new', 'new', 'new', 'closed'])
    const next = sqliteStore({ path })
    expect((await next.list()).records.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    await next.close()
  })

  test('a store that was never used closes without a file', async () => {
    const path = fresh()
    await sqliteStore({ path }).close()
    expect(existsSync(path)).toBe(false)
  })

  test('a folder that is not there is named, and once it is there the store goes on', async () => {
    const missing = join(folder, `missing-${files}`)
    const store = sqliteStore({ path: join(missing, 'retrysafe.db') })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining(missing),
    })
    await expect(store.get('key')).rejects.toMatchObject({ code: 'store_unavailable' })
    mkdirSync(missing)
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
    await store.close()
  })

  test('who shares the file through an SQLite with the WAL-reset bug is warned, once; who does not is not', async () => {
    const name = process.getBuiltinModule('node:sqlite') === undefined ? 'libsql' : 'node:sqlite'
    const client = clients.find((one) => one.name === name)
    if (client === undefined) throw new Error(`${name} is not there`)
    const warnings: unknown[] = []
    const listen = (warning: Error & { code?: string }): void => {
      if (warning.code === 'RETRYSAFE_SQLITE_RESET') warnings.push(warning.message)
    }
    process.on('warning', listen)
    const path = fresh()
    const stores = [sqliteStore({ path }), sqliteStore({ path })]
    for (const [index, store] of stores.entries()) await store.begin(`alone-${index}`)
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
    const other = client.open(path)
    other.exec('PRAGMA busy_timeout = 0')
    other.exec('BEGIN IMMEDIATE')
    const claims = stores.map((store) => store.begin('key'))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    other.exec('COMMIT')
    await Promise.all(claims)
    const safe = resetsSafely(sqliteVersion(other))
    expect(warnings).toEqual(safe ? [] : [expect.stringContaining(path)])
    process.off('warning', listen)
    for (const store of stores) await store.close()
    other.close()
  })

  test('exactly one of path and database is accepted, and only what can be one', () => {
    for (const options of [{}, { path: '' }, { path: 7 }, { path: 'a\0b' }, { database: {} }, { database: 'a.db' }])
      expect(() => sqliteStore(options as never)).toThrowError(/must be/)
    expect(() => sqliteStore({ path: 'a.db', database: {} } as never)).toThrowError(/only there/)
  })
})

test('the SQLite versions without the WAL-reset bug are known', () => {
  const safe = ['3.44.6', '3.50.7', '3.51.3', '3.53.0', '4.0.0']
  const unsafe = ['3.7.0', '3.44.5', '3.45.1', '3.50.6', '3.51.2']
  expect([...safe, ...unsafe].filter(resetsSafely)).toEqual(safe)
})

/** The handle, and how often it ran a prepared statement. */
function counted(handle: OpenHandle): { database: SqliteDatabase; count(sql: string): number } {
  const counts = new Map<string, number>()
  const database: SqliteDatabase = {
    exec: (sql) => handle.exec(sql),
    prepare: (sql) => {
      const statement = handle.prepare(sql)
      return {
        run: (...values) => {
          counts.set(sql, (counts.get(sql) ?? 0) + 1)
          return statement.run(...values)
        },
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
      }
    },
  }
  return { database, count: (sql) => counts.get(sql) ?? 0 }
}

async function open(client: Client): Promise<OpenedStore> {
  const path = fresh()
  const clock = simulatedClock()
  const handles: OpenHandle[] = []
  const stores: SqliteStore[] = []
  const handle = (): OpenHandle => {
    const opened = client.open(path)
    handles.push(opened)
    return opened
  }
  const another = (): SqliteStore => {
    const store = sqliteStore({ database: handle(), clock })
    stores.push(store)
    return store
  }
  const store = another()
  await store.migrate()
  const side = handle()
  const columns = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']
  const shifts = columns.map((column) => `${column} = ${column} - ?`)
  const shift = side.prepare(`UPDATE retrysafe_records SET ${shifts.join(', ')} WHERE key = ?`)
  return {
    store,
    scratch: 'case/',
    frozen: true,
    age: async (key, ms) => {
      shift.run(...columns.map(() => ms), key)
    },
    again: async () => another(),
    stored: async () => Number((side.prepare('SELECT count(*) AS n FROM retrysafe_records').get() as { n: number }).n),
    reopen: async () => {
      await store.close()
      return another()
    },
    close: async () => {
      for (const opened of stores) await opened.close()
      for (const opened of handles.splice(0)) opened.close()
    },
  }
}
