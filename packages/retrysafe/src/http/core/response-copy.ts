import type { HeldBytes } from './held-bytes.js'

/** The bytes of a response, as long as they may be kept. */
export interface ResponseCopy {
  /** Keeps the chunk itself. */
  keep(chunk: Uint8Array): void
  /** Keeps a copy: whoever made the chunk may use its buffer again. */
  keepCopy(chunk: Uint8Array): void
  /** Undefined where there were too many: delivered all the same, and nothing of them is held. */
  bytes(): Uint8Array | undefined
  drop(): void
}

export function createResponseCopy(maxBytes: number, held: HeldBytes): ResponseCopy {
  let chunks: Uint8Array[] | undefined = []
  let bytes = 0
  function drop(): void {
    held.give(bytes)
    bytes = 0
    chunks = undefined
  }
  function add(chunk: Uint8Array, isReused: boolean): void {
    if (chunks === undefined || chunk.byteLength === 0) return
    if (bytes + chunk.byteLength > maxBytes || !held.take(chunk.byteLength)) {
      drop()
      return
    }
    bytes += chunk.byteLength
    chunks.push(isReused ? new Uint8Array(chunk) : chunk)
  }
  return {
    keep: (chunk) => add(chunk, false),
    keepCopy: (chunk) => add(chunk, true),
    bytes: () => (chunks?.length === 1 ? chunks[0] : chunks && joined(chunks)),
    drop,
  }
}

/** One behind the other. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
