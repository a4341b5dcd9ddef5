/* What every store is asked for, and with which keys and responses. */
import type { IdempotencyStore } from 'retrysafe'
import { type Subject, subject } from './measure.js'

/** The first call of an operation and its end. */
export const claiming = 'claim + complete'
/** The same call again, once it is completed. */
export const replaying = 'replay'

/** More than there are callers, so that no two ask for one at once. */
export const replayKeyCount = 512
export const leaseMs = 30_000
export const retentionMs = 86_400_000
export const fingerprint: string = `v1:${'5'.repeat(64)}`

/** About 300 bytes of JSON, different for every key, so that the wrong one would be seen. */
export interface Charge {
  readonly id: string
  readonly amount: number
  readonly currency: string
  readonly status: string
  readonly reference: string
  readonly customer: { readonly name: string; readonly email: string; readonly country: string }
  readonly description: string
}

export function chargeOf(key: string): Charge {
  return {
    id: 'ch_3PqLm2eZvKYlo2C0',
    amount: 1200,
    currency: 'EUR',
    status: 'succeeded',
    reference: key,
    customer: { name: 'Ada Lovelace', email: 'ada@example.com', country: 'GB' },
    description: 'Order 4711: two seats in the second row, with the programme and a drink',
  }
}

/** Random, as keys of clients are: an index is written in many places, not at its end. */
export const freshKey = (): string => `charge:${crypto.randomUUID()}`

export function replayKey(index: number): string {
  const number = String(index % replayKeyCount).padStart(12, '0')
  return `charge:00000000-0000-4000-8000-${number}`
}

export const replayKeys = (): string[] => Array.from({ length: replayKeyCount }, (_, index) => replayKey(index))

/** Fails unless the response is the one of the key. */
export function checkCharge(name: string, key: string, response: unknown): void {
  if (typeof response === 'object' && response !== null && 'reference' in response && response.reference === key) return
  throw new Error(`${name}: ${key} was answered with ${JSON.stringify(response)}`)
}

/** Claims a fresh key and completes it. */
export function claims(name: string, baselines: readonly string[], store: IdempotencyStore): Subject {
  return subject(claiming, name, baselines, async () => {
    const key = freshKey()
    const outcome = await store.begin(key, { fingerprint })
    if (outcome.status !== 'new') throw new Error(`${name}: ${outcome.status}`)
    await store.complete(key, chargeOf(key), { token: outcome.token })
  })
}

/** Asks again for keys that are completed; `seed` is to be called first. */
export function replays(name: string, baselines: readonly string[], store: IdempotencyStore): Subject {
  return subject(replaying, name, baselines, async (index) => {
    const key = replayKey(index)
    const outcome = await store.begin(key, { fingerprint })
    if (outcome.status !== 'completed') throw new Error(`${name}: ${outcome.status}`)
    checkCharge(name, key, outcome.response)
  })
}

/** Makes the keys that are asked for again, many at once: a disk that is slow commits them together. */
export async function makeReplayKeys(make: (key: string) => Promise<unknown>): Promise<void> {
  const keys = Array.from({ length: replayKeyCount }, (_, index) => replayKey(index))
  const loop = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) await make(key)
  }
  await Promise.all(Array.from({ length: 64 }, loop))
}

/** Completes the keys that are asked for again. */
export function seed(store: IdempotencyStore): Promise<void> {
  return makeReplayKeys(async (key) => {
    const outcome = await store.begin(key, { fingerprint })
    if (outcome.status === 'new') await store.complete(key, chargeOf(key), { token: outcome.token })
    else if (outcome.status !== 'completed') throw new Error(`seeding: ${key} is ${outcome.status}`)
  })
}

/** What a store is measured by: both. */
export function bothOf(
  name: string,
  store: IdempotencyStore,
  baselines: { readonly claim: readonly string[]; readonly replay: readonly string[] },
): Subject[] {
  return [claims(name, baselines.claim, store), replays(name, [...baselines.replay, `${claiming}: ${name}`], store)]
}
