import type { AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb'
import { dynamodbStore } from 'retrysafe/dynamodb'
import { dynamodbClient } from '../stores/dynamodb.js'
import { openStore } from '../stores/open-store.js'
import type { DynamodbUrl } from '../stores/store-url.js'
import { type Bench, type Facts, instants, openedOf, scratchName } from './bench.js'

/** What the store allows for where the URL says nothing. */
const usualSkewMs = 5000

/** Keys of its own in the table: to make one takes rights that who uses a table seldom has. */
export async function dynamodbBench(url: DynamodbUrl): Promise<Bench> {
  const first = await openStore(url)
  await first.close()
  const scratch = `${scratchName('-')}/`
  const side = await dynamodbClient(url)
  const { table, maxClockSkewMs } = url
  const left = new Set<string>()
  const remove = async (key: string): Promise<void> => {
    await side.deleteItem({ TableName: table, Key: { key: { S: key } } })
    left.delete(key)
  }
  let opened = 0
  return {
    scratch: `keys that begin with ${scratch}`,
    facts: () => factsOf(side, table),
    clean: async () => {
      try {
        for (const key of [...left]) await remove(key)
      } finally {
        side.destroy()
      }
    },
    open: () => {
      opened++
      const own = `${scratch}${opened}/`
      const begun = (): string[] => [...left].filter((key) => key.startsWith(own))
      return openedOf({
        scratch: own,
        another: async () => {
          // Without `migrate`, for which the role may have no rights: the table is there.
          const { migrate: _, ...store } = dynamodbStore({ client: side, table, maxClockSkewMs })
          return {
            ...store,
            begin: (key, options) => {
              // The cases also call with what is no key.
              if (typeof key === 'string' && key.startsWith(own)) left.add(key)
              return store.begin(key, options)
            },
          }
        },
        age: (key, ms) => age(side, table, key, ms),
        empty: async () => {
          for (const key of begun()) await remove(key)
        },
        skewMs: maxClockSkewMs ?? usualSkewMs,
        limits: { maxValueBytes: 392 * 1024 },
      })
    },
  }
}

type Item = Record<string, AttributeValue>

async function itemOf(side: DynamoDB, table: string, key: string): Promise<Item | undefined> {
  const { Item: item } = await side.getItem({ TableName: table, Key: { key: { S: key } }, ConsistentRead: true })
  return item
}

async function age(side: DynamoDB, table: string, key: string, ms: number): Promise<void> {
  const item = await itemOf(side, table, key)
  if (item === undefined) return
  const aged: Item = { ...item }
  for (const name of instants) {
    const instant = item[name]?.N
    if (instant !== undefined) aged[name] = { N: String(Number(instant) - ms) }
  }
  await side.putItem({ TableName: table, Item: aged })
}

async function factsOf(side: DynamoDB, table: string): Promise<Facts> {
  const { hostname } = (await side.config.endpoint?.()) ?? { hostname: `dynamodb in ${await side.config.region()}` }
  try {
    const { TimeToLiveDescription: ttl } = await side.describeTimeToLive({ TableName: table })
    if (ttl?.TimeToLiveStatus !== 'ENABLED' && ttl?.TimeToLiveStatus !== 'ENABLING')
      return {
        server: `DynamoDB (${hostname})`,
        remarks: [
          {
            level: 'weaker',
            setting: 'TTL off',
            meaning: 'records past their retention are never deleted. Run retrysafe migrate',
          },
        ],
      }
  } catch {
    // Emulators have no TTL, and a role need not be allowed to ask.
  }
  return { server: `DynamoDB (${hostname})`, remarks: [] }
}
