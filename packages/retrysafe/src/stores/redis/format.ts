/*
 * How a record stands in its string. Four lines, of which a script can tell by a comparison whose claim it is:
 *
 *   1p<token>⇥<fingerprint>⇥<attempt>⇥<createdAt>⇥<leaseMs>⇥<r|u>⇥<checkpointNumber>⇥<withheld>
 *   <expiresAt>⇥<updatedAt>⇥<leaseUntil or completedAt>⇥<retentionMs>
 *   <kind>
 *   <response or checkpoint>
 *
 * `1` is the format's version, `p` is a claim and `c` is completed. Tokens, fingerprints and kinds hold no control
 * characters, so that a tab or a line feed always ends them. An empty field is `undefined`.
 */
import { type Encoded, fromBase64, type Rec, RetrysafeError, toBase64 } from '../../contract/index.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const toUtf8 = new TextEncoder()

/** The beginning of a record that this claim holds. */
export function claimHead(token: string): string {
  return `1p${token}\t`
}

/** The first line of a fresh claim, up to its `createdAt`. */
export function freshHead(token: string, fingerprint: string | undefined): string {
  return `1p${token}\t${fingerprint ?? ''}\t1\t`
}

/** The lines of a completed record from its kind on. */
export function completedTail(kind: string, response: Encoded): string {
  return `${kind}\n${writeBody(response)}`
}

export function writeRecord(record: Rec): string {
  const completed = record.status === 'completed'
  const crash = record.afterCrash === 'uncertain' ? 'u' : 'r'
  const head = [
    `1${completed ? 'c' : 'p'}${record.token ?? ''}`,
    record.fingerprint ?? '',
    record.attempt,
    record.createdAt,
    record.leaseMs,
    crash,
    record.checkpointNumber,
    record.withheld ? 1 : 0,
  ]
  const until = completed ? record.completedAt : record.leaseUntil
  const times = [record.expiresAt ?? '', record.updatedAt, until ?? '', record.retentionMs]
  const body = writeBody(completed ? record.response : record.checkpoint)
  return `${head.join('\t')}\n${times.join('\t')}\n${record.kind ?? ''}\n${body}`
}

/** @throws `unsupported` for a later version's record, `store_corrupt` for what is no record. */
export function readRecord(text: string, where: string, key: string): Rec {
  const one = text.indexOf('\n')
  const two = text.indexOf('\n', one + 1)
  const three = text.indexOf('\n', two + 1)
  const head = one > 0 ? text.slice(2, one).split('\t') : []
  const times = two > 0 ? text.slice(one + 1, two).split('\t') : []
  const record = text[0] === '1' && three > 0 && assemble(text[1], head, times)
  if (!record) throw unreadable(text, where, key)
  const body = readBody(text, three + 1)
  if (body === null) throw unreadable(text, where, key)
  if (record.status === 'in_progress') record.checkpoint = body
  else {
    record.response = body
    record.kind = text.slice(two + 1, three)
  }
  return record
}

function assemble(letter: string | undefined, head: readonly string[], times: readonly string[]): Rec | undefined {
  const [token, fingerprint, attempt, createdAt, leaseMs, crash, checkpointNumber, withheld] = head
  const [expiresAt, updatedAt, until, retentionMs] = times
  if ((letter !== 'p' && letter !== 'c') || head.length !== 8 || times.length !== 4) return undefined
  const completed = letter === 'c'
  const record: Rec = {
    status: completed ? 'completed' : 'in_progress',
    attempt: toNumber(attempt),
    token: token || undefined,
    fingerprint: fingerprint || undefined,
    leaseMs: toNumber(leaseMs),
    retentionMs: toNumber(retentionMs),
    leaseUntil: completed ? undefined : toOptional(until),
    expiresAt: toOptional(expiresAt),
    afterCrash: crash === 'u' ? 'uncertain' : 'rerun',
    createdAt: toNumber(createdAt),
    updatedAt: toNumber(updatedAt),
    completedAt: completed ? toNumber(until) : undefined,
    kind: undefined,
    response: undefined,
    checkpoint: undefined,
    checkpointNumber: toNumber(checkpointNumber),
    withheld: withheld === '1',
  }
  const numbers = [record.attempt, record.leaseMs, record.retentionMs, record.leaseUntil ?? 0, record.expiresAt ?? 0]
  numbers.push(record.createdAt, record.updatedAt, record.completedAt ?? 0, record.checkpointNumber)
  return numbers.every(Number.isSafeInteger) ? record : undefined
}

function toNumber(text: string | undefined): number {
  return text === undefined || text === '' ? Number.NaN : Number(text)
}

function toOptional(text: string | undefined): number | undefined {
  return text === '' ? undefined : toNumber(text)
}

/**
 * Clients hand replies over as text, so bytes are kept as text: as they are where they are UTF-8, as those of text
 * formats are, and otherwise as base64, which takes a third more.
 */
export function writeBody(value: Encoded | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return `j${value}`
  try {
    return `u${utf8.decode(value)}`
  } catch {
    return `b${toBase64(value)}`
  }
}

/** Null where it is none of ours. */
function readBody(text: string, from: number): Encoded | undefined | null {
  if (from === text.length) return undefined
  const body = text.slice(from + 1)
  if (text[from] === 'j') return body
  if (text[from] === 'u') return toUtf8.encode(body)
  return text[from] === 'b' ? fromBase64(body) : null
}

function unreadable(text: string, where: string, key: string): RetrysafeError {
  const version = /^(\d+)[a-z]/.exec(text)?.[1]
  if (version !== undefined && Number(version) > 1)
    return new RetrysafeError(
      'unsupported',
      `${where}: the key's record has format ${version}, of a later Retrysafe. Use that version. Nothing was changed.`,
      { key },
    )
  return new RetrysafeError(
    'store_corrupt',
    `${where}: what stands under the key is no record of Retrysafe. Give the store a prefix of its own, or delete the ` +
      'key by hand. Nothing was changed.',
    { key },
  )
}
