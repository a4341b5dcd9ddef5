import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fromBase64, toBase64 } from '../../../src/stores/redis/base64.js'
import { sha1 } from '../../../src/stores/shared/sha1.js'
import { storeCaseSuite } from '../network/store-cases.js'
import { clients, missingFor, openRedis } from './open.js'

for (const client of clients)
  storeCaseSuite(`Redis through ${client.name}`, () => openRedis(client), missingFor(client))

describe('what runtimes lack', () => {
  test('scripts have the names that Redis gives them', () => {
    const texts = Array.from({ length: 200 }, (_, length) => 'ü'.repeat(length % 7) + 'a'.repeat(length))
    for (const text of texts) expect(sha1(text)).toBe(createHash('sha1').update(text).digest('hex'))
  })

  test('base64 is what everybody writes and reads, for bytes of any length', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = randomBytes(length)
      const text = bytes.toString('base64')
      expect(toBase64(bytes)).toBe(text)
      expect(fromBase64(text)).toEqual(new Uint8Array(bytes))
    }
    for (const wrong of ['a', 'ab=', 'ab=c', '====', 'a€==', 'abc\n']) expect(fromBase64(wrong), wrong).toBeNull()
  })
})
