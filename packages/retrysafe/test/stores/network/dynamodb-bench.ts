import { dynamodbUrl, missing } from '@retrysafe/engines'
import { dynamodbStore } from '../../../src/stores/dynamodb.js'
import { clientOf, openHandle } from '../dynamodb/open.js'
import { startDynamodbProxy } from '../dynamodb/proxy.js'
import type { Bench } from './bench.js'

export const dynamodbBench: Bench = {
  name: 'DynamoDB (dynalite)',
  url: dynamodbUrl,
  missing: () => missing('dynamodb'),
  open: openHandle,
  handle: 'test/stores/dynamodb/open.ts',
  besides: ['test/stores/cas/clock.ts'],
  prepare: async ({ url, name }) => {
    // The emulator knows no TTL, which a migration sets.
    const proxy = await startDynamodbProxy(url)
    const client = clientOf(proxy.url)
    const store = dynamodbStore({ client, table: name })
    await store.migrate()
    await store.close()
    client.destroy()
    await proxy.close()
  },
  remove: async ({ url, name }) => {
    const client = clientOf(url)
    await client.deleteTable({ TableName: name })
    client.destroy()
  },
}
