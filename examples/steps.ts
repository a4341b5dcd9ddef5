/* An order in steps that crashes after its charge: the next attempt resumes behind it, and charges nobody twice. */
import { createIdempotency } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'

const idempotency = createIdempotency({ store: memoryStore() })
let crashes = 1

const placeOrder = () =>
  idempotency.run('order-7', async ({ attempt, step, keyFor }) => {
    console.log('attempt', attempt)
    const charge = await step('charge', async () => {
      console.log('  charging; the provider is given a key of', keyFor('charge').length, 'characters')
      return { id: 'ch_1' }
    })
    if (crashes-- > 0) throw new Error('the power went out')
    await step('receipt', async () => console.log('  sending the receipt for', charge.id))
    return { charge: charge.id }
  })

await placeOrder().catch((error: Error) => console.log('  failed:', error.message))
console.log(JSON.stringify(await placeOrder()))
console.log(JSON.stringify(await placeOrder()))
