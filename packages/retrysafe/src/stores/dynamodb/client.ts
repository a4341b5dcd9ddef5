/* The part of the AWS SDK that the store calls, and nothing else of it. */

/** An attribute as DynamoDB has it: text, a number as text, bytes, a truth value. */
export type DynamodbValue =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly B: Uint8Array }
  | { readonly BOOL: boolean }

export type DynamodbItem = Record<string, DynamodbValue>

interface Conditional {
  TableName: string
  ConditionExpression: string
  ExpressionAttributeNames: Record<string, string>
  ExpressionAttributeValues?: DynamodbItem
  ReturnValuesOnConditionCheckFailure: 'ALL_OLD'
}

/**
 * The aggregated `DynamoDB` client of `@aws-sdk/client-dynamodb` 3. A bare `DynamoDBClient` needs command classes of
 * its SDK, and a `DynamoDBDocument` reads attributes in its own way: neither fits.
 */
export interface DynamodbClient {
  getItem(input: { TableName: string; Key: DynamodbItem; ConsistentRead: true }): Promise<{ Item?: object | undefined }>
  putItem(input: Conditional & { Item: DynamodbItem }): Promise<object>
  updateItem(input: Conditional & { Key: DynamodbItem; UpdateExpression: string }): Promise<object>
  deleteItem(input: Conditional & { Key: DynamodbItem }): Promise<object>
  scan(input: {
    TableName: string
    ConsistentRead: true
    ExclusiveStartKey?: DynamodbItem
    FilterExpression?: string
    ProjectionExpression: string
    ExpressionAttributeNames: Record<string, string>
    ExpressionAttributeValues?: DynamodbItem
  }): Promise<{ Items?: object[] | undefined; LastEvaluatedKey?: object | undefined }>
  createTable(input: {
    TableName: string
    BillingMode: 'PAY_PER_REQUEST'
    AttributeDefinitions: { AttributeName: string; AttributeType: 'S' }[]
    KeySchema: { AttributeName: string; KeyType: 'HASH' }[]
  }): Promise<object>
  describeTable(input: { TableName: string }): Promise<{ Table?: object | undefined }>
  describeTimeToLive(input: { TableName: string }): Promise<{ TimeToLiveDescription?: object | undefined }>
  updateTimeToLive(input: {
    TableName: string
    TimeToLiveSpecification: { Enabled: true; AttributeName: string }
  }): Promise<object>
}

export function isDynamodbClient(client: unknown): client is DynamodbClient {
  if (typeof client !== 'object' || client === null) return false
  const methods = ['getItem', 'putItem', 'updateItem', 'deleteItem', 'scan', 'describeTable']
  return methods.every((name) => typeof (client as Record<string, unknown>)[name] === 'function')
}

/** The SDK names its errors; `instanceof` would need its classes. */
export function nameOf(error: unknown): string {
  const name = typeof error === 'object' && error !== null ? (error as { name?: unknown }).name : undefined
  return typeof name === 'string' ? name : ''
}
