import { inspect } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { missing, startPostgres } from '../../../../../tools/engines/src/index.js'
import { type BeginOptions, type Clock, systemClock } from '../../../src/contract/index.js'
import { toStoreError } from '../../../src/stores/postgres/errors.js'
import {
  type PostgresQueryClient,
  type PostgresStore,
  type PostgresValue,
  postgresStore,
} from '../../../src/stores/postgres.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import { freshName, openPool, openPostgresJs, urlOf } from './open.js'

const url = (await urlOf()) ?? ''
const reason = await missing('postgres')
beforeEach((context) => context.skip(reason !== undefined, reason))

const schema = freshName()
const records = `"${schema}".retrysafe_records`
const pool = new pg.Pool({ connectionString: url, max: 10 })
const store = postgresStore({ client: pool, schema })
beforeAll(async () => {
  if (reason === undefined) await store.migrate()
})
afterAll(async () => {
  if (reason === undefined) await pool.query(`DROP SCHEMA "${schema}" CASCADE`)
  await pool.end()
})

/** A clock by which everything is so many times shorter. */
function hurried(times: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * times,
    sleep: (ms, signal, background) => systemClock.sleep(ms / times, signal, background),
  }
}

async function complete(key: string, response: object | string = 'done'): Promise<void> {
  await store.begin(key, { token: 'mine', fingerprint: 'v1:a' })
  await store.complete(key, response, { token: 'mine' })
}

/** A store on one connection, inside a transaction that says in the end whether anything was written. */
async function inTransaction(work: (own: PostgresStore) => Promise<unknown>): Promise<'wrote' | 'wrote nothing'> {
  const client = await pool.connect()
  try {
    const own = postgresStore({ client, schema })
    await own.get('nothing')
    await client.query('BEGIN')
    await work(own)
    const { rows } = await client.query('SELECT pg_current_xact_id_if_assigned() IS NULL AS idle')
    await client.query('COMMIT')
    return (rows[0] as { idle: boolean }).idle ? 'wrote nothing' : 'wrote'
  } finally {
    client.release()
  }
}

describe('round trips', () => {
  test('a fresh key, a completion, a renewal, a release, a replay and a duplicate are one each', async () => {
    const texts: string[] = []
    const client: PostgresQueryClient = {
      query: (text: string, values?: PostgresValue[]) => {
        texts.push(text)
        return pool.query(text, values)
      },
    }
    const own = postgresStore({ client, schema })
    await own.get('nothing')
    texts.splice(0)
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      claim: () => own.begin('trips', { token: 'mine', fingerprint: 'v1:a' }),
      duplicate: () => own.begin('trips'),
      mismatch: () => own.begin('trips', { fingerprint: 'v1:b' }),
      repeat: () => own.begin('trips', { token: 'mine' }),
      renewal: () => own.renew('trips', 'mine'),
      save: () => own.renew('trips', 'mine', { checkpoint: [1], checkpointNumber: 1 }),
      completion: () => own.complete('trips', 'done', { token: 'mine' }),
      replay: () => own.begin('trips'),
      read: () => own.get('trips'),
      deletion: () => own.delete('trips'),
      another: () => own.begin('trips', { token: 'mine' }),
      release: () => own.release('trips', 'mine'),
    }
    for (const [name, call] of Object.entries(calls)) {
      await call()
      expect(texts.splice(0).length, name).toBe(1)
    }
  })

  test('a replay, a waiting duplicate and a mismatch write nothing', async () => {
    await complete('idle/done')
    await store.begin('idle/running', { token: 'mine', fingerprint: 'v1:a' })
    await store.begin('idle/uncertain', { token: 'mine', afterCrash: 'uncertain' })
    await store.renew('idle/uncertain', 'mine', { leaseMs: 0 })
    const calls: Readonly<Record<string, [key: string, options: BeginOptions, status: string]>> = {
      replay: ['idle/done', {}, 'completed'],
      duplicate: ['idle/running', { fingerprint: 'v1:a' }, 'in_progress'],
      mismatch: ['idle/running', { fingerprint: 'v1:b' }, 'mismatch'],
      repeat: ['idle/running', { token: 'mine' }, 'new'],
      uncertain: ['idle/uncertain', {}, 'uncertain'],
    }
    for (const [name, [key, options, status]] of Object.entries(calls)) {
      const written = await inTransaction(async (own) => {
        expect(await own.begin(key, options), name).toMatchObject({ status })
      })
      expect(written, name).toBe('wrote nothing')
    }
    const many = await inTransaction((own) =>
      Promise.all(Object.values(calls).map(([key, options]) => own.begin(key, options))),
    )
    expect(many).toBe('wrote nothing')
    expect(await inTransaction((own) => own.begin('idle/fresh'))).toBe('wrote')
  })

  test('what is asked by its key is found by the index of keys, in a large table too', async () => {
    await pool.query(`INSERT INTO ${records} (key, version, format, status, attempt, token, lease_ms, retention_ms,
        lease_until, expires_at, after_crash, created_at, updated_at, checkpoint_number, withheld)
      SELECT 'filler/' || n, 1, 1, 0, 1, 't', 1000, 1000, 9999999999999, 9999999999999, 0, 1, 1, 0, false
      FROM generate_series(1, 20000) AS n`)
    await pool.query(`ANALYZE ${records}`)
    const client = await pool.connect()
    const plans: string[] = []
    // The plan of the very statements, as they are sent.
    const explaining: PostgresQueryClient = {
      query: async (text: string, values?: PostgresValue[]) => {
        const { rows } = await client.query(`EXPLAIN ${text}`, values)
        plans.push((rows as { 'QUERY PLAN': string }[]).map((row) => row['QUERY PLAN']).join('\n'))
        return client.query(text, values)
      },
    }
    const own = postgresStore({ client: explaining, schema })
    await own.get('nothing')
    plans.splice(0)
    const keys = Array.from({ length: 32 }, (_, index) => `plan/${index}`)
    await Promise.all(keys.map((key) => own.begin(key, { token: 'mine' })))
    await Promise.all(keys.map((key) => own.complete(key, 1, { token: 'mine' })))
    await own.begin('plan/one', { token: 'mine' })
    await own.renew('plan/one', 'mine')
    await own.complete('plan/one', 1, { token: 'mine' })
    await own.get('plan/one')
    await own.list({ prefix: 'filler/19', limit: 10 })
    await own.purge({ limit: 10 })
    client.release()
    expect(plans).toHaveLength(8)
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on retrysafe_records/)
      expect(plan).toMatch(/Index (?:Only )?Scan|Bitmap Index Scan|Tid Scan/)
    }
    // Only a purge goes by time.
    expect(plans.filter((plan) => plan.includes('retrysafe_records_expiry'))).toHaveLength(1)
    await pool.query(`DELETE FROM ${records} WHERE key LIKE 'filler/%'`)
  })
})

