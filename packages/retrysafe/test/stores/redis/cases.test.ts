import { createHash } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { sha1 } from '../../../src/stores/shared/sha1.js'
import { storeCaseSuite } from '../network/store-cases.js'
import { clients, lasting, missingFor, openRedis } from './open.js'

for (const client of clients.map(lasting)) {
  storeCaseSuite(`Redis through ${client.name}`, () => openRedis(client), missingFor(client))
  afterAll(client.end)
}

describe('what runtimes lack', () => {
  test('scripts have the names that Redis gives them', () => {
    const texts = Array.from({ length: 200 }, (_, length) => 'ü'.repeat(length % 7) + 'a'.repeat(length))
    for (const text of texts) expect(sha1(text)).toBe(createHash('sha1').update(text).digest('hex'))
  })
})
