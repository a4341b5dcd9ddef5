import { readFileSync } from 'node:fs'
import { type DynamoDB, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { dynamodbUrl, missing } from '@retrysafe/engines'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isOver, type Rec, type Storable, toRecord } from '../../../src/contract/index.js'
import { itemFormat, readItem, toItem } from '../../../src/stores/dynamodb/items.js'
import { dynamodbStore } from '../../../src/stores/dynamodb.js'
import { callOf } from '../calls.js'
import { standingClock } from '../cas/clock.js'
import { storeCaseSuite } from '../network/store-cases.js'
import { clientOf, freshTable, openOn, storeAt } from './open.js'
import { type DynamodbProxy, startDynamodbProxy } from './proxy.js'

const reason = await missing('dynamodb')
const engine = (await dynamodbUrl()) ?? 'http://127.0.0.1:9'
const table = freshTable()
const bare = clientOf(engine)
let proxy: DynamodbProxy
let client: DynamoDB

beforeAll(async () => {
  if (reason !== undefined) return
  proxy = await startDynamodbProxy(engine)
  client = clientOf(proxy.url)
  await dynamodbStore({ client, table }).migrate()
})
afterAll(async () => {
  if (reason !== undefined) return
  await bare.deleteTable({ TableName: table })
  for (const one of [bare, client]) one.destroy()
  await proxy.close()
})

storeCaseSuite(
  'DynamoDB that shows what refused',
  () => openOn(client, table),
  async () => reason,
)
storeCaseSuite(
  'DynamoDB that does not show what refused (dynalite)',
  () => openOn(bare, table),
  async () => reason,
)

/** What is asked of the engine while the call runs. */
async function asked<T>(call: () => Promise<T>): Promise<[answer: T, requests: Record<string, number>]> {
  const before = proxy.counts()
  const answer = await call()
  const after = Object.entries(proxy.counts()).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
  return [answer, Object.fromEntries(after.filter(([, count]) => count > 0))]
}

let keys = 0
function freshKey(): string {
  return `key-${++keys}`
}

async function itemOf(key: string): Promise<Record<string, { S?: string; N?: string; B?: Uint8Array }> | undefined> {
  const { Item } = await bare.getItem({ TableName: table, Key: { key: { S: key } }, ConsistentRead: true })
  return Item as Record<string, { S?: string; N?: string }> | undefined
}

describe.skipIf(reason !== undefined)('one request', () => {
  test('is all that a fresh key, a replay, a duplicate and a mismatch take', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    const claim = { token: 'mine', fingerprint: 'v1:a' }
    expect(await asked(() => store.begin(key, claim))).toMatchObject([{ status: 'new' }, { PutItem: 1 }])
    const put = { PutItem: 1 }
    expect(await asked(() => store.begin(key))).toEqual([expect.objectContaining({ status: 'in_progress' }), put])
    expect(await asked(() => store.begin(key, claim))).toEqual([expect.objectContaining({ status: 'new' }), put])
    const other = { fingerprint: 'v1:b' }
    expect(await asked(() => store.begin(key, other))).toEqual([{ status: 'mismatch' }, put])
    await store.complete(key, 'response', { token: 'mine' })
    expect(await asked(() => store.begin(key))).toEqual([expect.objectContaining({ response: 'response' }), put])
  })

  test('is all that a completion, a heartbeat and a release take', async () => {
    const store = dynamodbStore({ client, table })
    const [done, released] = [freshKey(), freshKey()]
    for (const key of [done, released]) await store.begin(key, { token: 'mine' })
    const update = { UpdateItem: 1 }
    expect((await asked(() => store.renew(done, 'mine', { leaseMs: 5000 })))[1]).toEqual(update)
    expect((await asked(() => store.complete(done, 1, { token: 'mine', retentionMs: 5000 })))[1]).toEqual(update)
    expect((await asked(() => store.release(released, 'mine')))[1]).toEqual({ DeleteItem: 1 })
  })

  test('and one more keep a claim that is settled by hand, without sending again what it saved', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock)
    const key = freshKey()
    await store.begin(key, { token: 'mine', afterCrash: 'uncertain' })
    await store.renew(key, 'mine', { checkpoint: { step: 1 } })
    const before = await store.get(key)
    clock.jump(1000)
    const [, requests] = await asked(() => store.renew(key, 'mine', { leaseMs: 5000 }))
    expect(requests).toEqual({ UpdateItem: 2 })
    const now = new Date(clock.now())
    expect(await store.get(key)).toEqual({ ...before, leaseUntil: new Date(clock.now() + 5000), updatedAt: now })
    await expect(store.renew(key, 'other', { leaseMs: 5000 })).rejects.toMatchObject({ code: 'lease_lost' })
    await store.complete(key, 'done', { token: 'mine' })
    await expect(store.renew(key, 'mine', { leaseMs: 5000 })).rejects.toMatchObject({ code: 'lease_lost' })
  })

  test('and one more take over what lapsed', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock)
    const key = freshKey()
    await store.begin(key, { leaseMs: 100 })
    clock.jump(5100)
    const [outcome, requests] = await asked(() => store.begin(key))
    expect([outcome, requests]).toEqual([expect.objectContaining({ status: 'new', attempt: 2 }), { PutItem: 2 }])
  })

  test('of a reader is added where the engine does not show what refused', async () => {
    const hiding = await startDynamodbProxy(engine, { showsOld: false })
    const mute = clientOf(hiding.url)
    const store = dynamodbStore({ client: mute, table })
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    await store.complete(key, 'done', { token: 'mine' })
    const before = hiding.counts()
    expect(await store.begin(key)).toMatchObject({ status: 'completed', response: 'done' })
    expect(hiding.counts()).toEqual({ ...before, PutItem: (before.PutItem ?? 0) + 1, GetItem: 1 })
    mute.destroy()
    await hiding.close()
  })
})

