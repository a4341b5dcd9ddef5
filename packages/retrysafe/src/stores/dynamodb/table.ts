/* Each write on a condition, and what a refusal says. */
import {
  type AfterCrash,
  type BeginAsk,
  type Begun,
  type CompleteAsk,
  onBegin,
  type RenewAsk,
} from '../../contract/index.js'
import type { Sighting, SwapTable } from '../shared/swap.js'
import { type DynamodbClient, type DynamodbItem, nameOf } from './client.js'
import { itemFormat, number, readItem, toItem, toValue, wholeSeconds } from './items.js'

export interface Table extends SwapTable<string> {
  readonly client: DynamodbClient
  readonly name: string
}

/** Why a write was refused: by what stands there, or by something that the engine does not show. */
export type Refused = { readonly refusedBy: Sighting<string> | undefined }

/** Every attribute by a name of its own: `key`, `status`, `token` and `ttl` are reserved words. */
export function names(...attributes: readonly string[]): Record<string, string> {
  return Object.fromEntries(attributes.map((name) => [`#${name}`, name]))
}

export function tableOf(surroundings: Omit<Table, 'read' | 'write' | 'remove' | 'passes'>): Table {
  const { client, name: TableName, skewMs } = surroundings
  const table: Table = {
    ...surroundings,
    async read(key) {
      const { Item } = await client.getItem({ TableName, Key: { key: { S: key } }, ConsistentRead: true })
      return sighting(table, key, Item)
    },
    async write(key, record, seen) {
      const version = crypto.randomUUID()
      const condition =
        seen === undefined
          ? { ConditionExpression: 'attribute_not_exists(#key)', ExpressionAttributeNames: names('key') }
          : {
              ConditionExpression: '#version = :seen',
              ExpressionAttributeNames: names('version'),
              ExpressionAttributeValues: { ':seen': { S: seen } },
            }
      const refused = await ask(table, key, () =>
        client.putItem({ TableName, Item: toItem(key, record, version, skewMs), ...condition, ...showOld }),
      )
      return refused === undefined || isOwn(refused, version)
    },
    async remove(key, seen) {
      const refused = await ask(table, key, () =>
        client.deleteItem({
          TableName,
          Key: { key: { S: key } },
          ConditionExpression: '#version = :seen',
          ExpressionAttributeNames: names('version'),
          ExpressionAttributeValues: { ':seen': { S: seen } },
          ...showOld,
        }),
      )
      return refused === undefined
    },
    // Nothing was changed: a transaction of someone else's has the item at this moment.
    passes: (error) => nameOf(error) === 'TransactionConflictException',
  }
  return table
}

const showOld = { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const }

/** Claims a key that is free or over, in one round trip. A replay and a duplicate are told by the refusal. */
export async function claim(table: Table, key: string, asked: BeginAsk): Promise<Begun | Refused> {
  const { client, name, clock, skewMs } = table
  const now = clock.now()
  const { write, outcome } = onBegin(undefined, asked, now, skewMs)
  if (write === undefined) return outcome
  const refused = await ask(table, key, () =>
    client.putItem({
      TableName: name,
      Item: toItem(key, write, crypto.randomUUID(), skewMs),
      ConditionExpression: 'attribute_not_exists(#key) OR (#expires_at <= :over AND #format = :format)',
      ExpressionAttributeNames: names('key', 'expires_at', 'format'),
      ExpressionAttributeValues: { ':over': number(now - skewMs), ':format': number(itemFormat) },
      ...showOld,
    }),
  )
  return refused ?? outcome
}

/** What `onComplete` says where the claim still holds, which it nearly always does. */
export function complete(table: Table, key: string, token: string, asked: CompleteAsk): Promise<Refused | undefined> {
  const now = table.clock.now()
  const { retentionMs, kind, response } = asked
  const set: Changes = {
    status: { S: 'completed' },
    updated_at: number(now),
    completed_at: number(now),
    kind: { S: kind },
    response: toValue(response),
    ...(retentionMs === undefined
      ? {}
      : { retention_ms: number(retentionMs), retention_s: number(wholeSeconds(retentionMs)) }),
  }
  const ends = endsAfter(table, now, retentionMs)
  return update(table, key, token, now, { ...set, ...ends }, ['lease_until', 'checkpoint'])
}

/** What `onRenew` says where the claim still holds and is of that kind, and nothing is saved. */
export function renew(
  table: Table,
  key: string,
  { token, leaseMs }: RenewAsk & { leaseMs: number },
  afterCrash: AfterCrash,
): Promise<Refused | undefined> {
  const now = table.clock.now()
  const leaseUntil = now + leaseMs
  // What is uncertain after a crash is kept until it is settled.
  const ends = afterCrash === 'uncertain' ? {} : endsAfter(table, leaseUntil)
  const set = { lease_until: number(leaseUntil), updated_at: number(now), ...ends }
  return update(table, key, token, now, set, [], afterCrash)
}

