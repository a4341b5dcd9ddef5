import type { DynamoDB } from '@aws-sdk/client-dynamodb'
import { type DynamodbStore, dynamodbStore } from 'retrysafe/dynamodb'
import { type ConnectOptions, connectMs, owning, statementMs } from './connection.js'
import type { DynamodbUrl } from './store-url.js'

/** Who we are to AWS is for its own variables, files and roles to say, as with every tool of AWS. */
export async function dynamodbClient(url: DynamodbUrl, options: ConnectOptions = {}): Promise<DynamoDB> {
  const { DynamoDB } = await import('@aws-sdk/client-dynamodb')
  return new DynamoDB({
    ...(url.region === undefined ? {} : { region: url.region }),
    ...(url.endpoint === undefined ? {} : { endpoint: url.endpoint }),
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: options.statementMs ?? statementMs,
      throwOnRequestTimeout: true,
    },
  })
}

export async function openDynamodb(url: DynamodbUrl, options: ConnectOptions = {}): Promise<DynamodbStore> {
  const client = await dynamodbClient(url, options)
  const { table, maxClockSkewMs } = url
  const store = dynamodbStore({ client, table, maxClockSkewMs, clock: options.clock })
  return owning(store, async () => client.destroy())
}
