/* A codec makes anything replayable; a Zod 4 schema is one. */
import { type Codec, createIdempotency, type IdempotencyStore, type StoredValue } from 'retrysafe'
import { z } from 'zod'

declare const store: IdempotencyStore
const idempotency = createIdempotency({ store })

const day: Codec<Date> = {
  encode: (date) => date.toISOString(),
  decode: (stored: StoredValue) => new Date(String(stored)),
}

const isoDate = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})
const receiptSchema = z.object({ id: z.string(), at: isoDate, lines: z.array(z.object({ count: z.number() })) })

export async function codecsFit(): Promise<void> {
  const date: Date = await idempotency.run('key', async () => new Date(0), { codec: day })
  const scoped: Date = await idempotency.run('key', () => new Date(0), {
    codec: day,
    scope: 'tenant-7',
    fingerprint: date,
  })
  const receipt = await idempotency.run('key', async () => ({ id: 'r', at: scoped, lines: [{ count: 1 }] }), {
    codec: receiptSchema,
  })
  const at: Date = receipt.at
  const { response } = await idempotency.execute('key', async () => at, { codec: day })
  const year: number = response.getUTCFullYear()
  const charge = idempotency.wrap(async (id: string, cents: number) => new Date(id.length + cents + year), {
    name: 'charge',
    key: (id) => id,
    codec: day,
  })
  const wrapped: Date = await charge('a', 1)
  await idempotency.run('key', async (operation) => {
    const stepped: Date = await operation.step('when', async () => wrapped, { codec: day })
    return stepped.getTime()
  })
}

export function codecsOfAnotherTypeDoNot(): void {
  // @ts-expect-error The work returns no date.
  idempotency.run('key', async () => 'today', { codec: day })
  // @ts-expect-error The work leaves out what the schema asks for.
  idempotency.run('key', async () => ({ id: 'r' }), { codec: receiptSchema })
  // @ts-expect-error A codec reads what it wrote.
  idempotency.run('key', async () => new Date(0), { codec: { encode: (date: Date) => date.toISOString() } })
}