const call = callOf({
  leaseMs: [undefined, 100, 1000],
  renewMs: [undefined, undefined, 0, 1000],
  retentionMs: [undefined, 1000, 2000],
  waitMs: [1, 99, 100, 999, 1000, 1100, 2000],
})

test.skipIf(reason !== undefined)(
  'whatever is asked in whatever order, it answers and holds what the pure rules say',
  { timeout: 120_000 },
  async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock, 50)
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 15 }), async (calls) => {
        const key = freshKey()
        let record: Rec | undefined
        for (const { what, ms, step, rule } of calls) {
          // An allowance of 50 ms is the same as a lease and a retention that are 50 ms longer: all that passes is more.
          if (ms !== undefined) clock.jump(ms < 100 ? ms : ms + 50)
          if (step === undefined || rule === undefined) continue
          const now = clock.now()
          if (record !== undefined && nearAnEdge(record, now)) return
          const { decision, answer } = rule(record, now)
          expect(await step(store, key).catch((error: { code?: string }) => error.code), what).toEqual(answer)
          if (decision.write !== undefined) record = decision.write
          if (decision.remove) record = undefined
          const shown = record === undefined || isOver(record, now, 50) ? undefined : toRecord(key, record)
          expect(await store.get(key), what).toEqual(shown)
        }
      }),
      { numRuns: 30 },
    )
  },
)

/** Within the allowance the rules without one say something else. */
function nearAnEdge({ leaseUntil, expiresAt }: Rec, now: number): boolean {
  return [leaseUntil, expiresAt].some((edge) => edge !== undefined && now >= edge && now < edge + 50)
}

describe.skipIf(reason !== undefined)('a lost answer', () => {
  test('of a claim: the SDK asks again by itself, and is refused by its own first request', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    proxy.loseNext('PutItem')
    const [outcome, requests] = await asked(() => store.begin(key))
    expect(outcome).toMatchObject({ status: 'new', attempt: 1 })
    expect(requests).toEqual({ PutItem: 2 })
  })

  test('of a claim, where the engine does not show what refused', async () => {
    const hiding = await startDynamodbProxy(engine, { showsOld: false })
    const mute = clientOf(hiding.url)
    const key = freshKey()
    hiding.loseNext('PutItem')
    expect(await dynamodbStore({ client: mute, table }).begin(key)).toMatchObject({ status: 'new', attempt: 1 })
    mute.destroy()
    await hiding.close()
  })

  test('of a takeover is the same attempt', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock)
    const key = freshKey()
    await store.begin(key, { leaseMs: 100 })
    clock.jump(5100)
    // The first is refused and shows the lapsed claim; the second takes it over.
    proxy.beforeNext('PutItem', async () => proxy.beforeNext('PutItem', async () => proxy.loseNext('PutItem')))
    expect(await store.begin(key, { token: 'second' })).toMatchObject({ status: 'new', attempt: 2 })
    await store.complete(key, 'done', { token: 'second' })
  })

  test('of a completion and of a heartbeat is no failure', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    proxy.loseNext('UpdateItem')
    await store.renew(key, 'mine', { leaseMs: 60_000 })
    proxy.loseNext('UpdateItem')
    await store.complete(key, 'done', { token: 'mine' })
    expect(await store.begin(key)).toMatchObject({ status: 'completed', response: 'done', attempt: 1 })
  })

  test('of an operator who frees a key is found to be the operator’s own', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    await store.renew(key, 'mine', { checkpoint: 'step' })
    proxy.loseNext('PutItem')
    expect(await store.free(key, { attempt: 1 })).toBe(true)
    expect(await store.begin(key)).toMatchObject({ status: 'new', attempt: 2, checkpoint: 'step' })
  })

  test('of a release is lease_lost, and the key is free', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    proxy.loseNext('DeleteItem')
    await expect(store.release(key, 'mine')).rejects.toMatchObject({ code: 'lease_lost' })
    expect(await store.begin(key)).toMatchObject({ status: 'new', attempt: 1 })
  })
})

