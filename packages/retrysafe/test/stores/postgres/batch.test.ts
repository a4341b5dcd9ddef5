import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../../../../../tools/engines/src/index.js'
import { systemClock } from '../../../src/contract/index.js'
import {
  type PostgresQueryClient,
  type PostgresStore,
  type PostgresStoreOptions,
  type PostgresValue,
  postgresStore,
} from '../../../src/stores/postgres.js'
import { createBatch } from '../../../src/stores/shared/batch.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import { freshName, openPool, urlOf } from './open.js'

const url = (await urlOf()) ?? ''
const reason = await missing('postgres')
beforeEach((context) => context.skip(reason !== undefined, reason))

const schema = freshName()
const pool = new pg.Pool({ connectionString: url, max: 10 })
beforeAll(async () => {
  if (reason === undefined) await postgresStore({ client: pool, schema }).migrate()
})
afterAll(async () => {
  if (reason === undefined) await pool.query(`DROP SCHEMA "${schema}" CASCADE`)
  await pool.end()
})

/** A client that counts what it is asked, and a store on it that has looked at its tables already. */
async function counted(
  options: Partial<PostgresStoreOptions> = {},
): Promise<{ store: PostgresStore; texts: string[]; taken: () => string[] }> {
  const texts: string[] = []
  const client: PostgresQueryClient = {
    query: (text: string, values?: PostgresValue[]) => {
      texts.push(text)
      return pool.query(text, values)
    },
  }
  const store = postgresStore({ client, schema, ...options })
  await store.get('nothing')
  return { store, texts, taken: () => texts.splice(0) }
}

let tests = 0
/** Keys that no other test has. */
function keysOf(count: number): string[] {
  tests++
  return Array.from({ length: count }, (_, index) => `test-${tests}/${index}`)
}

