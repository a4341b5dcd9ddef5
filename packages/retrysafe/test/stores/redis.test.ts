import { storeCaseSuite } from './network/store-cases.js'
import { clients, missingFor, openRedis } from './redis-open.js'

for (const client of clients)
  storeCaseSuite(`Redis through ${client.name}`, () => openRedis(client), missingFor(client))
