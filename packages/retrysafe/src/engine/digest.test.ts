import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { base64url, digestText, hashBytes, openOwnHash, ownHash, sha256 } from './digest.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const oracle = (...pieces: Uint8Array[]): string => {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** The bytes that stand for the parts, as the documentation says. */
function framed(...parts: Uint8Array[]): Uint8Array[] {
  return parts.flatMap((part) => {
    const head = Buffer.alloc(8)
    head.writeBigUInt64BE(BigInt(part.length))
    return [new Uint8Array(head), part]
  })
}

/** FIPS 180-4 examples and the vectors of NIST's Cryptographic Algorithm Validation Program. */
const vectors: readonly [name: string, message: Uint8Array, digest: string][] = [
  ['nothing', bytesOf(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['one byte', Uint8Array.of(0xd3), '28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1'],
  ['abc', bytesOf('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    '448 bits',
    bytesOf('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'),
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    '896 bits',
    bytesOf(
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    ),
    'cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1',
  ],
  ['a million a', bytesOf('a'.repeat(1e6)), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
]

for (const [name, message, digest] of vectors)
  test(`the published digest of ${name} comes out, by our own hand and by the runtime's`, () => {
    expect(hex(ownHash(message))).toBe(digest)
    expect(hex(hashBytes(message))).toBe(digest)
  })

test('our own hand agrees with the runtime on every length around the block size', () => {
  for (let length = 0; length <= 260; length++) {
    const message = Uint8Array.from({ length }, (_, index) => index * 7)
    expect(hex(ownHash(message))).toBe(oracle(message))
  }
})

test('our own hand agrees with the runtime, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (pieces) => {
      const hash = openOwnHash()
      for (const piece of pieces) hash.update(piece)
      expect(hex(hash.digest())).toBe(oracle(...pieces))
    }),
  )
})

test('each part counts under its length, so what is cut elsewhere has another digest', () => {
  expect(hex(sha256('ab', 'c'))).toBe(oracle(...framed(bytesOf('ab'), bytesOf('c'))))
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 })), fc.array(fc.string({ maxLength: 3 })), (one, other) => {
      const areSame = JSON.stringify(one) === JSON.stringify(other)
      expect(digestText(...one) === digestText(...other)).toBe(areSame)
    }),
  )
})

test('the digest does not depend on how large the parts are together', () => {
  for (const length of [0, 1, 1355, 1360, 1365, 4080, 4088, 4096, 5000, 100_000]) {
    const part = Uint8Array.from({ length }, (_, index) => index)
    expect(hex(sha256('é', part, ''))).toBe(oracle(...framed(bytesOf('é'), part, new Uint8Array())))
    const text = 'é'.repeat(length)
    expect(hex(sha256(text))).toBe(oracle(...framed(bytesOf(text))))
  }
})

test('a text and its UTF-8 bytes are one part', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(digestText('x', text)).toBe(digestText('x', bytesOf(text)))
    }),
  )
})

test('texts with different lone surrogates are different, though UTF-8 spells both as U+FFFD', () => {
  const odd = ['\ud800', '\ud801', '\udc00', '\ufffd', 'a\ud800', '\ud800'.repeat(3000), '\ud801'.repeat(3000)]
  expect(new Set(odd.map((text) => digestText(text))).size).toBe(odd.length)
  expect(digestText('\ud800')).not.toBe(digestText(Uint8Array.of(0xd8, 0)))
})

test('digests are told in base64url without padding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
    }),
  )
  expect(digestText('a')).toMatch(/^[\w-]{43}$/)
})

test('a digest is a plain Uint8Array of its own', () => {
  expect(Object.getPrototypeOf(sha256('a'))).toBe(Uint8Array.prototype)
  expect(sha256('a')).not.toBe(sha256('a'))
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

const runtimes: readonly [name: string, runtime: object | undefined][] = [
  ['without process', undefined],
  ['without getBuiltinModule', {}],
  ['whose bundler put nothing in the place of crypto', { getBuiltinModule: () => undefined }],
  ['whose bundler put something hollow there', { getBuiltinModule: () => ({ createHash: () => ({}) }) }],
]

for (const [name, runtime] of runtimes)
  test(`a runtime ${name} comes to the same digests`, async () => {
    const large = new Uint8Array(10_000)
    const expected = [digestText('a', 'b'), digestText(large), digestText('\ud800')]
    vi.resetModules()
    const real = process
    vi.stubGlobal('process', runtime)
    try {
      const other = await import('./digest.js')
      expect([other.digestText('a', 'b'), other.digestText(large), other.digestText('\ud800')]).toEqual(expected)
    } finally {
      vi.stubGlobal('process', real)
    }
  })