describe('the clock', () => {
  test('is the server’s: a machine whose clock is wrong by a year claims and completes like any other', async () => {
    const clock = simulatedClock(0)
    const lost = postgresStore({ client: pool, schema, clock })
    const outcome = await lost.begin('clock', { token: 'mine', leaseMs: 60_000 })
    const [row] = (await pool.query('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now')).rows
    const leaseUntil = outcome.status === 'new' ? outcome.leaseUntil.getTime() : 0
    expect(Math.abs(leaseUntil - 60_000 - Number((row as { now: number }).now))).toBeLessThan(30_000)
    expect(await store.begin('clock')).toMatchObject({ status: 'in_progress' })
  })

  for (const coalesce of [true, false])
    test(`a claim that waited for a transaction that rolled back has its whole lease (coalesce: ${coalesce})`, async () => {
      const key = `rollback-${coalesce}`
      const other = await pool.connect()
      await other.query('BEGIN')
      await postgresStore({ client: other, schema, coalesce: false }).begin(key, { token: 'other' })
      const own = postgresStore({ client: pool, schema, coalesce })
      const waiting = own.begin(key, { token: 'mine', leaseMs: 200 })
      // Longer than the lease.
      await other.query('SELECT pg_sleep(0.5)')
      await other.query('ROLLBACK')
      const { rows } = await other.query('SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now')
      other.release()
      const outcome = await waiting
      if (outcome.status !== 'new') throw new Error(`it is ${outcome.status}`)
      // It was judged no more than half a lease before the other ended.
      expect(outcome.leaseUntil.getTime()).toBeGreaterThanOrEqual((rows[0] as { now: number }).now + 90)
    })
})

