/* A record as one value of bytes, for engines that know keys and values and nothing of what is in them. */
import { type Encoded, type Rec, RetrysafeError } from '../../contract/index.js'

/**
 * The bytes `rs`, one byte with the format's version, four with the length of the head (big-endian), the head as JSON,
 * and then the checkpoint and the response as they are, so that bytes stay bytes. Earlier formats are read for ever.
 */
export const packedFormat = 1
const mark: readonly number[] = [0x72, 0x73]
const prefixBytes = 7

/** The most bytes of a packed record besides its response or checkpoint. */
export const maxHeadBytes = 4096

/** Member names are those of the columns that the stores on databases have. */
interface Head {
  readonly status: Rec['status']
  readonly attempt: number
  readonly token?: string
  readonly fingerprint?: string
  readonly lease_ms: number
  readonly retention_ms: number
  readonly lease_until?: number
  readonly expires_at?: number
  readonly after_crash: Rec['afterCrash']
  readonly created_at: number
  readonly updated_at: number
  readonly completed_at?: number
  readonly kind?: string
  readonly checkpoint_number: number
  readonly withheld: boolean
  readonly checkpoint?: Part
  readonly response?: Part
}

interface Part {
  readonly as: 'json' | 'bytes'
  readonly length: number
}

const utf8 = new TextEncoder()
/** A byte order mark at the start of a text is a part of the text. */
const fromUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function packRecord(record: Rec): Uint8Array {
  const [checkpoint, response] = [toPart(record.checkpoint), toPart(record.response)]
  const head = utf8.encode(JSON.stringify(toHead(record, checkpoint, response)))
  const start = prefixBytes + head.byteLength
  const packed = new Uint8Array(start + (checkpoint?.bytes.byteLength ?? 0) + (response?.bytes.byteLength ?? 0))
  packed.set([...mark, packedFormat])
  new DataView(packed.buffer).setUint32(3, head.byteLength)
  packed.set(head, prefixBytes)
  if (checkpoint !== undefined) packed.set(checkpoint.bytes, start)
  if (response !== undefined) packed.set(response.bytes, start + (checkpoint?.bytes.byteLength ?? 0))
  return packed
}

/** @throws `unsupported` for a later format, `store_corrupt` for what is no record. */
export function unpackRecord(key: string, packed: Uint8Array): Rec {
  if (packed.byteLength < prefixBytes || packed[0] !== mark[0] || packed[1] !== mark[1]) throw corrupt(key)
  const format = packed[2] ?? 0
  if (format > packedFormat)
    throw new RetrysafeError(
      'unsupported',
      `The key's record was written by a later Retrysafe (format ${format}, this one knows ${packedFormat}): use that ` +
        'one. The record is left as it is.',
      { key },
    )
  const start = prefixBytes + new DataView(packed.buffer, packed.byteOffset).getUint32(3)
  try {
    const head = JSON.parse(fromUtf8.decode(packed.subarray(prefixBytes, start))) as unknown
    if (format !== packedFormat || start > packed.byteLength || !isHead(head)) throw corrupt(key)
    const middle = start + (head.checkpoint?.length ?? 0)
    if (middle + (head.response?.length ?? 0) !== packed.byteLength) throw corrupt(key)
    return toRec(
      head,
      fromPart(head.checkpoint, packed.subarray(start, middle)),
      fromPart(head.response, packed.subarray(middle)),
    )
  } catch (error) {
    throw error instanceof RetrysafeError ? error : corrupt(key, error)
  }
}

type Packed = Part & { readonly bytes: Uint8Array }

function toPart(value: Encoded | undefined): Packed | undefined {
  if (value === undefined) return undefined
  const bytes = typeof value === 'string' ? utf8.encode(value) : value
  return { as: typeof value === 'string' ? 'json' : 'bytes', length: bytes.byteLength, bytes }
}

function fromPart(part: Part | undefined, bytes: Uint8Array): Encoded | undefined {
  if (part === undefined) return undefined
  // A copy, and no Buffer: the engine may use its memory again.
  return part.as === 'json' ? fromUtf8.decode(bytes) : new Uint8Array(bytes)
}

/** Members that are undefined are left out by JSON. */
function toHead(record: Rec, checkpoint: Packed | undefined, response: Packed | undefined): object {
  return {
    status: record.status,
    attempt: record.attempt,
    token: record.token,
    fingerprint: record.fingerprint,
    lease_ms: record.leaseMs,
    retention_ms: record.retentionMs,
    lease_until: record.leaseUntil,
    expires_at: record.expiresAt,
    after_crash: record.afterCrash,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
    completed_at: record.completedAt,
    kind: record.kind,
    checkpoint_number: record.checkpointNumber,
    withheld: record.withheld,
    checkpoint: checkpoint && { as: checkpoint.as, length: checkpoint.length },
    response: response && { as: response.as, length: response.length },
  }
}

function toRec(head: Head, checkpoint: Encoded | undefined, response: Encoded | undefined): Rec {
  return {
    status: head.status,
    attempt: head.attempt,
    token: head.token,
    fingerprint: head.fingerprint,
    leaseMs: head.lease_ms,
    retentionMs: head.retention_ms,
    leaseUntil: head.lease_until,
    expiresAt: head.expires_at,
    afterCrash: head.after_crash,
    createdAt: head.created_at,
    updatedAt: head.updated_at,
    completedAt: head.completed_at,
    kind: head.kind,
    response,
    checkpoint,
    checkpointNumber: head.checkpoint_number,
    withheld: head.withheld,
  }
}

const integers: readonly string[] = [
  'attempt',
  'lease_ms',
  'retention_ms',
  'created_at',
  'updated_at',
  'checkpoint_number',
]
const maybeIntegers: readonly string[] = ['lease_until', 'expires_at', 'completed_at']
const maybeTexts: readonly string[] = ['token', 'fingerprint', 'kind']

function isHead(value: unknown): value is Head {
  if (typeof value !== 'object' || value === null) return false
  const head = value as Record<string, unknown>
  return (
    (head.status === 'in_progress' || head.status === 'completed') &&
    (head.after_crash === 'rerun' || head.after_crash === 'uncertain') &&
    typeof head.withheld === 'boolean' &&
    integers.every((name) => Number.isSafeInteger(head[name])) &&
    maybeIntegers.every((name) => head[name] === undefined || Number.isSafeInteger(head[name])) &&
    maybeTexts.every((name) => head[name] === undefined || typeof head[name] === 'string') &&
    isPart(head.checkpoint) &&
    isPart(head.response)
  )
}

function isPart(value: unknown): boolean {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null) return false
  const { as, length } = value as Record<string, unknown>
  return (as === 'json' || as === 'bytes') && Number.isSafeInteger(length) && (length as number) >= 0
}

function corrupt(key: string, cause?: unknown): RetrysafeError {
  return new RetrysafeError(
    'store_corrupt',
    'What the key holds is no record of Retrysafe, or is damaged. It is left as it is: look who else writes to this ' +
      'place. Once it is removed, the key can run again.',
    { key, cause },
  )
}