/** Claims the keys in a transaction that is open until it is told to end. */
async function hold(keys: readonly string[]): Promise<() => Promise<void>> {
  const other = await pool.connect()
  await other.query('BEGIN')
  await other.query(
    `INSERT INTO "${schema}".retrysafe_records (key, version, format, status, attempt, token, lease_ms, retention_ms,
      lease_until, expires_at, after_crash, created_at, updated_at, checkpoint_number, withheld)
     SELECT key, 1, 1, 0, 1, 'other', 600000, 600000, 9999999999999, 9999999999999, 0, 1, 1, 0, false
     FROM unnest($1::text[]) AS q (key)`,
    [keys],
  )
  let letGo: Promise<void> | undefined
  return () => {
    letGo ??= other.query('COMMIT').then(() => other.release())
    return letGo
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A client that says how many of its statements are in flight. */
function measured(): { client: PostgresQueryClient; sent: () => number; most: () => number } {
  let [sent, inFlight, most] = [0, 0, 0]
  const client: PostgresQueryClient = {
    query: async (text: string, values?: PostgresValue[]) => {
      sent++
      most = Math.max(most, ++inFlight)
      try {
        return await pool.query(text, values)
      } finally {
        inFlight--
      }
    },
  }
  return { client, sent: () => sent, most: () => most }
}

describe('calls that are made at the same time', () => {
  test('share one statement: 64 claims, 64 completions, 64 replays', async () => {
    const { store, taken } = await counted()
    taken()
    const keys = keysOf(64)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: `token-${key}` })))
    expect(outcomes.map((outcome) => outcome.status === 'new' && outcome.token)).toEqual(
      keys.map((key) => `token-${key}`),
    )
    expect(taken()).toHaveLength(1)
    await Promise.all(keys.map((key) => store.complete(key, { key }, { token: `token-${key}` })))
    expect(taken()).toHaveLength(1)
    const replays = await Promise.all(keys.map((key) => store.begin(key)))
    expect(replays.map((replay) => replay.status === 'completed' && replay.response)).toEqual(
      keys.map((key) => ({ key })),
    )
    expect(taken()).toHaveLength(1)
  })

  test('go together also as what callers ask next, once they have their answer', async () => {
    const { store, taken } = await counted()
    taken()
    const keys = keysOf(64)
    await Promise.all(
      keys.map(async (key, index) => {
        await store.begin(key, { token: 'mine' })
        // Some callers are slower than others to get on.
        for (let hop = 0; hop < index % 7; hop++) await undefined
        await store.complete(key, 1, { token: 'mine' })
      }),
    )
    expect(taken()).toHaveLength(2)
  })

  test('are at most 256 a statement, and few are in flight', async () => {
    const { client, most } = measured()
    const store = postgresStore({ client, schema })
    await store.get('nothing')
    const keys = keysOf(1000)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key)))
    expect(outcomes.every(({ status }) => status === 'new')).toBe(true)
    expect(most()).toBeGreaterThan(1)
    expect(most()).toBeLessThanOrEqual(4)
  })

  test('go each alone with coalesce: false, and the answers are the same', async () => {
    const { store, taken } = await counted({ coalesce: false })
    taken()
    const keys = keysOf(64)
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
    expect(outcomes.every(({ status }) => status === 'new')).toBe(true)
    expect(taken()).toHaveLength(64)
  })

  test('one alone is sent as it would be without coalescing', async () => {
    const [on, off] = [await counted(), await counted({ coalesce: false })]
    on.taken()
    off.taken()
    const [key = '', other = ''] = keysOf(2)
    await on.store.begin(key, { token: 'mine' })
    await on.store.complete(key, 1, { token: 'mine' })
    await off.store.begin(other, { token: 'mine' })
    await off.store.complete(other, 1, { token: 'mine' })
    expect(on.taken()).toEqual(off.taken())
  })

  test('of one key are one claim and one statement, and each is told what the rules say', async () => {
    const { store, taken } = await counted()
    taken()
    const [key = ''] = keysOf(1)
    const outcomes = await Promise.all([
      store.begin(key, { token: 'first', fingerprint: 'v1:a' }),
      store.begin(key, { token: 'second', fingerprint: 'v1:a' }),
      store.begin(key, { token: 'first', fingerprint: 'v1:a' }),
      store.begin(key, { token: 'third', fingerprint: 'v1:b' }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['new', 'in_progress', 'new', 'mismatch'])
    expect(outcomes[1]).toMatchObject({ attempt: 1, leaseUntil: (outcomes[0] as { leaseUntil: Date }).leaseUntil })
    expect(taken()).toHaveLength(1)
    const ends = await Promise.allSettled([
      store.complete(key, 'one', { token: 'first' }),
      store.complete(key, 'two', { token: 'first' }),
      store.complete(key, 'three', { token: 'second' }),
    ])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    // Both are acknowledged, and one of them was first.
    expect(await store.begin(key)).toMatchObject({
      status: 'completed',
      response: expect.stringMatching(/^(one|two)$/),
    })
  })

  test('of one hot key are one statement, however many they are', async () => {
    const { store, taken } = await counted()
    const [key = ''] = keysOf(1)
    await store.begin(key, { token: 'mine' })
    await store.complete(key, 'done', { token: 'mine' })
    taken()
    const replays = await Promise.all(Array.from({ length: 1000 }, () => store.begin(key)))
    expect(replays.every((replay) => replay.status === 'completed' && replay.response === 'done')).toBe(true)
    expect(taken()).toHaveLength(1)
  })

  test('with odd keys, tokens, kinds and values arrive as they were given', async () => {
    const { store, taken } = await counted()
    const odd = [
      '"',
      '\\',
      '{a,b}',
      'NULL',
      'null',
      ' a ',
      "'; --",
      'é',
      '\u{1f600}',
      '\ue000',
      ',',
      '%_',
      '$1',
      '\\x00',
    ]
    const keys = keysOf(odd.length).map((key, index) => `${key}-${odd[index]}`)
    taken()
    await Promise.all(keys.map((key, index) => store.begin(key, { token: odd[index], fingerprint: odd[index] })))
    await Promise.all(
      keys.map((key, index) => store.complete(key, [odd[index]], { token: odd[index], kind: odd[index] })),
    )
    const replays = await Promise.all(keys.map((key, index) => store.begin(key, { fingerprint: odd[index] })))
    expect(replays).toEqual(
      odd.map((word) => expect.objectContaining({ status: 'completed', response: [word], kind: word })),
    )
    expect(taken()).toHaveLength(3)
  })

  test('mix values, bytes and retentions without mixing them up', async () => {
    const { store } = await counted()
    const values = [null, 0, -0, '', 'NULL', { a: '\u0000' }, Uint8Array.of(), Uint8Array.of(0, 255, 92, 34), [[]]]
    const keys = keysOf(values.length)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine', retentionMs: 5000 })))
    await Promise.all(
      keys.map((key, index) =>
        store.complete(key, values[index] as object, { token: 'mine', retentionMs: index % 2 ? 60_000 : undefined }),
      ),
    )
    const replays = await Promise.all(keys.map((key) => store.begin(key)))
    for (const [index, replay] of replays.entries()) {
      if (replay.status !== 'completed') throw new Error(`it is ${replay.status}`)
      expect(replay.response).toEqual(values[index])
      expect(replay.expiresAt.getTime() - replay.completedAt.getTime()).toBe(index % 2 ? 60_000 : 5000)
    }
  })

  test('with large values are split, and a very large one goes alone', async () => {
    const { store, taken } = await counted()
    const keys = keysOf(6)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
    taken()
    const large = 'x'.repeat(400 * 1024)
    await Promise.all(keys.map((key) => store.complete(key, large, { token: 'mine' })))
    expect(taken()).toHaveLength(3)
    for (const key of keys) expect((await store.get(key))?.response).toBe(large)
  })
})

