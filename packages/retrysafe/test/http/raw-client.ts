/* A client that shows what came over the wire, byte by byte, and can be as slow, rude and early gone as real ones. */
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'
import type { ClientRequest, Exchange, RawConnection, Reply, ReplyHead } from 'retrysafe/testkit'
import { createReplyReader, type ReplyReader } from './reply-reader.js'

/** One request over HTTP/1.1 on a connection of its own, which the client ends when it has the whole response. */
export function exchangeHttp1(port: number, request: ClientRequest): Exchange {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  const reader = read(socket, request.method)
  const reply = reader.next()
  void reply.then(() => socket.destroy())
  socket.write(bytesOfRequest(port, request))
  const head = reader.head()
  return {
    head,
    reply,
    body: reader.body,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.destroy(),
  }
}

/** A connection on which the caller writes what it likes. */
export function connectRaw(port: number): RawConnection {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  const reader = read(socket, 'POST')
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return {
    send: (bytes) => void socket.write(bytes),
    next: reader.next,
    ended,
    leave: () => socket.destroy(),
  }
}

function read(socket: Socket, method: string): ReplyReader {
  const reader = createReplyReader(method)
  socket.on('data', reader.take)
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
  socket.on('close', reader.close)
  return reader
}

export function bytesOfRequest(port: number, request: ClientRequest): Buffer {
  const { method, target, headers, body, declaredLength, unfinished = false } = request
  const lines = [`${method} ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`]
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  const isChunked = Array.isArray(body)
  if (isChunked) lines.push('Transfer-Encoding: chunked')
  else if (body !== undefined || declaredLength !== undefined)
    lines.push(`Content-Length: ${declaredLength ?? (body as Uint8Array).byteLength}`)
  const parts: Uint8Array[] = [Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')]
  if (isChunked) {
    for (const chunk of body as readonly Uint8Array[])
      parts.push(Buffer.from(`${chunk.byteLength.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
    if (!unfinished) parts.push(Buffer.from('0\r\n\r\n'))
  } else if (body !== undefined) parts.push(body as Uint8Array)
  return Buffer.concat(parts)
}

/** One request over HTTP/2 in clear text, on a session of its own. */
export function exchangeHttp2(port: number, request: ClientRequest): Exchange {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const fields: Record<string, string | string[]> = { ':method': request.method, ':path': request.target }
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase()
    fields[lower] = lower in fields ? [fields[lower] ?? [], value].flat() : value
  }
  const { body, declaredLength, unfinished = false } = request
  const chunks = body === undefined ? [] : Array.isArray(body) ? body : [body]
  if (declaredLength !== undefined) fields['content-length'] = String(declaredLength)
  else if (body !== undefined && !Array.isArray(body))
    fields['content-length'] = String((body as Uint8Array).byteLength)
  const stream = session.request(fields, { endStream: body === undefined && !unfinished })
  for (const chunk of chunks as Uint8Array[]) stream.write(chunk)
  if (!unfinished && body !== undefined) stream.end()

  const informational: ReplyHead['informational'][number][] = []
  const received: Buffer[] = []
  let seen: ReplyHead | undefined
  let trailers: ReplyHead['headers'] = []
  stream.on('error', () => {})
  stream.on('headers', (headers) =>
    informational.push({ status: Number(headers[':status']), headers: linesOf(headers) }),
  )
  const head = new Promise<ReplyHead>((resolve, reject) => {
    stream.on('response', (headers) => {
      seen = { status: Number(headers[':status']), statusText: '', headers: linesOf(headers), informational }
      resolve(seen)
    })
    stream.on('close', () => reject(new Error('The stream ended before a head.')))
  })
  head.catch(() => {})
  stream.on('trailers', (headers) => {
    trailers = linesOf(headers)
  })
  stream.on('data', (chunk: Buffer) => received.push(chunk))
  const reply = new Promise<Reply>((resolve) => {
    // A stream whose upload is stuck never closes, so the end of the response is enough.
    let ended = false
    const finish = (): void => {
      const complete = ended && seen !== undefined && stream.rstCode === constants.NGHTTP2_NO_ERROR
      session.destroy()
      const nothing: ReplyHead = { status: 0, statusText: '', headers: [], informational }
      resolve({ ...(seen ?? nothing), body: Buffer.concat(received), trailers, complete })
    }
    stream.on('end', () => {
      ended = true
      setImmediate(finish)
    })
    stream.on('close', finish)
  })
  return {
    head,
    reply,
    body: () => Buffer.concat(received),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    leave: () => session.destroy(),
  }
}

function linesOf(headers: IncomingHttpHeaders): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (name.startsWith(':') || value === undefined) return []
    return (Array.isArray(value) ? value : [value]).map((line): [string, string] => [name, line])
  })
}
