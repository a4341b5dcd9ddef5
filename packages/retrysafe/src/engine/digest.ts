/*
 * SHA-256, at once and on every runtime. Web Crypto only digests asynchronously, which would put a turn of the event
 * loop between a request and its claim; Node, Bun, Deno and Workers with Node compatibility have a synchronous one.
 */

const utf8 = new TextEncoder()

interface Hash {
  update(bytes: Uint8Array): unknown
  digest(): Uint8Array
}

/**
 * One digest over all parts. Each part is preceded by its length in bytes (8 bytes, big-endian), so that `'ab', 'c'` and
 * `'a', 'bc'` differ. A string counts as its UTF-8 bytes, so a string and its bytes agree; one with lone surrogates
 * counts by its code units, with the first bit of the length set.
 */
export function sha256(...parts: (string | Uint8Array)[]): Uint8Array {
  const gathered = gather(parts)
  if (gathered !== undefined) return hashBytes(gathered)
  const hash = openHash()
  for (const part of parts) {
    const bytes = typeof part === 'string' ? encode(part) : part
    const head = new Uint8Array(headBytes)
    putHead(head, 0, bytes.length, isOdd(part))
    hash.update(head)
    hash.update(bytes)
  }
  return plain(hash.digest())
}

/** `sha256` of the parts as base64url without padding: 43 characters. */
export function digestText(...parts: (string | Uint8Array)[]): string {
  hashAtOnce ??= findHashAtOnce()
  const gathered = hashAtOnce === 'none' ? undefined : gather(parts)
  if (hashAtOnce !== 'none' && gathered !== undefined) return hashAtOnce('sha256', gathered, 'base64url')
  return base64url(sha256(...parts))
}

/** Bytes as base64url without padding. */
export function base64url(bytes: Uint8Array): string {
  const codes = new Array<number>(Math.ceil((bytes.length * 4) / 3))
  let at = 0
  for (let index = 0; index < bytes.length; index += 3) {
    const bits = ((bytes[index] ?? 0) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    codes[at++] = letter(bits >> 18)
    codes[at++] = letter(bits >> 12)
    if (index + 1 < bytes.length) codes[at++] = letter(bits >> 6)
    if (index + 2 < bytes.length) codes[at++] = letter(bits)
  }
  return String.fromCharCode(...codes)
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function letter(bits: number): number {
  return letters.charCodeAt(bits & 63)
}

/** SHA-256 of exactly these bytes, as the standard has it. */
export function hashBytes(bytes: Uint8Array): Uint8Array {
  const hash = openHash()
  hash.update(bytes)
  return plain(hash.digest())
}

const headBytes = 8
/** Nearly all digests are of less than this; their parts are put together here, and nothing waits in between. */
const scratch = new Uint8Array(4096)

/** The parts one behind the other, each with its head, or undefined where there is no room for them. */
function gather(parts: readonly (string | Uint8Array)[]): Uint8Array | undefined {
  let size = 0
  for (const part of parts) {
    const at = size + headBytes
    // A code unit takes up to three bytes of UTF-8.
    if (at + part.length * (typeof part === 'string' ? 3 : 1) > scratch.length) return undefined
    const length = typeof part === 'string' ? putText(part, at) : part.length
    if (typeof part !== 'string') scratch.set(part, at)
    putHead(scratch, size, length, isOdd(part))
    size = at + length
  }
  return scratch.subarray(0, size)
}

function putText(text: string, at: number): number {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) {
      const bytes = encode(text)
      scratch.set(bytes, at)
      return bytes.length
    }
    scratch[at + index] = unit
  }
  return text.length
}

/** Whether the part is no well-formed Unicode: UTF-8 could not tell two such strings apart. */
function isOdd(part: string | Uint8Array): boolean {
  return typeof part === 'string' && !part.isWellFormed()
}

function encode(text: string): Uint8Array {
  if (text.isWellFormed()) return utf8.encode(text)
  const bytes = new Uint8Array(text.length * 2)
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    bytes[2 * index] = unit >> 8
    bytes[2 * index + 1] = unit & 0xff
  }
  return bytes
}