describe('compare-and-swap', () => {
  test('sees a record that was removed and made anew in the meantime', async () => {
    await store.begin('anew', { token: 'first', leaseMs: 1000 })
    await pool.query(`UPDATE ${records} SET lease_until = 1 WHERE key = 'anew'`)
    let overtaken = 0
    const slow: PostgresQueryClient = {
      query: async (text: string, values?: PostgresValue[]) => {
        // Just before the takeover is written.
        if (text.startsWith('UPDATE') && overtaken++ === 0) {
          await store.delete('anew')
          await store.begin('anew', { token: 'winner' })
        }
        return pool.query(text, values)
      },
    }
    const outcome = await postgresStore({ client: slow, schema }).begin('anew', { token: 'late' })
    expect(overtaken).toBe(1)
    expect(outcome).toMatchObject({ status: 'in_progress', attempt: 1 })
    await store.complete('anew', 1, { token: 'winner' })
  })

  test('sends no checkpoint that stands there already, and keeps it', async () => {
    await store.begin('kept', { token: 'first' })
    const checkpoint = { step: 'x'.repeat(10_000) }
    await store.renew('kept', 'first', { checkpoint, leaseMs: 0 })
    let sent = 0
    const client: PostgresQueryClient = {
      query: (text: string, values: PostgresValue[] = []) => {
        sent += values.reduce<number>((sum, value) => sum + String(value).length, 0)
        return pool.query(text, values)
      },
    }
    const outcome = await postgresStore({ client, schema }).begin('kept', { token: 'second' })
    expect(outcome).toMatchObject({ status: 'new', attempt: 2, checkpoint })
    expect(sent).toBeLessThan(1000)
    expect((await store.get('kept'))?.checkpoint).toEqual(checkpoint)
  })
})

describe('a key that another transaction holds', () => {
  test('is waited for without holding a connection, and after 5 s it is store_unavailable', async () => {
    const other = await pool.connect()
    await other.query('BEGIN')
    await postgresStore({ client: other, schema }).begin('held', { token: 'other' })
    const clock = hurried(20)
    const single = openPool(url, { connections: 1 })
    const own = postgresStore({ client: single.client, schema, clock })
    const waiting = own.begin('held')
    let statements = 0
    const business = async (): Promise<void> => {
      for (; statements < 5; statements++) await single.query('SELECT 1')
    }
    await Promise.all([business(), expect(waiting).rejects.toMatchObject({ code: 'store_unavailable' })])
    expect(statements).toBe(5)
    await other.query('ROLLBACK')
    other.release()
    expect(await own.begin('held')).toMatchObject({ status: 'new' })
    await single.close()
  })
})

describe('a record that another transaction holds', () => {
  const writes: Readonly<Record<string, (own: PostgresStore, key: string) => Promise<unknown>>> = {
    completion: (own, key) => own.complete(key, 1, { token: 'mine' }),
    'completion without a token': (own, key) => own.complete(key, 1),
    renewal: (own, key) => own.renew(key, 'mine'),
    release: (own, key) => own.release(key, 'mine'),
    free: (own, key) => own.free(key, { attempt: 1 }),
    deletion: (own, key) => own.delete(key),
  }
  for (const [name, write] of Object.entries(writes))
    test(`keeps a ${name} waiting, and no connection`, async () => {
      const key = `locked ${name}`
      await store.begin(key, { token: 'mine' })
      const other = await pool.connect()
      await other.query('BEGIN')
      await other.query(`SELECT FROM ${records} WHERE key = $1 FOR UPDATE`, [key])
      const single = openPool(url, { connections: 1 })
      const own = postgresStore({ client: single.client, schema })
      await own.get('nothing')
      let isDone = false
      const waiting = write(own, key).finally(() => {
        isDone = true
      })
      // Behind the waiting statement on the one connection: it comes to its turn, though the lock is still held.
      await single.query('SELECT 1')
      await single.query('SELECT 1')
      expect(isDone).toBe(false)
      await other.query('COMMIT')
      other.release()
      await waiting
      await single.close()
    })
})

describe('purge', () => {
  test('by several at once deletes what is over, each record once, and no other', async () => {
    const keys = Array.from({ length: 3000 }, (_, index) => `purge/${index}`)
    await Promise.all(keys.map((key) => store.begin(key)))
    await pool.query(
      `UPDATE ${records} SET expires_at = 1, lease_until = 1 WHERE key LIKE 'purge/%' AND key NOT LIKE '%7'`,
    )
    const purged = await Promise.all(Array.from({ length: 6 }, () => store.purge({ limit: 10_000 })))
    expect(purged.reduce((sum, one) => sum + one)).toBe(2700)
    const { rows } = await pool.query(`SELECT count(*)::int4 AS n FROM ${records} WHERE key LIKE 'purge/%'`)
    expect(rows).toEqual([{ n: 300 }])
  })

  test('leaves alone what another transaction holds, and does not wait for it', async () => {
    await store.begin('locked/one')
    await pool.query(`UPDATE ${records} SET expires_at = 1 WHERE key = 'locked/one'`)
    const other = await pool.connect()
    await other.query('BEGIN')
    await other.query(`SELECT FROM ${records} WHERE key = 'locked/one' FOR UPDATE`)
    expect(await store.purge()).toBe(0)
    await other.query('COMMIT')
    other.release()
    expect(await store.purge()).toBe(1)
  })
})

