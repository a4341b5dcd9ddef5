/* What work may return: a replay equals the first answer, also in its type. */
import { createIdempotency, type Idempotency, type IdempotencyStore, type JsonValue } from 'retrysafe'

declare const store: IdempotencyStore
const idempotency: Idempotency = createIdempotency({ store })

/** Compiles only where both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(..._: Same<A, B> extends true ? [] : ['not the same', A, B]): void {}

interface Receipt {
  chargeId: string
  amount: number
  note?: string
  lines: { readonly name: string; count: number | null }[]
}
declare const receipt: Receipt

export async function whatFits(): Promise<void> {
  const inferred = await idempotency.run('key', async () => receipt)
  same<typeof inferred, Receipt>()
  const plain = await idempotency.run('key', () => ({ ok: true, at: 1 }))
  same<typeof plain, { ok: boolean; at: number }>()
  const nothing = await idempotency.run('key', async () => {})
  same<typeof nothing, void>()
  const absent = await idempotency.run('key', async () => undefined)
  same<typeof absent, undefined>()
  const maybe = await idempotency.run('key', async () => (receipt.amount > 1 ? receipt : undefined))
  same<typeof maybe, Receipt | undefined>()
  const bytes = await idempotency.run('key', async () => new Uint8Array(2))
  same<typeof bytes, Uint8Array<ArrayBuffer>>()
  const recursive = await idempotency.run('key', async (): Promise<JsonValue> => ({ a: [1, { b: null }] }))
  same<typeof recursive, JsonValue>()
  const tuple = await idempotency.run('key', async () => [1, 'two', null] as const)
  same<typeof tuple, readonly [1, 'two', null]>()
  const union = await idempotency.run(
    'key',
    async (): Promise<{ kind: 'a' } | { kind: 'b'; n: number }> => ({ kind: 'a' }),
  )
  same<typeof union, { kind: 'a' } | { kind: 'b'; n: number }>()
  const never = await idempotency.run('key', async (): Promise<never> => {
    throw new Error('declined')
  })
  same<typeof never, never>()
  const executed = await idempotency.execute('key', async () => receipt)
  same<typeof executed, { readonly response: Receipt; readonly replayed: boolean; readonly attempt: number }>()
}

export async function stepsGiveTheirResult(): Promise<void> {
  const response = await idempotency.run('key', async (operation) => {
    const charge = await operation.step('charge', async () => receipt)
    same<typeof charge, Receipt>()
    // @ts-expect-error A step's result is replayed by the next attempt, so a Date needs a codec there too.
    await operation.step('when', async () => ({ at: new Date() }))
    return { id: charge.chargeId, downstream: operation.keyFor('mail'), attempt: operation.attempt }
  })
  same<typeof response, { id: string; downstream: string; attempt: number }>()
}

class Money {
  constructor(readonly cents: number) {}
  plus(other: Money): Money {
    return new Money(this.cents + other.cents)
  }
}

export function whatNeedsACodec(): void {
  // @ts-expect-error A Date becomes a string.
  idempotency.run('key', async () => new Date())
  // @ts-expect-error A Date within an object too.
  idempotency.run('key', async () => ({ receipt: { at: new Date() } }))
  // @ts-expect-error A Date that may be absent too.
  idempotency.run('key', async (): Promise<{ at?: Date }> => ({}))
  // @ts-expect-error A Date within an array too.
  idempotency.run('key', async () => [new Date()])
  // @ts-expect-error A Map becomes {}.
  idempotency.run('key', async () => new Map([['a', 1]]))
  // @ts-expect-error A Set becomes {}.
  idempotency.run('key', async () => ({ tags: new Set(['a']) }))
  // @ts-expect-error A class loses its methods.
  idempotency.run('key', async () => new Money(1))
  // @ts-expect-error A function is left out.
  idempotency.run('key', async () => ({ total: () => 1 }))
  // @ts-expect-error JSON has no bigint.
  idempotency.run('key', async () => 1n)
  // @ts-expect-error JSON has no symbol.
  idempotency.run('key', async () => Symbol('a'))
  // @ts-expect-error A Buffer replays as a Uint8Array.
  idempotency.run('key', async () => Buffer.from('a'))
  // @ts-expect-error Bytes within JSON become an object of numbers.
  idempotency.run('key', async () => ({ pdf: new Uint8Array(2) }))
  // @ts-expect-error An Error becomes {}.
  idempotency.run('key', async () => new Error('declined'))
  // @ts-expect-error A RegExp becomes {}.
  idempotency.run('key', async () => /a/)
  // @ts-expect-error An ArrayBuffer becomes {}.
  idempotency.run('key', async () => new ArrayBuffer(2))
  // @ts-expect-error A promise within the result is not awaited.
  idempotency.run('key', async () => ({ later: Promise.resolve(1) }))
  // @ts-expect-error What writes its own JSON replays as that.
  idempotency.run('key', async () => ({ toJSON: () => 1 }))
  // @ts-expect-error The same holds without a promise.
  idempotency.run('key', () => new Date())
  // @ts-expect-error And for execute.
  idempotency.execute('key', async () => new Date())
  // @ts-expect-error And for wrap.
  idempotency.wrap(async (id: string) => ({ id, at: new Date() }), { name: 'charge', key: (id) => id })
}
