import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache'
import type { CacheClient } from '@aws-lambda-powertools/idempotency/cache/types'
import type { BasePersistenceLayer } from '@aws-lambda-powertools/idempotency/persistence'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type Subject, subject } from './measure.js'
import {
  type Charge,
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  leaseMs,
  makeReplayKeys,
  replaying,
  replayKey,
  retentionMs,
} from './store-subjects.js'

export const powertools = '@aws-lambda-powertools/idempotency'

interface Peer {
  readonly subjects: Subject[]
  seed(): Promise<void>
}

/** On Redis, with the client that its documentation shows. */
export function powertoolsOnRedis(client: CacheClient, baselines: readonly string[]): Peer {
  return peerOn(new CachePersistenceLayer({ client }), baselines)
}

/** None where what its DynamoDB layer needs besides is not installed, and says so. */
export async function powertoolsOnDynamodb(
  client: DynamoDBClient,
  table: string,
  baselines: readonly string[],
): Promise<Peer | undefined> {
  const layers = await import('@aws-lambda-powertools/idempotency/dynamodb').catch((error: Error) => error)
  if (!(layers instanceof Error))
    return peerOn(new layers.DynamoDBPersistenceLayer({ tableName: table, awsSdkV3Client: client }), baselines)
  console.log(`Not compared: ${powertools}: ${layers.message}`)
  return undefined
}

/**
 * `makeIdempotent` around a function that returns the response at once, by its documented options: the whole payload is
 * the key (it takes an MD5 of it), the time that is left is known as it is in a Lambda, and there is no local cache,
 * which would answer replays without asking the store.
 */
function peerOn(persistenceStore: BasePersistenceLayer, baselines: readonly string[]): Peer {
  const config = new IdempotencyConfig({ expiresAfterSeconds: retentionMs / 1000 })
  const context = { getRemainingTimeInMillis: () => leaseMs }
  config.registerLambdaContext(context as Parameters<typeof config.registerLambdaContext>[0])
  const options = { persistenceStore, config, keyPrefix: 'powertools' }
  const ran = new Set<string>()
  const charge = makeIdempotent(async (key: string) => {
    ran.add(key)
    return { ...chargeOf(key) }
  }, options)
  const call = async (key: string): Promise<Charge> => (await charge(key)) as unknown as Charge
  return {
    subjects: [
      subject(claiming, powertools, baselines, async () => {
        const key = freshKey()
        checkCharge(powertools, key, await call(key))
        if (!ran.delete(key)) throw new Error(`${powertools}: ${key} is not new`)
      }),
      subject(replaying, powertools, baselines, async (index) => {
        const key = replayKey(index)
        checkCharge(powertools, key, await call(key))
        if (ran.has(key)) throw new Error(`${powertools}: ${key} ran again`)
      }),
    ],
    seed: async () => {
      await makeReplayKeys(call)
      ran.clear()
    },
  }
}