/** What `onRelease` says where nothing must outlive the claim. */
export function release(table: Table, key: string, token: string): Promise<Refused | undefined> {
  const { client, name, clock } = table
  const held = heldBy(table, token, clock.now())
  return ask(table, key, () =>
    client.deleteItem({
      TableName: name,
      Key: { key: { S: key } },
      ConditionExpression: `${held.condition} AND #after_crash = :rerun AND attribute_not_exists(#checkpoint)`,
      ExpressionAttributeNames: names(...held.attributes, 'after_crash', 'checkpoint'),
      ExpressionAttributeValues: { ...held.values, ':rerun': { S: 'rerun' } },
      ...showOld,
    }),
  )
}

/** A value, or one that is added to an attribute. */
type Changes = Record<string, DynamodbItem[string] | { readonly plus: string; readonly value: DynamodbItem[string] }>

/** A retention from that instant on: the one that is given, else the claim's own. */
function endsAfter({ skewMs }: Table, start: number, retentionMs?: number): Changes {
  if (retentionMs !== undefined)
    return { expires_at: number(start + retentionMs), ttl: number(wholeSeconds(start + retentionMs + skewMs)) }
  return {
    expires_at: { plus: 'retention_ms', value: number(start) },
    ttl: { plus: 'retention_s', value: number(wholeSeconds(start + skewMs)) },
  }
}

function update(
  table: Table,
  key: string,
  token: string,
  now: number,
  changes: Changes,
  removed: readonly string[],
  afterCrash?: AfterCrash,
): Promise<Refused | undefined> {
  const held = heldBy(table, token, now)
  const attributes = new Set([...held.attributes, 'version', ...removed])
  const values: DynamodbItem = { ...held.values }
  let condition = held.condition
  if (afterCrash !== undefined) {
    attributes.add('after_crash')
    values[':after_crash'] = { S: afterCrash }
    condition += ' AND #after_crash = :after_crash'
  }
  const all: Changes = { ...changes, version: { S: crypto.randomUUID() } }
  const assignments = Object.entries(all).map(([name, change]) => {
    attributes.add(name)
    values[`:new_${name}`] = 'plus' in change ? change.value : change
    if (!('plus' in change)) return `#${name} = :new_${name}`
    attributes.add(change.plus)
    return `#${name} = #${change.plus} + :new_${name}`
  })
  const removal = removed.length === 0 ? '' : ` REMOVE ${removed.map((name) => `#${name}`).join(', ')}`
  return ask(table, key, () =>
    table.client.updateItem({
      TableName: table.name,
      Key: { key: { S: key } },
      UpdateExpression: `SET ${assignments.join(', ')}${removal}`,
      ConditionExpression: condition,
      ExpressionAttributeNames: names(...attributes),
      ExpressionAttributeValues: values,
      ...showOld,
    }),
  )
}

interface Held {
  readonly condition: string
  readonly attributes: readonly string[]
  readonly values: DynamodbItem
}

/** A record that holds its key by this token, to be changed without being read first. */
function heldBy({ skewMs }: Table, token: string, now: number): Held {
  return {
    condition:
      '#token = :token AND #status = :in_progress AND #format = :format AND ' +
      '(attribute_not_exists(#expires_at) OR #expires_at > :over)',
    attributes: ['token', 'status', 'format', 'expires_at'],
    values: {
      ':token': { S: token },
      ':in_progress': { S: 'in_progress' },
      ':format': number(itemFormat),
      ':over': number(now - skewMs),
    },
  }
}

/** Undefined where the condition held. */
async function ask(table: Table, key: string, write: () => Promise<object>): Promise<Refused | undefined> {
  try {
    await write()
    return undefined
  } catch (error) {
    if (nameOf(error) !== 'ConditionalCheckFailedException') throw error
    // DynamoDB shows the item that refused; where an engine does not, or there is none, it is to be read.
    const { Item } = error as { Item?: object | undefined }
    return { refusedBy: Item === undefined ? undefined : sighting(table, key, Item) }
  }
}

/** The SDK sends a request again whose answer was lost: then our own first one is what refuses the second. */
function isOwn({ refusedBy }: Refused, version: string): boolean {
  return refusedBy?.version === version
}

function sighting({ clock }: Table, key: string, item: object | undefined): Sighting<string> {
  const seen = item === undefined ? undefined : readItem(key, item)
  return { now: clock.now(), record: seen?.record, version: seen?.version }
}
