import {
  type AfterCrash,
  badOption,
  type Clock,
  type IdempotencyStore,
  type Inspectable,
  type Migratable,
  type Random,
  type Rec,
  RetrysafeError,
  readInteger,
  systemClock,
} from '../contract/index.js'
import { type DynamodbClient, type DynamodbItem, isDynamodbClient, nameOf } from './dynamodb/client.js'
import { keyOf, leanAttributes, maxValueBytes, readItem } from './dynamodb/items.js'
import { migrate } from './dynamodb/migration.js'
import { claim, complete, names, type Refused, release, renew, type Table, tableOf } from './dynamodb/table.js'
import { type ListFilter, storeOf } from './shared/driver.js'
import { insist } from './shared/insist.js'
import { lowestKeys } from './shared/lowest-keys.js'
import { type SwapCalls, swapCalls } from './shared/swap.js'
import { wholeMs } from './shared/whole-ms.js'

export type { DynamodbClient, DynamodbItem, DynamodbValue } from './dynamodb/client.js'

/** A page of a scan is 1 MB of items: a list reads a gigabyte at most. */
const maxScannedPages = 1000

export interface DynamodbStoreOptions {
  /** The aggregated client of `@aws-sdk/client-dynamodb` 3: `new DynamoDB({ region })`. `close` leaves it open. */
  client: DynamodbClient
  /** The name or ARN of a table for this store alone. `migrate` makes it. */
  table: string
  /**
   * How far the clocks of the machines that share the table may be apart: a lease counts as lapsed, and a record as
   * over, only that much later. Default 5,000 ms; 0 to 60,000.
   */
  maxClockSkewMs?: number | undefined
  /** Default: the machine's own. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

export type DynamodbStore = IdempotencyStore & Migratable & Inspectable

/**
 * Keeps keys in a DynamoDB table: for any number of machines and functions of one region.
 *
 * A fresh key, a replay, a completion, a heartbeat and a release take one request each; a heartbeat under `'uncertain'`
 * takes two. DynamoDB has no clock that can be asked: the clocks of the machines decide, with an allowance for their
 * skew. Values may have 392 KiB. The table's TTL removes what is over, so `purge` does nothing.
 *
 * @throws `invalid_option`. Its calls reject with the codes of the store contract, and with `store_unavailable`,
 * `store_corrupt` (an item is no record), `unsupported` (a record of a later version) and `value_too_large`.
 * @example
 * ```ts
 * import { DynamoDB } from '@aws-sdk/client-dynamodb'
 * import { dynamodbStore } from 'retrysafe/dynamodb'
 *
 * const store = dynamodbStore({ client: new DynamoDB({ region: 'eu-central-1' }), table: 'retrysafe' })
 * await store.migrate()
 * const outcome = await store.begin('charge-42')
 * if (outcome.status === 'new') await store.complete('charge-42', { paid: true }, { token: outcome.token })
 * ```
 */
export function dynamodbStore(options: DynamodbStoreOptions): DynamodbStore {
  const { client, table: name, clock = systemClock, random = Math.random } = options
  if (!isDynamodbClient(client))
    throw badOption('client', client, 'the aggregated client, `new DynamoDB({ … })`: a bare DynamoDBClient will not do')
  if (typeof name !== 'string' || name === '') throw badOption('table', name, 'the name of a table')
  const skewMs = readInteger('maxClockSkewMs', options.maxClockSkewMs, { default: 5000, min: 0, max: 60_000 })
  const where = `The DynamoDB table ${name}`
  const table = tableOf({ client, name, where, clock: wholeMs(clock), random, skewMs })
  return storeOf({
    where: 'the DynamoDB store',
    maxValueBytes,
    skewMs,
    ...swapCalls(table),
    ...fastCalls(table),
    purge: async () => 0,
    list: (filter) => list(table, filter),
    migrate: () => migrate(table),
    toError: (error) => toError(where, error),
  })
}

/** One request each where all is as it usually is; else the rules decide, by what the refusal showed. */
function fastCalls(table: Table): Pick<SwapCalls, 'begin' | 'complete' | 'renew' | 'release'> {
  const patiently = <T>(attempt: () => Promise<T>): Promise<T> => insist(table, attempt, table.passes)
  const slow = swapCalls(table)
  return {
    async begin(key, ask) {
      const begun = await patiently(() => claim(table, key, ask))
      return 'status' in begun ? begun : after(table, begun).begin(key, ask)
    },
    async complete(key, ask) {
      const { token } = ask
      if (token === undefined) return slow.complete(key, ask)
      const refused = await patiently(() => complete(table, key, token, ask))
      return refused && after(table, refused).complete(key, ask)
    },
    async renew(key, ask) {
      const { leaseMs, checkpoint } = ask
      if (leaseMs === undefined || leaseMs === 0 || checkpoint !== undefined) return slow.renew(key, ask)
      const extend = (afterCrash: AfterCrash) => patiently(() => renew(table, key, { ...ask, leaseMs }, afterCrash))
      let refused = await extend('rerun')
      const seen = refused?.refusedBy?.record
      if (seen?.token === ask.token && seen.afterCrash === 'uncertain') refused = await extend('uncertain')
      return refused && after(table, refused).renew(key, ask)
    },
    async release(key, token) {
      const refused = await patiently(() => release(table, key, token))
      return refused && after(table, refused).release(key, token)
    },
  }
}

/** The slow way, which takes what the refusal showed for its first look. */
function after(table: Table, { refusedBy }: Refused): SwapCalls {
  let first = refusedBy
  return swapCalls({
    ...table,
    read: (key) => {
      const seen = first
      first = undefined
      return seen === undefined ? table.read(key) : Promise.resolve(seen)
    },
  })
}

/** Partitions are in no order, so that each page of a list reads the whole table. */
async function list(table: Table, filter: ListFilter): Promise<readonly (readonly [key: string, record: Rec])[]> {
  const { client, name, clock, skewMs, where } = table
  const lowest = lowestKeys(filter, clock.now(), skewMs)
  const { prefix = '' } = filter
  let from: DynamodbItem | undefined
  for (let page = 0; page < maxScannedPages; page++) {
    const { Items = [], LastEvaluatedKey } = await client.scan({
      TableName: name,
      ConsistentRead: true,
      ProjectionExpression: leanAttributes.map((attribute) => `#${attribute}`).join(', '),
      ExpressionAttributeNames: names(...leanAttributes),
      ...(prefix !== '' && {
        FilterExpression: 'begins_with(#key, :prefix)',
        ExpressionAttributeValues: { ':prefix': { S: prefix } },
      }),
      ...(from !== undefined && { ExclusiveStartKey: from }),
    })
    for (const item of Items) {
      const key = keyOf(item)
      if (key !== undefined && lowest.wants(key)) lowest.add(key, readItem(key, item).record)
    }
    if (LastEvaluatedKey === undefined) return lowest.page
    from = LastEvaluatedKey as DynamodbItem
  }
  throw new RetrysafeError(
    'unsupported',
    `${where} has more than ${maxScannedPages} MB: it is too large to be listed. Nothing was changed.`,
  )
}

function toError(where: string, error: unknown): RetrysafeError {
  const reason = error instanceof Error ? error.message : String(error)
  return new RetrysafeError('store_unavailable', `${where}: ${nameOf(error)}: ${reason}. ${advice(error)}`, {
    cause: error,
  })
}

function advice(error: unknown): string {
  switch (nameOf(error)) {
    case 'ResourceNotFoundException':
      return 'Call migrate() once, or look at the region and the name of the table.'
    case 'ProvisionedThroughputExceededException':
    case 'ThrottlingException':
    case 'RequestLimitExceeded':
      return 'Nothing was changed. The client has tried again already: raise its maxAttempts, or what the table may take.'
    case 'AccessDeniedException':
      return 'Nothing was changed. The credentials must allow what docs/stores/dynamodb.md lists.'
    default:
      return 'Nothing was acknowledged; ask again with the same key and token.'
  }
}
