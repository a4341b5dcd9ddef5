/* The client of the AWS SDK that the DynamoDB store takes. */
import { DynamoDB, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { IdempotencyStore, Inspectable, Migratable } from 'retrysafe'
import { dynamodbStore } from 'retrysafe/dynamodb'

const client = new DynamoDB({ region: 'eu-central-1' })
export const store: IdempotencyStore & Inspectable & Migratable = dynamodbStore({ client, table: 'retrysafe' })
dynamodbStore({ client, table: 'retrysafe', maxClockSkewMs: undefined, clock: undefined, random: Math.random })

// @ts-expect-error A bare client has no methods to call.
dynamodbStore({ client: new DynamoDBClient({}), table: 'retrysafe' })
// @ts-expect-error There is no table that is taken for granted.
dynamodbStore({ client })
