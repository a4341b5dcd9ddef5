import type { HeldBytes } from '../core/held-bytes.js'

/** Is called when a chunk was written. */
export type Written = (error?: Error | null) => void

/** The bytes of a response, as long as they may be kept. */
export interface Copy {
  keep(chunk: Buffer): void
  /** Undefined where there were too many: delivered all the same, and nothing of them is held. */
  bytes(): Buffer | undefined
  drop(): void
}

export function createCopy(maxBytes: number, held: HeldBytes): Copy {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  function drop(): void {
    held.give(bytes)
    bytes = 0
    chunks = undefined
  }
  return {
    keep(chunk) {
      if (chunks === undefined || chunk.byteLength === 0) return
      if (bytes + chunk.byteLength > maxBytes || !held.take(chunk.byteLength)) return drop()
      bytes += chunk.byteLength
      chunks.push(chunk)
    },
    bytes: () => (chunks?.length === 1 ? chunks[0] : chunks && Buffer.concat(chunks)),
    drop,
  }
}

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
