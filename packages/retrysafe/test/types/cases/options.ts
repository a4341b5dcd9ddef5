/* What may be asked for, and what must not be asked for by mistake. */
import { createIdempotency, type IdempotencyStore, isRetrysafeError, type Outcome, RetrysafeError } from 'retrysafe'

declare const store: IdempotencyStore
declare const tenant: string | undefined
declare const leaseMs: number | undefined

const idempotency = createIdempotency({ store, leaseMs, retentionMs: undefined, whenInProgress: { waitMs: 500 } })
const work = async (): Promise<number> => 1

export function whatFits(): void {
  idempotency.run('key', work, {})
  idempotency.run('key', work, { scope: 'tenant-7', leaseMs, afterCrash: 'uncertain', whenInProgress: 'reject' })
  idempotency.run('key', work, { fingerprint: { amount: 1 }, remember: () => true, notApplied: () => false })
  const charge = idempotency.wrap(
    async (order: { id: string; tenant: string }, cents: number) => cents * order.id.length,
    {
      name: 'charge',
      key: (order) => order.id,
      scope: (order) => order.tenant,
      fingerprint: (order, cents) => [order, cents],
    },
  )
  const charged: Promise<number> = charge({ id: 'o', tenant: 't' }, 100)
  void charged
}

export function whatDoesNot(): void {
  // @ts-expect-error There is no idempotency without a store.
  createIdempotency({})
  // @ts-expect-error A tenant that is undefined by mistake would become everybody's.
  idempotency.run('key', work, { scope: undefined })
  // @ts-expect-error Nor one that may be undefined.
  idempotency.run('key', work, { scope: tenant })
  // @ts-expect-error Nor null.
  idempotency.run('key', work, { scope: null })
  // @ts-expect-error A key is a string.
  idempotency.run(42, work)
  // @ts-expect-error Units stand in the name.
  idempotency.run('key', work, { lease: 1000 })
  // @ts-expect-error A duration is a number of milliseconds.
  idempotency.run('key', work, { leaseMs: '30s' })
  // @ts-expect-error There are two answers to a crash.
  idempotency.run('key', work, { afterCrash: 'ignore' })
  // @ts-expect-error Waiting has a bound.
  idempotency.run('key', work, { whenInProgress: 'wait' })
  // @ts-expect-error A wrapped function has a name, its space of keys.
  idempotency.wrap(work, { key: () => 'key' })
  // @ts-expect-error A wrapped function is called as it was.
  idempotency.wrap(async (id: string) => id, { name: 'n', key: (id) => id })(1)
}

export async function theStoreContract(): Promise<string> {
  interface Receipt {
    id: string
  }
  const receipt: Receipt = { id: 'r' }
  await store.complete('key', receipt)
  await store.complete('key', null)
  await store.complete('key', new Uint8Array(1), { kind: 'http', token: 'token' })
  // @ts-expect-error There is nothing to store.
  await store.complete('key', undefined)
  // @ts-expect-error A record never shows its token.
  ;(await store.get('key'))?.token
  return describe(await store.begin('key', { leaseMs: 1000, afterCrash: 'uncertain' }))
}

/** A `switch` over outcomes is exhaustive without a default. */
function describe(outcome: Outcome): string {
  switch (outcome.status) {
    case 'new':
      return `${outcome.token} ${outcome.attempt} ${outcome.leaseUntil.getTime()}`
    case 'in_progress':
      return `${outcome.attempt} ${outcome.leaseUntil.getTime()}`
    case 'completed':
      return `${outcome.kind} ${outcome.expiresAt.getTime()}`
    case 'mismatch':
      return outcome.status
    case 'uncertain':
      return `${outcome.attempt}`
    case 'expired':
      return `${outcome.expiredAt.getTime()}`
  }
}

export function errors(error: unknown): number | undefined {
  if (isRetrysafeError(error, 'in_progress', 'busy')) return error.retryAfterMs
  // @ts-expect-error The list of codes is closed.
  if (isRetrysafeError(error, 'too_busy')) return 1
  return error instanceof RetrysafeError && error.code === 'mismatch' ? error.attempt : undefined
}
