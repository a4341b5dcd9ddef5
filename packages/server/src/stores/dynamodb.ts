import type { DynamoDB } from '@aws-sdk/client-dynamodb'
import { type DynamodbStore, dynamodbStore } from 'retrysafe/dynamodb'
import { type ConnectOptions, owning } from './connection.js'
import type { DynamodbUrl } from './store-url.js'

/** How often a request is sent, and how long each may take, its connection included: together less than 10 s. */
const maxAttempts = 3
const attemptMs = 3000

/** Who we are to AWS is for its own variables, files and roles to say, as with every tool of AWS. */
export async function dynamodbClient(url: DynamodbUrl, options: ConnectOptions = {}): Promise<DynamoDB> {
  const { DynamoDB } = await import('@aws-sdk/client-dynamodb')
  return new DynamoDB({
    ...(url.region === undefined ? {} : { region: url.region }),
    ...(url.endpoint === undefined ? {} : { endpoint: url.endpoint }),
    maxAttempts,
    requestHandler: {
      requestTimeout: options.statementMs ?? attemptMs,
      // The request's time ends with the head of its response.
      socketTimeout: options.statementMs ?? attemptMs,
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