describe.skipIf(reason !== undefined)('the TTL', () => {
  test('is a whole second after the record is over for everybody, and absent where it is kept until settled', async () => {
    const clock = standingClock(1_767_225_600_001)
    const store = storeAt(client, table, clock, 700)
    const [key, kept] = [freshKey(), freshKey()]
    const expectTtl = async (of: string): Promise<void> => {
      const item = await itemOf(of)
      const [ttl, over] = [Number(item?.ttl?.N), Number(item?.expires_at?.N) + 700]
      expect(ttl * 1000).toBeGreaterThanOrEqual(over)
      expect(ttl * 1000).toBeLessThan(over + 2000)
      expect(Number.isInteger(ttl)).toBe(true)
    }
    await store.begin(key, { token: 'mine', leaseMs: 12_345, retentionMs: 98_765 })
    await expectTtl(key)
    await store.renew(key, 'mine', { leaseMs: 54_321 })
    await expectTtl(key)
    await store.renew(key, 'mine', { checkpoint: 1 })
    await expectTtl(key)
    await store.complete(key, 1, { token: 'mine' })
    await expectTtl(key)
    await store.begin(kept, { token: 'mine', afterCrash: 'uncertain' })
    await store.renew(kept, 'mine', { leaseMs: 54_321 })
    expect(await itemOf(kept)).not.toHaveProperty('ttl')
    await store.complete(kept, 1, { token: 'mine', retentionMs: 5000 })
    await expectTtl(kept)
  })

  test('may delete days late: what is over is claimed anew, and shown to nobody', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock)
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    await store.complete(key, 'old', { token: 'mine', retentionMs: 1000 })
    clock.jump(6000)
    expect(await itemOf(key)).toBeDefined()
    expect(await store.get(key)).toBeUndefined()
    expect(await asked(() => store.begin(key, { token: 'new' }))).toMatchObject([
      { status: 'new', attempt: 1 },
      { PutItem: 1 },
    ])
    await expect(store.complete(key, 'late', { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
    expect(await itemOf(key)).not.toHaveProperty('response')
  })

  test('that deletes while a call decides makes it decide anew', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock)
    const key = freshKey()
    await store.begin(key, { leaseMs: 100, token: 'first' })
    clock.jump(5100)
    const vanish = () => bare.deleteItem({ TableName: table, Key: { key: { S: key } } })
    // The first request is refused by the lapsed claim, which is gone when the second one writes on that condition.
    proxy.beforeNext('PutItem', async () => proxy.beforeNext('PutItem', vanish))
    expect(await store.begin(key, { token: 'second' })).toMatchObject({ status: 'new', attempt: 1 })
    await store.complete(key, 'done', { token: 'second' })
    expect(await store.begin(key)).toMatchObject({ status: 'completed', response: 'done' })
  })
})

