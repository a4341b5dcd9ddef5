/*
 * SHA-1, by which Redis names a loaded script, and by which prepared statements are named here. Web Crypto has it
 * asynchronously only and some platforms forbid it, and nothing here depends on its strength: nobody else chooses the
 * texts.
 */

const utf8 = new TextEncoder()

/** 40 hexadecimal digits. */
export function sha1(text: string): string {
  const words = pad(utf8.encode(text))
  const hash = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
  for (let at = 0; at < words.length; at += 16) mix(hash, words.subarray(at, at + 16))
  return hash.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

function pad(bytes: Uint8Array): Uint32Array {
  const blocks = Math.ceil((bytes.length + 9) / 64)
  const padded = new Uint8Array(blocks * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 4, bytes.length * 8)
  return Uint32Array.from({ length: blocks * 16 }, (_, index) => view.getUint32(index * 4))
}

function mix(hash: number[], block: Uint32Array): void {
  const words = new Uint32Array(80)
  words.set(block)
  const word = (at: number): number => words[at] ?? 0
  for (let at = 16; at < 80; at++) words[at] = turn(word(at - 3) ^ word(at - 8) ^ word(at - 14) ^ word(at - 16), 1)
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = hash
  for (let at = 0; at < 80; at++) {
    const sum = (turn(a, 5) + choose(at, b, c, d) + e + word(at)) | 0
    ;[a, b, c, d, e] = [sum, a, turn(b, 30), c, d]
  }
  for (const [at, value] of [a, b, c, d, e].entries()) hash[at] = ((hash[at] ?? 0) + value) | 0
}

/** The round's function of three words, with its constant. */
function choose(round: number, b: number, c: number, d: number): number {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
  return (b ^ c ^ d) + 0xca62c1d6
}

function turn(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