describe('among the calls of a batch', () => {
  test('one whose key the database refuses fails alone', async () => {
    await pool.query(`CREATE FUNCTION "${schema}".poison() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF new.key LIKE '%bad%' THEN RAISE EXCEPTION 'poisoned' USING ERRCODE = '22021'; END IF; RETURN new; END $$`)
    await pool.query(`CREATE TRIGGER poison BEFORE INSERT ON "${schema}".retrysafe_records
      FOR EACH ROW EXECUTE FUNCTION "${schema}".poison()`)
    try {
      const { store, taken } = await counted()
      taken()
      const keys = keysOf(64).map((key, index) => (index === 37 ? `${key}-bad` : key))
      const ends = await Promise.allSettled(keys.map((key) => store.begin(key)))
      expect(ends.map(({ status }) => status)).toEqual(
        keys.map((key) => (key.endsWith('bad') ? 'rejected' : 'fulfilled')),
      )
      expect(ends[37]).toMatchObject({ reason: { code: 'store_unavailable', cause: { code: '22021' } } })
      // One of 64, then halves on the way down to the bad one.
      expect(taken().length).toBeLessThanOrEqual(13)
      for (const key of keys.filter((key) => !key.endsWith('bad')))
        expect(await store.get(key)).toMatchObject({ status: 'in_progress', attempt: 1 })
    } finally {
      await pool.query(`DROP TRIGGER poison ON "${schema}".retrysafe_records`)
    }
  })

  test('one whose key another transaction holds waits alone, and the others do not', async () => {
    const { store } = await counted()
    const keys = keysOf(64)
    const [held = ''] = keys.splice(20, 1)
    const letGo = await hold([held])
    let heldIsDone = false
    const waiting = store.begin(held).finally(() => {
      heldIsDone = true
    })
    const outcomes = await Promise.all(keys.map((key) => store.begin(key)))
    expect(outcomes.every(({ status }) => status === 'new')).toBe(true)
    expect(heldIsDone).toBe(false)
    await letGo()
    expect(await waiting).toMatchObject({ status: 'in_progress', attempt: 1 })
  })

  test('a completion whose record another transaction holds waits alone', async () => {
    const { store } = await counted()
    const keys = keysOf(16)
    const [held = ''] = keys
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
    const other = await pool.connect()
    await other.query('BEGIN')
    await other.query(`SELECT FROM "${schema}".retrysafe_records WHERE key = $1 FOR UPDATE`, [held])
    const ends = keys.map((key) => store.complete(key, 1, { token: 'mine' }))
    await Promise.all(ends.slice(1))
    expect(await store.get(held)).toMatchObject({ status: 'in_progress' })
    await other.query('COMMIT')
    other.release()
    await ends[0]
    expect(await store.get(held)).toMatchObject({ status: 'completed' })
  })

  test('held keys keep nobody who comes later, however many they are', async () => {
    const { store } = await counted()
    const keys = keysOf(8)
    await Promise.all(keys.slice(4).map((key) => store.begin(key, { token: 'mine' })))
    const letGo = await hold(keys.slice(0, 3))
    const other = await pool.connect()
    await other.query('BEGIN')
    await other.query(`SELECT FROM "${schema}".retrysafe_records WHERE key = ANY ($1) FOR UPDATE`, [keys.slice(4, 7)])
    const settled: string[] = []
    const waiting: Promise<unknown>[] = []
    for (const [index, key] of keys.entries()) {
      const call = index < 4 ? store.begin(key) : store.complete(key, 1, { token: 'mine' })
      waiting.push(call.then(() => settled.push(key)))
      await nextTurn()
    }
    await Promise.all([waiting[3], waiting[7]])
    expect(settled.sort()).toEqual([keys[3], keys[7]])
    // Nor those who come to the same keys.
    const again = store.begin(keys[0] ?? '')
    expect(await store.begin(`${keys[0]}-too`)).toMatchObject({ status: 'new' })
    await letGo()
    await other.query('COMMIT')
    other.release()
    await Promise.all(waiting)
    expect(await again).toMatchObject({ status: 'in_progress', attempt: 1 })
    expect(await store.get(keys[5] ?? '')).toMatchObject({ status: 'completed' })
  })

  test('all of them held are few statements at a time', async () => {
    const { client, sent, most } = measured()
    const store = postgresStore({ client, schema })
    await store.get('nothing')
    const keys = keysOf(256)
    const letGo = await hold(keys)
    try {
      const claims = keys.map((key) => store.begin(key))
      await expect.poll(sent, { timeout: 10_000 }).toBeGreaterThan(20)
      await letGo()
      expect((await Promise.all(claims)).every(({ status }) => status === 'in_progress')).toBe(true)
      expect(most()).toBeLessThanOrEqual(4)
    } finally {
      await letGo()
    }
  })

  test('those whose response is large are answered alone, so that no result has all of them', async () => {
    const results: number[] = []
    const client: PostgresQueryClient = {
      query: async (text: string, values?: PostgresValue[]) => {
        const result = await pool.query(text, values)
        results.push(JSON.stringify(result.rows).length)
        return result
      },
    }
    const store = postgresStore({ client, schema })
    const keys = keysOf(32)
    const responseOf = (index: number): string => String(index % 10).repeat((1 + (index % 4)) * 128 * 1024)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'mine' })))
    for (const [index, key] of keys.entries()) await store.complete(key, responseOf(index), { token: 'mine' })
    results.splice(0)
    const callers = [...keys, ...keys]
    const replays = await Promise.all(callers.map((key) => store.begin(key)))
    for (const [index, replay] of replays.entries())
      expect(replay.status === 'completed' && replay.response === responseOf(index % 32)).toBe(true)
    expect(Math.max(...results)).toBeLessThan(600 * 1024)
    // One look at all, and one read a key.
    expect(results).toHaveLength(33)
  })

  test('takeovers, stale tokens and second completions get the answers they would get alone', async () => {
    const { store } = await counted()
    const keys = keysOf(40)
    await Promise.all(keys.map((key) => store.begin(key, { token: 'old', leaseMs: 1000 })))
    await pool.query(
      `UPDATE "${schema}".retrysafe_records SET lease_until = lease_until - 2000 WHERE key = ANY ($1) AND key LIKE '%5'`,
      [keys],
    )
    const outcomes = await Promise.all(keys.map((key) => store.begin(key, { token: 'new' })))
    expect(outcomes.map(({ status }) => status)).toEqual(keys.map((key) => (key.endsWith('5') ? 'new' : 'in_progress')))
    const ends = await Promise.allSettled(keys.map((key) => store.complete(key, 1, { token: 'old' })))
    expect(ends.map((end) => (end.status === 'rejected' ? end.reason.code : 'done'))).toEqual(
      keys.map((key) => (key.endsWith('5') ? 'lease_lost' : 'done')),
    )
  })

  test('a dead connection fails them all, since nobody knows what was done, and none is sent twice', async () => {
    const { store, taken } = await counted()
    taken()
    const keys = keysOf(32)
    const cut = new Error('Connection terminated unexpectedly')
    let sent = 0
    const broken: PostgresQueryClient = {
      query: async (text: string, values?: PostgresValue[]) => {
        if (!text.includes('unnest')) return pool.query(text, values)
        sent++
        await pool.query(text, values)
        throw cut
      },
    }
    const unlucky = postgresStore({ client: broken, schema })
    const ends = await Promise.allSettled(keys.map((key) => unlucky.begin(key, { token: `mine-${key}` })))
    expect(sent).toBe(1)
    for (const end of ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable', cause: cut } })
    // The claims had been made all the same: asked again by their tokens they are theirs.
    const again = await Promise.all(keys.map((key) => store.begin(key, { token: `mine-${key}` })))
    expect(again.map((outcome) => outcome.status === 'new' && outcome.attempt)).toEqual(keys.map(() => 1))
  })

  test('two stores with the same keys in opposite order neither block each other nor claim twice', async () => {
    const pools = [openPool(url), openPool(url)]
    const stores = pools.map(({ client }) => postgresStore({ client, schema }))
    const deadlocks = async (): Promise<number> => {
      const [row] = (
        await pool.query('SELECT deadlocks::int4 AS n FROM pg_stat_database WHERE datname = current_database()')
      ).rows
      return Number((row as { n: number }).n)
    }
    const before = await deadlocks()
    for (let round = 0; round < 10; round++) {
      const keys = keysOf(100)
      const burst = (store: PostgresStore | undefined, order: string[]) =>
        Promise.all(order.map((key) => store?.begin(key)))
      const [ones, others] = await Promise.all([burst(stores[0], keys), burst(stores[1], [...keys].reverse())])
      const won = [...ones, ...others].filter((outcome) => outcome?.status === 'new').length
      expect(won).toBe(keys.length)
    }
    expect(await deadlocks()).toBe(before)
    for (const one of pools) await one.close()
  })
})

