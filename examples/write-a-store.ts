/* A store of one's own on an engine that can write on a condition. Its test puts it through the store contract. */
import type { AddressInfo } from 'node:net'
import { createIdempotency } from 'retrysafe'
import { kvServer } from './write-a-store/http-kv.js'
import { httpKvStore } from './write-a-store/http-kv-store.js'

const server = kvServer()
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const store = httpKvStore({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
const idempotency = createIdempotency({ store })

const charge = () =>
  idempotency.run('charge-42', () => {
    console.log('charging')
    return { paid: true }
  })
console.log(await charge())
console.log(await charge())
for (const { key, status } of (await store.list()).records) console.log(key, 'is', status)

await store.close()
server.closeAllConnections()
server.close()