describe('wake-ups', () => {
  test('are offered only where there is a connection to listen on', async () => {
    expect('wake' in store).toBe(false)
    expect('wake' in postgresStore({ client: pool, schema, listen: undefined })).toBe(false)
    const listener = new pg.Client({ connectionString: url })
    expect('wake' in postgresStore({ client: pool, schema, listen: listener })).toBe(true)
  })

  for (const kind of ['pg', 'postgres.js'] as const)
    test(`come for whatever ends a claim, for that key alone, and not for a renewal (${kind})`, async () => {
      const open = kind === 'pg' ? openPool(url) : openPostgresJs(url)
      const listen = await open.listen()
      const own = postgresStore({ client: open.client, schema, listen })
      const other = postgresStore({ client: pool, schema, listen: await open.listen() })
      const ends: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
        completion: (key) => other.complete(key, 1, { token: 'mine' }),
        release: (key) => other.release(key, 'mine'),
        free: (key) => other.free(key, { attempt: 1 }),
        deletion: (key) => other.delete(key),
        giving: (key) => other.renew(key, 'mine', { leaseMs: 0 }),
        many: async (key) => {
          await other.begin(`${key}-2`, { token: 'mine' })
          await Promise.all([key, `${key}-2`].map((one) => other.complete(one, 1, { token: 'mine' })))
        },
      }
      // The first who wait are woken once the connection listens, since a push may have been missed.
      await own.wake('first', new AbortController().signal)
      const bystander = new AbortController()
      let isWoken = false
      const waiting = own.wake('wakes/bystander', bystander.signal).then(() => {
        isWoken = true
      })
      for (const [name, end] of Object.entries(ends)) {
        const key = `wakes/${kind}/${name}`
        await other.begin(key, { token: 'mine' })
        const woken = own.wake(key, new AbortController().signal)
        await other.renew(key, 'mine')
        await end(key)
        await woken
      }
      expect(isWoken).toBe(false)
      bystander.abort()
      await waiting
      await own.close()
      await other.close()
      await open.close()
    })

  test('a renewal pushes nothing', async () => {
    const listener = new pg.Client({ connectionString: url })
    await listener.connect()
    const pushed: (string | undefined)[] = []
    listener.on('notification', ({ payload }) => pushed.push(payload))
    const own = postgresStore({ client: pool, schema, listen: listener })
    await own.wake('first', new AbortController().signal)
    await own.begin('quiet', { token: 'mine' })
    await own.renew('quiet', 'mine')
    await own.renew('quiet', 'mine', { checkpoint: 1 })
    await listener.query('SELECT 1')
    expect(pushed).toEqual([])
    await own.complete('quiet', 1, { token: 'mine' })
    await listener.query('SELECT 1')
    // A digest, since keys would be seen by whoever may listen.
    expect(pushed).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)])
    await own.close()
    await listener.end()
  })

  test('who waits when the connection of the listener breaks is woken, and whoever waits then is told that it is gone', async () => {
    const listener = new pg.Client({ connectionString: url })
    listener.on('error', () => undefined)
    await listener.connect()
    const own = postgresStore({ client: pool, schema, listen: listener })
    const never = new AbortController().signal
    await own.wake('first', never)
    const broken = own.wake('key', never)
    const { rows } = await listener.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
    await broken
    await expect(own.wake('key', never)).rejects.toThrow()
    await own.close()
  })

  test('a listener that is gone makes wake fail, and nothing else', async () => {
    const listener = new pg.Client({ connectionString: url })
    listener.on('error', () => undefined)
    const own = postgresStore({ client: pool, schema, listen: listener })
    await listener.connect()
    await listener.end()
    await expect(own.wake('key', new AbortController().signal)).rejects.toThrow()
    expect(await own.begin('unheard', { token: 'mine' })).toMatchObject({ status: 'new' })
    await own.complete('unheard', 1, { token: 'mine' })
    await own.close()
  })
})