function putHead(into: Uint8Array, at: number, length: number, odd: boolean): void {
  let rest = length
  for (let index = headBytes - 1; index > 0; index--) {
    into[at + index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  into[at] = odd ? 0x80 : 0
}

/** A Buffer of the runtime's own library is given on as what it is underneath. */
function plain(digest: Uint8Array): Uint8Array {
  return Object.getPrototypeOf(digest) === Uint8Array.prototype ? digest : new Uint8Array(digest)
}

type CreateHash = (algorithm: 'sha256') => Hash

let createHash: CreateHash | undefined

function openHash(): Hash {
  createHash ??= findCreateHash() ?? openOwnHash
  return createHash('sha256')
}

/** Some bundlers put a hollow module in the place of a real one, so what is found is tried first. */
function findCreateHash(): CreateHash | undefined {
  try {
    const found = runtimeCrypto()?.createHash
    return found?.('sha256').digest().length === 32 ? found : undefined
  } catch {
    return undefined
  }
}

type HashAtOnce = (algorithm: 'sha256', bytes: Uint8Array, encoding: 'base64url') => string

let hashAtOnce: HashAtOnce | 'none' | undefined

/** Newer runtimes digest in one call, without an object in between. */
function findHashAtOnce(): HashAtOnce | 'none' {
  try {
    const found = runtimeCrypto()?.hash
    return found?.('sha256', new Uint8Array(), 'base64url').length === 43 ? found : 'none'
  } catch {
    return 'none'
  }
}

/** The runtime's own library, where it has one and will give it without an import. */
function runtimeCrypto(): { createHash?: CreateHash; hash?: HashAtOnce } | undefined {
  const runtime = globalThis as unknown as {
    process?: { getBuiltinModule?: (name: string) => { createHash?: CreateHash; hash?: HashAtOnce } | undefined }
  }
  return runtime.process?.getBuiltinModule?.('crypto')
}

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
// biome-ignore format: a table of eight in a row
const rounds: Uint32Array = Uint32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
)

/** Of the square roots of the first 8 (5.3.3). */
// biome-ignore format: a table of eight in a row
const start: Uint32Array = Uint32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
)

/** SHA-256 of these bytes by our own hand, for runtimes without a synchronous digest. */
export function ownHash(bytes: Uint8Array): Uint8Array {
  const hash = openOwnHash()
  hash.update(bytes)
  return hash.digest()
}

/** An incremental SHA-256 of our own (FIPS 180-4). */
export function openOwnHash(): Hash {
  const state = start.slice()
  const block = new Uint8Array(64)
  let held = 0
  let total = 0

  function update(bytes: Uint8Array): void {
    total += bytes.length
    let at = 0
    if (held > 0) {
      at = Math.min(64 - held, bytes.length)
      block.set(bytes.subarray(0, at), held)
      held += at
      if (held < 64) return
      compress(state, block, 0)
      held = 0
    }
    for (; at + 64 <= bytes.length; at += 64) compress(state, bytes, at)
    block.set(bytes.subarray(at), 0)
    held = bytes.length - at
  }

  function digest(): Uint8Array {
    const bits = total * 8
    const padding = new Uint8Array((held < 56 ? 64 : 128) - held)
    padding[0] = 0x80
    const view = new DataView(padding.buffer)
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32))
    view.setUint32(padding.length - 4, bits >>> 0)
    update(padding)
    const result = new Uint8Array(32)
    const words = new DataView(result.buffer)
    for (let index = 0; index < 8; index++) words.setUint32(index * 4, state[index] ?? 0)
    return result
  }

  return { update, digest }
}

function compress(state: Uint32Array, bytes: Uint8Array, at: number): void {
  expand(bytes, at)
  let a = word(state, 0)
  let b = word(state, 1)
  let c = word(state, 2)
  let d = word(state, 3)
  let e = word(state, 4)
  let f = word(state, 5)
  let g = word(state, 6)
  let h = word(state, 7)
  for (let index = 0; index < 64; index++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const choice = (e & f) ^ (~e & g)
    const first = (h + sum1 + choice + word(rounds, index) + word(schedule, index)) | 0
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const majority = (a & b) ^ (a & c) ^ (b & c)
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + sum0 + majority) | 0
  }
  const added = [a, b, c, d, e, f, g, h]
  for (let index = 0; index < 8; index++) state[index] = word(state, index) + (added[index] ?? 0)
}

/** Of the block that is being compressed. */
const schedule = new Uint32Array(64)

function expand(bytes: Uint8Array, from: number): void {
  for (let index = 0, at = from; index < 16; index++, at += 4)
    schedule[index] =
      (word(bytes, at) << 24) | (word(bytes, at + 1) << 16) | (word(bytes, at + 2) << 8) | word(bytes, at + 3)
  for (let index = 16; index < 64; index++) {
    const early = word(schedule, index - 15)
    const late = word(schedule, index - 2)
    const sigma0 = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3)
    const sigma1 = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10)
    schedule[index] = word(schedule, index - 16) + sigma0 + word(schedule, index - 7) + sigma1
  }
}

/** An element that is there: every index is within bounds, which the compiler cannot know. */
function word(from: Uint32Array | Uint8Array, index: number): number {
  return from[index] as number
}