describe('a batch', () => {
  const asked = (key: string) => ({ key, bytes: 1 })
  const bounds = {
    clock: systemClock,
    random: Math.random,
    where: 'The batch',
    lanes: 1,
    maxCalls: 4,
    maxBytes: 10,
    shares: false,
    mayBeOfOne: () => true,
    passes: () => false,
  }

  test('is sorted by the bytes of the keys', async () => {
    const seen: string[][] = []
    const ask = createBatch<{ key: string; bytes: number }, string>({
      ...bounds,
      one: async ({ key }) => key,
      many: async (calls) => {
        seen.push(calls.map(({ key }) => key))
        return calls.map(({ key }) => key)
      },
    })
    const keys = ['\u{1f600}', 'b', '\ue000', 'a']
    expect(await Promise.all(keys.map((key) => ask(asked(key))))).toEqual(keys)
    expect(seen).toEqual([['a', 'b', '\ue000', '\u{1f600}']])
  })

  test('is what queued while the last was in flight, and no more than its bounds', async () => {
    const sizes: number[] = []
    const ends: (() => void)[] = []
    const ask = createBatch<{ key: string; bytes: number }, string>({
      ...bounds,
      one: async ({ key }) => key,
      many: async (calls) => {
        sizes.push(calls.length)
        await new Promise<void>((resolve) => ends.push(resolve))
        return calls.map(({ key }) => key)
      },
    })
    const first = Promise.all(['a', 'b'].map((key) => ask(asked(key))))
    await new Promise((resolve) => setImmediate(resolve))
    const rest = Promise.all(['c', 'd', 'e', 'f', 'g', 'h'].map((key) => ask({ key, bytes: key < 'g' ? 1 : 9 })))
    await new Promise((resolve) => setImmediate(resolve))
    expect(sizes).toEqual([2])
    for (let turn = 0; turn < 4; turn++) {
      ends.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await first).toEqual(['a', 'b'])
    expect(await rest).toEqual(['c', 'd', 'e', 'f', 'g', 'h'])
    // g and h are too large to go together.
    expect(sizes).toEqual([2, 4])
  })

  test('is halved for 5 s at most', async () => {
    const clock = simulatedClock()
    let sent = 0
    const ask = createBatch<{ key: string; bytes: number }, string>({
      ...bounds,
      clock,
      maxCalls: 256,
      maxBytes: 256,
      one: async ({ key }) => key,
      many: async () => {
        sent++
        await clock.advance(1000)
        throw new Error('held')
      },
    })
    const keys = Array.from({ length: 256 }, (_, index) => `key-${index}`)
    const ends = await Promise.allSettled(keys.map((key) => ask(asked(key))))
    expect(ends.every((end) => end.status === 'rejected' && end.reason.message === 'held')).toBe(true)
    // Five on the way down, and the other half of each.
    expect(sent).toBe(9)
  })

  test('whose first call of a key fails for its own reason still asks for the others of that key', async () => {
    const ask = createBatch<{ key: string; bytes: number; name: string }, string>({
      ...bounds,
      shares: true,
      one: async ({ name }) => {
        if (name === 'bad') throw new Error(name)
        return name
      },
      many: async (calls) => {
        if (calls.some(({ name }) => name === 'bad')) throw new Error('many')
        return calls.map(({ name }) => name)
      },
    })
    const calls = [
      { key: 'a', bytes: 1, name: 'bad' },
      { key: 'a', bytes: 1, name: 'good' },
      { key: 'b', bytes: 1, name: 'other' },
    ]
    const ends = await Promise.allSettled(calls.map(ask))
    expect(ends.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.message))).toEqual([
      'bad',
      'good',
      'other',
    ])
  })
})
