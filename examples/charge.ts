/* A charge that is retried: it runs once, and an order that was changed under the same key is refused. */
import { createIdempotency, isRetrysafeError } from 'retrysafe'
import { sqliteStore } from 'retrysafe/sqlite'

const store = sqliteStore({ path: 'keys.db' })
const idempotency = createIdempotency({ store })
let charges = 0

async function charge(order: { amount: number }): Promise<{ id: string; amount: number }> {
  charges += 1
  return { id: `ch_${charges}`, amount: order.amount }
}

for (const order of [{ amount: 4200 }, { amount: 4200 }, { amount: 9900 }]) {
  try {
    const { response, replayed } = await idempotency.execute('charge-42', () => charge(order), {
      scope: 'tenant-7',
      fingerprint: order,
    })
    console.log(replayed ? 'replayed' : 'ran', JSON.stringify(response))
  } catch (error) {
    if (!isRetrysafeError(error)) throw error
    console.log('refused', error.code)
  }
}
console.log('charges made:', charges)
await store.close()
