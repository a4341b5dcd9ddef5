import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

interface Kept {
  readonly token: string
  readonly fingerprint: string
  readonly leaseUntil: number
  status: number
  body: Buffer | undefined
}

/**
 * The least that can deduplicate at all, by hand for this one handler: the raw body's digest, a token, a record in a Map
 * and a copy of the response. It looks at no lease, compares nothing, captures nothing that a handler would write in
 * another way, and knows no scope. What it costs, any adapter costs; the rest is what one pays for safety.
 */
export function leastPossible(
  charge: (order: { amount: number }) => object,
  maxEntries: number,
): (request: IncomingMessage, response: ServerResponse) => void {
  const records = new Map<string, Kept>()

  function send(response: ServerResponse, status: number, body: Buffer): void {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.byteLength })
    response.end(body)
  }

  async function answer(request: IncomingMessage, response: ServerResponse, bytes: Buffer): Promise<void> {
    const key = String(request.headers['idempotency-key'])
    const fingerprint = createHash('sha256')
      .update(`${request.method} ${request.url} `)
      .update(bytes)
      .digest('base64url')
    const known = records.get(key)
    if (known?.body !== undefined) return send(response, known.status, known.body)
    const kept: Kept = { token: randomUUID(), fingerprint, leaseUntil: Date.now() + 30_000, status: 0, body: undefined }
    records.set(key, kept)
    await undefined // the store's answer
    const body = JSON.stringify(charge(JSON.parse(bytes.toString())))
    kept.status = 201
    kept.body = Buffer.from(body)
    await undefined // the store's acknowledgement
    const [oldest] = records.keys()
    if (records.size > maxEntries && oldest !== undefined) records.delete(oldest)
    send(response, kept.status, kept.body)
  }

  return (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => void answer(request, response, Buffer.concat(chunks)))
  }
}
