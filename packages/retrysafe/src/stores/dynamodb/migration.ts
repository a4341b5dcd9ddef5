/* The table, and which attribute its TTL is on. */
import { type Clock, RetrysafeError } from '../../contract/index.js'
import { type DynamodbClient, nameOf } from './client.js'

const napMs = 500
/** A new table is usually there within ten seconds. */
const maxWaitMs = 120_000
const ttlAttribute = 'ttl'

export interface Place {
  readonly client: DynamodbClient
  readonly name: string
  readonly where: string
  readonly clock: Clock
}

/** Makes what is missing; may be repeated, and be called by many at once. */
export async function migrate(place: Place): Promise<void> {
  const found = await describe(place)
  if (found === undefined) await create(place)
  checkKey(place, await active(place, found))
  await checkTtl(place)
}

interface Description {
  readonly TableStatus?: unknown
  readonly KeySchema?: readonly { AttributeName?: unknown; KeyType?: unknown }[]
  readonly AttributeDefinitions?: readonly { AttributeName?: unknown; AttributeType?: unknown }[]
}

async function describe({ client, name }: Place): Promise<Description | undefined> {
  try {
    const { Table } = await client.describeTable({ TableName: name })
    return Table ?? {}
  } catch (error) {
    if (nameOf(error) === 'ResourceNotFoundException') return undefined
    throw error
  }
}

async function create({ client, name }: Place): Promise<void> {
  try {
    await client.createTable({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'key', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'key', KeyType: 'HASH' }],
    })
  } catch (error) {
    // Another process has made it in between.
    if (nameOf(error) !== 'ResourceInUseException') throw error
  }
}

async function active(place: Place, found: Description | undefined): Promise<Description> {
  const { clock, where } = place
  const giveUpAt = clock.monotonic() + maxWaitMs
  for (let description = found; ; description = await describe(place)) {
    // UPDATING serves every request; a table that was just made may not be seen at once.
    const status = description?.TableStatus
    if (description !== undefined && (status === 'ACTIVE' || status === 'UPDATING')) return description
    if (clock.monotonic() >= giveUpAt)
      throw new RetrysafeError(
        'store_unavailable',
        `${where} is still ${String(status ?? 'not to be seen')} after ${maxWaitMs / 1000} s. Call migrate() again.`,
      )
    await clock.sleep(napMs)
  }
}

function checkKey({ where }: Place, { KeySchema = [], AttributeDefinitions = [] }: Description): void {
  const type = AttributeDefinitions.find(({ AttributeName }) => AttributeName === 'key')?.AttributeType
  if (KeySchema.length === 1 && KeySchema[0]?.AttributeName === 'key' && type === 'S') return
  const keys = KeySchema.map(({ AttributeName }) => `\`${AttributeName}\``).join(' and ')
  throw new RetrysafeError(
    'invalid_option',
    `${where} has the key ${keys}: it must have the partition key \`key\`, a string, and no sort key. Give a table of ` +
      'its own.',
  )
}

/** Without a TTL the table would grow for ever; on an attribute of somebody else's it would delete by that one. */
async function checkTtl(place: Place): Promise<void> {
  const { client, name } = place
  if (await hasTtl(place)) return
  try {
    await client.updateTimeToLive({
      TableName: name,
      TimeToLiveSpecification: { Enabled: true, AttributeName: ttlAttribute },
    })
  } catch (error) {
    // An emulator that knows no TTL: nothing is deleted there, and nothing depends on it.
    if (nameOf(error) === 'UnknownOperationException') return
    // Another process has switched it on in between.
    if (nameOf(error) === 'ValidationException' && (await hasTtl(place))) return
    throw error
  }
}

async function hasTtl({ client, name, where }: Place): Promise<boolean> {
  const { TimeToLiveDescription: ttl = {} } = await client.describeTimeToLive({ TableName: name })
  const { TimeToLiveStatus: status, AttributeName: attribute } = ttl as Record<string, unknown>
  if (status === 'DISABLING')
    throw new RetrysafeError(
      'store_unavailable',
      `The TTL of ${where} is being switched off, which takes DynamoDB up to an hour. Call migrate() again after that.`,
    )
  if (status !== 'ENABLED' && status !== 'ENABLING') return false
  if (attribute === ttlAttribute) return true
  throw new RetrysafeError(
    'invalid_option',
    `The TTL of ${where} is on the attribute \`${String(attribute)}\`: it must be on \`${ttlAttribute}\`. Give a table ` +
      'of its own, or switch that TTL off.',
  )
}
