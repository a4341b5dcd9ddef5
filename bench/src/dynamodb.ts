import {
  type AttributeValue,
  CreateTableCommand,
  DynamoDB,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import { dynamodbUrl, missing, stopEngines } from '@retrysafe/engines'
import { dynamodbStore } from 'retrysafe/dynamodb'
import { type Engine, versionOf } from './machine.js'
import { measure, paceOf, type Row, type Subject, subject } from './measure.js'
import { powertools, powertoolsOnDynamodb } from './powertools-peer.js'
import type { RunOptions } from './run-options.js'
import {
  bothOf,
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  leaseMs,
  makeReplayKeys,
  replaying,
  replayKey,
  retentionMs,
  seed,
} from './store-subjects.js'

const raw = 'raw requests'

async function createTable(client: DynamoDB, name: string, key: string): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName: name,
      KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  )
}

async function rawSubjects(client: DynamoDB): Promise<Subject[]> {
  const TableName = 'raw'
  const number = (value: number): AttributeValue => ({ N: String(value) })
  const claim = (key: string): Promise<unknown> => {
    const now = Date.now()
    const Item = {
      k: { S: key },
      s: number(0),
      token: { S: crypto.randomUUID() },
      lease_until: number(now + leaseMs),
      expires_at: number(now + leaseMs + retentionMs),
    }
    const ConditionExpression = 'attribute_not_exists(k)'
    return client.send(new PutItemCommand({ TableName, Item, ConditionExpression }))
  }
  const complete = (key: string): Promise<unknown> =>
    client.send(
      new UpdateItemCommand({
        TableName,
        Key: { k: { S: key } },
        UpdateExpression: 'SET s = :one, answer = :response, expires_at = :expires',
        ConditionExpression: 's = :zero',
        ExpressionAttributeValues: {
          ':zero': number(0),
          ':one': number(1),
          ':response': { S: JSON.stringify(chargeOf(key)) },
          ':expires': number(Date.now() + retentionMs),
        },
      }),
    )
  await createTable(client, TableName, 'k')
  await makeReplayKeys((key) => claim(key).then(() => complete(key)))
  return [
    subject(claiming, raw, [raw], async () => {
      const key = freshKey()
      await claim(key)
      await complete(key)
    }),
    subject(replaying, raw, [raw], async (index) => {
      const key = replayKey(index)
      const { Item } = await client.send(
        new GetItemCommand({ TableName, Key: { k: { S: key } }, ConsistentRead: true }),
      )
      checkCharge(raw, key, JSON.parse(Item?.answer?.S ?? 'null'))
    }),
  ]
}

/**
 * `dynamodbStore` beside bare requests and the peer, on dynalite: what is compared is how many requests a call takes
 * and what this process does for them. A table at AWS has another latency.
 */
export async function dynamodb(print: (row: Row) => void, { quick }: RunOptions, engines: Engine[]): Promise<Row[]> {
  const endpoint = await dynamodbUrl()
  if (endpoint === undefined) {
    console.log(`\nNot measured: ${await missing('dynamodb')}`)
    return []
  }
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' }
  const client = new DynamoDB({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 })
  engines.push(...['dynalite', '@aws-sdk/client-dynamodb'].map(versionOf))
  const store = dynamodbStore({ client, table: 'ours' })
  await store.migrate()
  await seed(store)
  await createTable(client, 'powertools', 'id')
  const peer = await powertoolsOnDynamodb(client, 'powertools', [raw])
  await peer?.seed()
  const against = peer === undefined ? [raw] : [raw, powertools]
  const ours = bothOf('dynamodbStore', store, { claim: against, replay: against })
  const subjects = [...(await rawSubjects(client)), ...ours, ...(peer?.subjects ?? [])]
  const { rounds, roundMs, callers } = paceOf(quick)
  const few = { rounds: Math.min(rounds, 5), roundMs, callers: callers.filter((count) => count <= 64) }
  const rows = await measure({ suite: 'dynamodb', subjects, ...few }, print)
  await store.close()
  client.destroy()
  await stopEngines()
  return rows
}
