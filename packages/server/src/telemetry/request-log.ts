import type { IncomingMessage, ServerResponse } from 'node:http'

/** What became of one request with a key. Never its payload, its credentials, or what was answered. */
export interface RequestLine {
  /** `left`: the client did not wait for an answer. Where its work runs all the same, that is one more line. */
  readonly outcome: 'ran' | 'replayed' | 'refused' | 'left'
  readonly method: string
  /** Without its query, which may hold secrets. */
  readonly path: string
  /** Of what was answered. */
  readonly status?: number
  /** The idempotency key as the client sent it, cut to what a key may be. */
  readonly key: string
  readonly attempt?: number
  /** Of a refusal. */
  readonly code?: string
  readonly durationMs: number
}

export interface RequestWatch {
  /** The request's own work runs, under this attempt. */
  ran(attempt: number): void
}

/** Watches the response of a request with a key and tells its line once, when it is over. */
export function watchRequest(
  req: IncomingMessage,
  res: ServerResponse,
  monotonic: () => number,
  tell: (line: RequestLine) => void,
): RequestWatch {
  const startedAt = monotonic()
  const path = (req.url ?? '/').split('?')[0] ?? '/'
  let attempt: number | undefined
  let told = false
  const refusal = watchRefusal(res)
  const over = (): void => {
    if (told) return
    told = true
    const outcome = outcomeOf(res, attempt)
    const code = outcome === 'refused' ? refusal.code() : undefined
    tell({
      outcome,
      method: req.method ?? '',
      path,
      ...(outcome === 'left' ? {} : { status: res.statusCode }),
      key: (req.headers['idempotency-key'] ?? '').toString().slice(0, 257),
      ...(attempt === undefined ? {} : { attempt }),
      ...(code === undefined ? {} : { code }),
      durationMs: Math.round(monotonic() - startedAt),
    })
  }
  res.on('finish', over)
  res.on('close', over)
  return {
    ran: (number) => {
      attempt = number
      told = false
    },
  }
}

function outcomeOf(res: ServerResponse, attempt: number | undefined): RequestLine['outcome'] {
  if (attempt !== undefined) return 'ran'
  if (!res.headersSent) return 'left'
  return res.hasHeader('idempotent-replayed') ? 'replayed' : 'refused'
}

/**
 * A refusal is one small problem document of our own, sent at once: its code is read on its way out. The response of
 * work that runs never passes here, for the adapter puts its own `end` in the place of this one.
 */
function watchRefusal(res: ServerResponse): { code(): string | undefined } {
  let code: string | undefined
  res.end = ((...args: unknown[]) => {
    Reflect.deleteProperty(res, 'end')
    if (String(res.getHeader('content-type')).startsWith('application/problem+json')) code = codeOf(args[0])
    return (res.end as (...rest: unknown[]) => ServerResponse)(...args)
  }) as ServerResponse['end']
  return { code: () => code }
}

function codeOf(body: unknown): string | undefined {
  try {
    const parsed = JSON.parse(String(body)) as { code?: unknown }
    return typeof parsed.code === 'string' ? parsed.code : undefined
  } catch {
    return undefined
  }
}
