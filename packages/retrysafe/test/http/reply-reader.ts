/* Reads responses of HTTP/1.1 (RFC 9112) from bytes, as they come. */
import type { Reply, ReplyHead } from 'retrysafe/testkit'

export interface ReplyReader {
  readonly take: (bytes: Buffer) => void
  readonly close: () => void
  /** The next whole response. */
  readonly next: () => Promise<Reply>
  /** The head of the first response. */
  head(): Promise<ReplyHead>
  /** The body so far, of the response that is being read. */
  readonly body: () => Buffer
}

type Framing = { readonly type: 'length'; left: number } | { readonly type: 'chunked' } | { readonly type: 'close' }

type Lines = [string, string][]

export function createReplyReader(method: string): ReplyReader {
  let pending: Buffer = Buffer.alloc(0)
  let head: ReplyHead | undefined
  let informational: { status: number; headers: Lines }[] = []
  let framing: Framing | undefined
  let body: Buffer[] = []
  let closed = false
  const replies: Reply[] = []
  const waiting: ((reply: Reply) => void)[] = []
  let resolveHead: (head: ReplyHead) => void = () => {}
  let rejectHead: (error: Error) => void = () => {}
  const firstHead = new Promise<ReplyHead>((resolve, reject) => {
    resolveHead = resolve
    rejectHead = reject
  })
  firstHead.catch(() => {}) // whoever asked for it is told all the same

  function finish(complete: boolean, trailers: Lines = []): void {
    const nothing: ReplyHead = { status: 0, statusText: '', headers: [], informational }
    const reply: Reply = { ...(head ?? nothing), body: Buffer.concat(body), trailers, complete }
    head = undefined
    framing = undefined
    informational = []
    const next = waiting.shift()
    if (next === undefined) replies.push(reply)
    else next(reply)
  }

  /** False where more bytes are needed. */
  function step(): boolean {
    if (framing === undefined) return readHead()
    if (framing.type === 'chunked') return readChunk()
    const take = framing.type === 'close' ? pending.byteLength : Math.min(framing.left, pending.byteLength)
    if (take > 0) body.push(pending.subarray(0, take))
    pending = pending.subarray(take)
    if (framing.type === 'close') return false
    framing.left -= take
    if (framing.left > 0) return false
    finish(true)
    return true
  }

  function readHead(): boolean {
    const end = pending.indexOf('\r\n\r\n')
    if (end < 0) return false
    const [first = '', ...rest] = pending.subarray(0, end).toString('latin1').split('\r\n')
    pending = pending.subarray(end + 4)
    const [, status = '', statusText = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(first) ?? []
    if (status === '') throw new Error(`This is no status line: ${first}`)
    const headers = rest.map(lineOf)
    if (status.startsWith('1')) {
      informational.push({ status: Number(status), headers })
      return true
    }
    head = { status: Number(status), statusText, headers, informational }
    body = []
    resolveHead(head)
    framing = framingOf(method, head)
    return true
  }

  function readChunk(): boolean {
    const end = pending.indexOf('\r\n')
    if (end < 0) return false
    const size = Number.parseInt(pending.subarray(0, end).toString('latin1'), 16)
    if (size === 0) {
      const [text, rest] = readTrailers(pending.subarray(end + 2))
      if (text === undefined) return false
      pending = rest
      finish(true, text === '' ? [] : text.split('\r\n').map(lineOf))
      return true
    }
    const until = end + 2 + size
    if (pending.byteLength < until + 2) return false
    body.push(pending.subarray(end + 2, until))
    pending = pending.subarray(until + 2)
    return true
  }

  return {
    take(bytes) {
      pending = pending.byteLength === 0 ? bytes : Buffer.concat([pending, bytes])
      while (pending.byteLength > 0 || (framing?.type === 'length' && framing.left === 0)) if (!step()) break
    },
    close() {
      closed = true
      rejectHead(new Error('The connection ended before a head.'))
      if (head !== undefined) finish(framing?.type === 'close')
      while (waiting.length > 0) finish(false)
    },
    next: () =>
      new Promise((resolve) => {
        const reply = replies.shift()
        if (reply !== undefined) return resolve(reply)
        waiting.push(resolve)
        if (closed) finish(false)
      }),
    head: () => firstHead,
    body: () => Buffer.concat(body),
  }
}

function readTrailers(bytes: Buffer): [string | undefined, Buffer] {
  if (bytes.subarray(0, 2).toString('latin1') === '\r\n') return ['', bytes.subarray(2)]
  const end = bytes.indexOf('\r\n\r\n')
  return end < 0 ? [undefined, bytes] : [bytes.subarray(0, end).toString('latin1'), bytes.subarray(end + 4)]
}

function framingOf(method: string, { status, headers }: ReplyHead): Framing {
  if (method === 'HEAD' || status === 204 || status === 304) return { type: 'length', left: 0 }
  const valueOfHeader = (wanted: string): string | undefined =>
    headers.find(([name]) => name.toLowerCase() === wanted)?.[1]
  if (valueOfHeader('transfer-encoding')?.toLowerCase() === 'chunked') return { type: 'chunked' }
  const length = valueOfHeader('content-length')
  return length === undefined ? { type: 'close' } : { type: 'length', left: Number(length) }
}

function lineOf(line: string): [string, string] {
  const at = line.indexOf(':')
  return [line.slice(0, at), line.slice(at + 1).trim()]
}
