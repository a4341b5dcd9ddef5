import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { fromBase64, toBase64 } from './base64.js'

test('base64 is what everybody writes and reads, for bytes of any length', () => {
  for (let length = 0; length < 200; length++) {
    const bytes = randomBytes(length)
    const text = bytes.toString('base64')
    expect(toBase64(bytes)).toBe(text)
    expect(fromBase64(text)).toEqual(new Uint8Array(bytes))
  }
})

test('text that is no base64 gives nothing', () => {
  for (const wrong of ['a', 'ab=', 'ab=c', '====', 'a€==', 'abc\n']) expect(fromBase64(wrong), wrong).toBeNull()
})
