import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { systemClock } from 'retrysafe'

interface Charge {
  readonly id: string
  readonly amount: number
  readonly currency: string
  readonly status: 'succeeded'
}

/** Longest body of a charge. */
const maxBodyBytes = 64 * 1024
/** How long the card network is pretended to take. */
const workMs = 300

/**
 * A payments API that knows nothing of idempotency: every POST /charges that reaches it charges. GET /charges lists
 * what it did.
 */
export function paymentsApi(): Server {
  const charges: Charge[] = []
  return createServer((req, res) => {
    const path = (req.url ?? '/').split('?')[0]
    if (path !== '/charges') answer(res, 404, { error: 'There is only /charges.' })
    else if (req.method === 'GET') answer(res, 200, { charges })
    else if (req.method === 'POST') void charge(charges, req, res)
    else answer(res, 405, { error: 'GET or POST.' })
  })
}

async function charge(charges: Charge[], req: IncomingMessage, res: ServerResponse): Promise<void> {
  const order = await readOrder(req)
  if (order === undefined) {
    answer(res, 400, { error: 'Send {"amount": 4200}: a whole number of cents.' })
    return
  }
  await systemClock.sleep(workMs)
  const made: Charge = { id: `ch_${charges.length + 1}`, ...order, status: 'succeeded' }
  charges.push(made)
  answer(res, 201, made)
}

async function readOrder(req: IncomingMessage): Promise<{ amount: number; currency: string } | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength
      if (bytes > maxBodyBytes) return undefined
      chunks.push(chunk)
    }
    const order = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { amount?: unknown; currency?: unknown } | null
    const { amount, currency = 'EUR' } = order ?? {}
    if (!Number.isSafeInteger(amount) || Number(amount) <= 0 || typeof currency !== 'string') return undefined
    return { amount: Number(amount), currency }
  } catch {
    return undefined
  }
}

function answer(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(`${JSON.stringify(body)}\n`)
}
