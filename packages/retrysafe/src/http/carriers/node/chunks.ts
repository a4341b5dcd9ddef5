/** Is called when a chunk was written. */
export type Written = (error?: Error | null) => void

/** Both, or the one that is there. */
export function joined(first: Buffer | undefined, second: Buffer | undefined): Buffer | undefined {
  return first === undefined || second === undefined ? (first ?? second) : Buffer.concat([first, second])
}

export function bytesOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  if (Buffer.isBuffer(chunk)) return chunk
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  throw new TypeError('A response chunk must be a string, a Buffer or a Uint8Array.')
}

/** The callback, wherever among the arguments of `write` and `end` it stands. */
export function callbackOf(...candidates: unknown[]): Written | undefined {
  return candidates.find((candidate) => typeof candidate === 'function') as Written | undefined
}
