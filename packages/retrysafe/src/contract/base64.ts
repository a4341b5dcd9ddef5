/* Base64 by tables: by way of `btoa` and a string of its bytes, 8 MiB take seconds. */

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const pad = 0x3d
/** Of what is ASCII alone; as Latin-1 it takes runtimes three times as long. */
const ascii = new TextDecoder()
const utf8 = new TextEncoder()

const codes = Uint8Array.from(digits, (digit) => digit.charCodeAt(0))
/** The value of each digit; 64 for what is none. */
const values: Uint8Array = new Uint8Array(256).fill(64)
for (const [value, code] of codes.entries()) values[code] = value

export function toBase64(bytes: Uint8Array): string {
  const { length } = bytes
  const text = new Uint8Array(Math.ceil(length / 3) * 4)
  let end = 0
  for (let at = 0; at < length; at += 3) {
    const bits = (at0(bytes, at) << 16) | (at0(bytes, at + 1) << 8) | at0(bytes, at + 2)
    text[end++] = at0(codes, bits >> 18)
    text[end++] = at0(codes, (bits >> 12) & 63)
    text[end++] = at0(codes, (bits >> 6) & 63)
    text[end++] = at0(codes, bits & 63)
  }
  const padding = text.length === 0 ? 0 : (3 - (length % 3)) % 3
  text.fill(pad, text.length - padding)
  return ascii.decode(text)
}

/** Null where the text is no base64. */
export function fromBase64(base64: string): Uint8Array | null {
  const text = utf8.encode(base64)
  if (text.length % 4 !== 0) return null
  const padding = text.length === 0 ? 0 : Number(text.at(-1) === pad) + Number(text.at(-2) === pad)
  text.fill(codes[0] ?? 0, text.length - padding)
  const bytes = new Uint8Array((text.length / 4) * 3)
  let end = 0
  let wrong = 0
  for (let at = 0; at < text.length; at += 4) {
    const [a, b, c, d] = [value(text, at), value(text, at + 1), value(text, at + 2), value(text, at + 3)]
    wrong |= a | b | c | d
    const bits = (a << 18) | (b << 12) | (c << 6) | d
    bytes[end++] = bits >> 16
    bytes[end++] = bits >> 8
    bytes[end++] = bits
  }
  return wrong > 63 ? null : bytes.subarray(0, bytes.length - padding)
}

function value(text: Uint8Array, index: number): number {
  return at0(values, at0(text, index))
}

function at0(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}