describe.skipIf(reason !== undefined)('skewed clocks', () => {
  test('a lease counts as lapsed only after the allowance, to the millisecond', async () => {
    const [fast, slow] = [standingClock(), standingClock()]
    fast.jump(4999)
    const key = freshKey()
    await storeAt(client, table, slow).begin(key, { leaseMs: 1000, token: 'mine' })
    const other = storeAt(client, table, fast)
    slow.jump(1000)
    fast.jump(1000)
    expect(await other.begin(key)).toMatchObject({ status: 'in_progress' })
    fast.jump(1)
    expect(await other.begin(key)).toMatchObject({ status: 'new', attempt: 2 })
  })

  test('a record is over only after the allowance, in one request as in two', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock, 300)
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    await store.complete(key, 'done', { token: 'mine', retentionMs: 1000 })
    clock.jump(1299)
    expect(await store.begin(key)).toMatchObject({ status: 'completed' })
    clock.jump(1)
    expect(await asked(() => store.begin(key))).toMatchObject([{ status: 'new', attempt: 1 }, { PutItem: 1 }])
  })

  test('a holder within the allowance can still complete, and after it cannot', async () => {
    const clock = standingClock()
    const store = storeAt(client, table, clock, 300)
    const [soon, late] = [freshKey(), freshKey()]
    for (const key of [soon, late]) await store.begin(key, { token: 'mine', leaseMs: 100, retentionMs: 1000 })
    clock.jump(1399)
    expect(await asked(() => store.complete(soon, 1, { token: 'mine' }))).toEqual([undefined, { UpdateItem: 1 }])
    clock.jump(1)
    await expect(store.complete(late, 1, { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
  })
})

describe.skipIf(reason !== undefined)('400 KB', () => {
  const longest = '€'.repeat(255)

  test('hold the largest value beside the longest key and words', async () => {
    const store = dynamodbStore({ client, table })
    const key = `${freshKey()}${'é'.repeat(1000)}`.padEnd(1042, 'x')
    expect(new TextEncoder().encode(key).byteLength).toBe(2042)
    const most = new Uint8Array(392 * 1024).fill(7)
    await store.begin(key, { token: longest, fingerprint: longest })
    await store.renew(key, longest, { checkpoint: most })
    // The checkpoint that stands there makes room for the response.
    await store.complete(key, most, { token: longest, kind: longest })
    const replay = (await store.begin(key)) as { response?: Uint8Array }
    expect(Buffer.compare(replay.response ?? new Uint8Array(0), most)).toBe(0)
  })

  test('are not left for the engine to refuse: what is larger is never sent', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    await store.begin(key, { token: 'mine' })
    const over: Storable[] = [new Uint8Array(392 * 1024 + 1), '€'.repeat(134_000)]
    for (const value of over) {
      const refused = (call: () => Promise<void>): Promise<unknown> =>
        asked(() => call().catch((error: unknown) => error)).then(([error, requests]) => ({ error, requests }))
      for (const call of [
        () => store.complete(key, value, { token: 'mine' }),
        () => store.renew(key, 'mine', { checkpoint: value }),
      ])
        expect(await refused(call)).toMatchObject({ error: { code: 'value_too_large', key }, requests: {} })
    }
  })
})

describe.skipIf(reason !== undefined)('an error', () => {
  test('of a table that is not there says what to do', async () => {
    const store = dynamodbStore({ client: bare, table: freshTable() })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('migrate()'),
      cause: expect.objectContaining({ name: 'ResourceNotFoundException' }),
    })
  })

  test('of a transaction that has the item passes, in one request and in two', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    for (const operation of ['PutItem', 'UpdateItem', 'GetItem'])
      proxy.failNext(operation, 'TransactionConflictException')
    expect(await store.begin(key, { token: 'mine' })).toMatchObject({ status: 'new' })
    await store.complete(key, 1, { token: 'mine' })
    expect(await store.get(key)).toMatchObject({ status: 'completed' })
  })

  test.each(['ProvisionedThroughputExceededException', 'ThrottlingException', 'RequestLimitExceeded'])(
    '%s is tried again by the SDK, and then store_unavailable',
    async (type) => {
      const store = dynamodbStore({ client, table })
      proxy.failNext('PutItem', type)
      expect(await store.begin(freshKey())).toMatchObject({ status: 'new' })
      const sparing = clientOf(proxy.url, 1)
      proxy.failNext('PutItem', type)
      await expect(dynamodbStore({ client: sparing, table }).begin(freshKey())).rejects.toMatchObject({
        code: 'store_unavailable',
        message: expect.stringContaining('Nothing was changed'),
      })
    },
  )

  test('of what is no record is store_corrupt, and the item is left', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    await bare.putItem({ TableName: table, Item: { key: { S: key }, expires_at: { N: '1' } } })
    for (const call of [() => store.begin(key), () => store.get(key), () => store.complete(key, 1, { token: 'a' })])
      await expect(call()).rejects.toMatchObject({ code: 'store_corrupt', key })
    expect(await itemOf(key)).toEqual({ key: { S: key }, expires_at: { N: '1' } })
    await bare.deleteItem({ TableName: table, Key: { key: { S: key } } })
  })

  test('of a later format is unsupported, even where the record seems to be over', async () => {
    const store = dynamodbStore({ client, table })
    const key = freshKey()
    const item = toItem(key, completed, 'v', 0)
    await bare.putItem({ TableName: table, Item: { ...item, format: { N: String(itemFormat + 1) } } })
    for (const call of [() => store.begin(key), () => store.complete(key, 1, { token: 'mine' })])
      await expect(call()).rejects.toMatchObject({ code: 'unsupported', key })
    await bare.deleteItem({ TableName: table, Key: { key: { S: key } } })
  })
})

