import { DynamoDB } from '@aws-sdk/client-dynamodb'
import type { Clock } from '../../../src/contract/index.js'
import { type DynamodbStore, dynamodbStore } from '../../../src/stores/dynamodb.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'
import { standingClock } from '../cas/clock.js'
import type { OpenHandle } from '../network/bench.js'

/** An emulator takes any credentials and any region. */
export function clientOf(url: string, maxAttempts = 3): DynamoDB {
  return new DynamoDB({
    endpoint: url,
    maxAttempts,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  })
}

export function freshTable(): string {
  return `t_${crypto.randomUUID()}`
}

let opened = 0

/** Opens a store on the table as the store cases want it: on a wall clock that stands still. */
export async function openOn(client: DynamoDB, table: string): Promise<OpenedStore> {
  const clock = standingClock()
  const stores: DynamodbStore[] = []
  const open = (): DynamodbStore => {
    const store = dynamodbStore({ client, table, clock })
    stores.push(store)
    return store
  }
  return {
    store: open(),
    scratch: `case-${++opened}/`,
    frozen: true,
    skewMs: 5000,
    limits: { maxValueBytes: 392 * 1024 },
    age: async (_key, ms) => clock.jump(ms),
    again: async () => open(),
    reopen: async () => open(),
    close: async () => {
      for (const store of stores) await store.close()
    },
  }
}

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at'] as const

/** For the suites of every store on a network, which run on the real clock, and in processes of their own. */
export const openHandle: OpenHandle = async ({ url, name }) => {
  const client = clientOf(url)
  const store = dynamodbStore({ client, table: name, maxClockSkewMs: 0 })
  return {
    store,
    async age(key, ms) {
      const { Item } = await client.getItem({ TableName: name, Key: { key: { S: key } }, ConsistentRead: true })
      if (Item === undefined) return
      for (const instant of instants) {
        const value = Item[instant]?.N
        if (value !== undefined) Item[instant] = { N: String(Number(value) - ms) }
      }
      await client.putItem({ TableName: name, Item })
    },
    async close() {
      await store.close()
      client.destroy()
    },
  }
}

/** A store whose clock the test has in its hand. */
export function storeAt(client: DynamoDB, table: string, clock: Clock, maxClockSkewMs?: number): DynamodbStore {
  return dynamodbStore({ client, table, clock, maxClockSkewMs })
}
