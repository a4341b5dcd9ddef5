/* A server of Node's own that is safe to retry by one line, and three requests to it. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { memoryStore } from 'retrysafe/memory'
import { idempotent } from 'retrysafe/node'

const once = idempotent({
  store: memoryStore(),
  scope: (request) => String(request.headers['x-tenant']), // from what authentication found
})

let charges = 0
const server = createServer(
  once((_request, response) => {
    charges += 1
    response.writeHead(201, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ id: `ch_${charges}` }))
  }),
)
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo
  for (const amount of [4200, 4200, 9900]) {
    const response = await fetch(`http://127.0.0.1:${port}/charges`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'charge-42', 'X-Tenant': 'tenant-7' },
      body: JSON.stringify({ amount }),
    })
    const body = (await response.json()) as { id?: string; code?: string }
    console.log(response.status, response.headers.get('idempotent-replayed') ?? '-', body.id ?? body.code)
  }
  server.close()
  server.closeAllConnections()
})