describe.skipIf(reason !== undefined)('migrate', () => {
  const made: string[] = []
  const named = (): string => {
    const name = freshTable()
    made.push(name)
    return name
  }
  afterAll(async () => {
    for (const name of made) await bare.deleteTable({ TableName: name }).catch(() => undefined)
  })

  test('makes the table and switches its TTL on, once, however many ask', async () => {
    const name = named()
    const stores = Array.from({ length: 4 }, () => dynamodbStore({ client, table: name }))
    await Promise.all(stores.map((store) => store.migrate()))
    expect(await client.describeTimeToLive({ TableName: name })).toMatchObject({
      TimeToLiveDescription: { TimeToLiveStatus: 'ENABLED', AttributeName: 'ttl' },
    })
    expect(await stores[0]?.begin('key')).toMatchObject({ status: 'new' })
  })

  test('leaves a TTL that is on another attribute, and says so', async () => {
    const name = named()
    const store = dynamodbStore({ client, table: name })
    await dynamodbStore({ client: bare, table: name }).migrate()
    const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires' }
    await client.updateTimeToLive({ TableName: name, TimeToLiveSpecification })
    await expect(store.migrate()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(/`expires`.*`ttl`/),
    })
  })

  test.each([
    ['another key', [['id', 'S', 'HASH']]],
    ['a key of another type', [['key', 'N', 'HASH']]],
    [
      'a sort key',
      [
        ['key', 'S', 'HASH'],
        ['at', 'N', 'RANGE'],
      ],
    ],
  ] as const)('refuses a table with %s', async (_, parts) => {
    const name = named()
    await bare.createTable({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: parts.map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
      KeySchema: parts.map(([AttributeName, , KeyType]) => ({ AttributeName, KeyType })),
    })
    await expect(dynamodbStore({ client, table: name }).migrate()).rejects.toMatchObject({ code: 'invalid_option' })
  })

  test('does without a TTL where the engine knows none', async () => {
    const name = named()
    const store = dynamodbStore({ client: bare, table: name })
    await store.migrate()
    expect(await store.begin('key')).toMatchObject({ status: 'new' })
  })
})

describe('options', () => {
  test.each([
    ['client', { client: {} as never }],
    ['client', { client: new DynamoDBClient({ region: 'eu-central-1' }) as never }],
    ['table', { table: '' }],
    ['maxClockSkewMs', { maxClockSkewMs: 60_001 }],
  ])('a %s that will not do is refused at once', (name, options) => {
    const open = () => dynamodbStore({ client: bare, table, ...options })
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(name) }))
  })
})

const completed: Rec = {
  status: 'completed',
  attempt: 3,
  token: 'mine',
  fingerprint: 'v1:abc',
  leaseMs: 30_000,
  retentionMs: 86_400_000,
  leaseUntil: 1_767_225_630_000,
  expiresAt: 1_767_225_631_000,
  afterCrash: 'uncertain',
  createdAt: 1_767_225_600_000,
  updatedAt: 1_767_225_600_001,
  completedAt: 1_767_225_600_001,
  kind: 'http',
  response: Uint8Array.of(0, 255, 10),
  checkpoint: '{"a":"é"}',
  checkpointNumber: 4,
  withheld: true,
}

test('an item of format 1 is read for ever', () => {
  const fixture = readFileSync(new URL('../fixtures/dynamodb-item-1.json', import.meta.url), 'utf8')
  const item = JSON.parse(fixture, (name, value) =>
    name === 'B' ? new Uint8Array(Buffer.from(value, 'base64')) : value,
  )
  expect(readItem('key', item)).toEqual({ record: completed, version: 'v' })
  expect(itemFormat).toBe(1)
  expect(toItem('key', completed, 'v', 0)).toEqual(item)
})