describe('what goes wrong', () => {
  test('a server that cannot be reached is store_unavailable with the client’s error as cause, and no password', async () => {
    const away = new pg.Pool({ connectionString: 'postgres://me:secret-word@127.0.0.1:1/app' })
    const own = postgresStore({ client: away })
    const error = await own.begin('key').catch((rejection: unknown) => rejection)
    expect(error).toMatchObject({ code: 'store_unavailable', cause: { code: 'ECONNREFUSED' } })
    expect((error as Error).message).not.toContain('secret-word')
    await away.end()
  })

  test('a connection string that a client repeats is shown without its password', () => {
    const repeated = new Error('cannot connect to postgres://me:secret-word@host/app?password=secret-word')
    expect(toStoreError(repeated, 'here').message).not.toContain('secret-word')
    expect(toStoreError(repeated, 'here').message).toContain('host/app')
    expect(inspect(toStoreError(repeated, 'here'), { depth: 9, showHidden: true })).not.toContain('secret-word')
  })

  test('no error shows what the call carried', async () => {
    const table = `"${schema}".retrysafe_records`
    await pool.query(`ALTER TABLE ${table} ADD CONSTRAINT short CHECK (octet_length(response) < 8) NOT VALID`)
    await store.begin('refused', { token: 'secret-token' })
    const refused: unknown = await store
      .complete('refused', 'secret-value', { token: 'secret-token' })
      .catch((error: unknown) => error)
    await pool.query(`ALTER TABLE ${table} DROP CONSTRAINT short`)
    expect(refused).toMatchObject({ code: 'store_unavailable', cause: { code: '23514' } })
    const shown = inspect(refused, { depth: 9, showHidden: true })
    expect(shown).not.toContain('secret')
    expect(shown).not.toContain(Buffer.from('secret').toString('hex'))
  })

  test('a read-only server and a server that goes away are store_unavailable, and it goes on when it is back', async () => {
    const server = await startPostgres()
    const open = openPool(server.url)
    try {
      const own = postgresStore({ client: open.client })
      await own.migrate()
      await own.begin('key', { token: 'mine' })
      await open.query('ALTER SYSTEM SET default_transaction_read_only = on')
      await open.query('SELECT pg_reload_conf()')
      await expect
        .poll(() => own.begin(crypto.randomUUID()).catch((error: unknown) => error), { timeout: 20_000 })
        .toMatchObject({ code: 'store_unavailable', cause: { code: '25006' } })
      expect(await own.get('key')).toMatchObject({ status: 'in_progress' })
      await open.query('ALTER SYSTEM RESET default_transaction_read_only')
      await server.kill()
      await expect(own.begin('key')).rejects.toMatchObject({ code: 'store_unavailable' })
      await server.start()
      await expect
        .poll(() => own.begin('key').catch((error: unknown) => error), { timeout: 20_000 })
        .toMatchObject({ status: 'in_progress' })
    } finally {
      await open.close()
      await server.stop()
    }
  })

  test('each state of the server has its code', () => {
    const codes: Readonly<Record<string, string>> = {
      '53100': 'store_full',
      '53300': 'store_unavailable',
      '57P01': 'store_unavailable',
      '57014': 'store_unavailable',
      '42P01': 'store_unavailable',
      '42501': 'store_unavailable',
      '08006': 'store_unavailable',
      XX001: 'store_corrupt',
      '0A000': 'unsupported',
    }
    for (const [state, code] of Object.entries(codes)) {
      const cause = Object.assign(new Error('no'), { code: state })
      expect(toStoreError(cause, 'here')).toMatchObject({ code, cause })
      // As query builders wrap it, Prisma in two ways.
      expect(toStoreError({ code: 'P2010', meta: { code: state } }, 'here')).toMatchObject({ code })
      const adapted = { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode: state } } } }
      expect(toStoreError(adapted, 'here')).toMatchObject({ code })
      expect(toStoreError(new Error('wrapped', { cause }), 'here')).toMatchObject({ code })
    }
  })

  test('a client that renames columns and reads integers its own way gives the same answers', async () => {
    const camel = openPostgresJs(url)
    const { default: postgresJs } = await import('postgres')
    const sql = postgresJs(url, { max: 2, transform: postgresJs.camel, types: { bigint: postgresJs.BigInt } })
    const own = postgresStore({ client: sql, schema })
    await own.begin('odd client', { token: 'mine', retentionMs: 34_560_000_000 })
    await own.complete('odd client', Uint8Array.of(1, 2), { token: 'mine' })
    expect(await own.begin('odd client')).toEqual(await store.begin('odd client'))
    expect((await own.list({ prefix: 'odd client' })).records).toEqual(
      (await store.list({ prefix: 'odd client' })).records,
    )
    expect(await own.purge()).toBe(0)
    await sql.end()
    await camel.close()
  })
})
