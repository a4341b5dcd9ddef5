/** Header lines as HTTP/1.1 carries them: name, value, name, value. Order, duplicates and case are kept. */
export type RawHeaders = readonly string[]

/** Fields that speak to the next hop only (RFC 9110, 7.6.1), and those that only old proxies know. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** A client that nominates these in `Connection` would have us forward another request than the one it sent. */
const neverNominated: ReadonlySet<string> = new Set(['content-length', 'host', 'idempotency-key'])

/** What this hop writes itself, `Via` and `X-Forwarded-For` after what came in them, or answers itself: `Expect`. */
const ours: ReadonlySet<string> = new Set(['host', 'expect', 'via', 'x-forwarded-for'])
/** What a client could forge: how it reached us, and by which host. */
const oursUnlessTrusted: ReadonlySet<string> = new Set(['forwarded', 'x-forwarded-proto', 'x-forwarded-host'])

export interface RequestFacts {
  /** The client's `Host`, absent in HTTP/1.0. */
  readonly host: string | undefined
  /** The `Host` for the upstream. */
  readonly upstreamHost: string
  readonly httpVersion: string
  readonly remoteAddress: string | undefined
  readonly encrypted: boolean
  /** A gateway in front of us sets `Forwarded` or `X-Forwarded-Proto` and `-Host`: keep those that are there. */
  readonly trustForwarded: boolean
}

/** The header lines for the upstream. */
export function requestHeaders(raw: RawHeaders, facts: RequestFacts): string[] {
  const nominated = nominatedBy(raw)
  const forwarded: string[] = []
  const vias: string[] = []
  const addresses: string[] = []
  const kept = new Set<string>()
  for (const [name, value] of lines(raw)) {
    const lower = name.toLowerCase()
    if (lower === 'via') vias.push(value)
    if (lower === 'x-forwarded-for') addresses.push(value)
    if (hopByHop.has(lower) || nominated.has(lower) || ours.has(lower)) continue
    if (oursUnlessTrusted.has(lower)) {
      if (!facts.trustForwarded) continue
      kept.add(lower)
    }
    forwarded.push(name, value)
  }
  if (facts.remoteAddress !== undefined) addresses.push(facts.remoteAddress)
  if (addresses.length > 0) forwarded.push('X-Forwarded-For', addresses.join(', '))
  if (!kept.has('x-forwarded-proto')) forwarded.push('X-Forwarded-Proto', facts.encrypted ? 'https' : 'http')
  if (!kept.has('x-forwarded-host') && facts.host !== undefined) forwarded.push('X-Forwarded-Host', facts.host)
  // Response trailers are forwarded, so a client that wants them may have them.
  if (mentionsTrailers(raw)) forwarded.push('TE', 'trailers')
  // RFC 9110, 7.6.3: a gateway adds itself to every request that it forwards.
  forwarded.push('Via', [...vias, `${facts.httpVersion} retrysafe`].join(', '))
  return ['Host', facts.upstreamHost, ...forwarded]
}

export interface ResponseFacts {
  /** Whether trailers can follow: the message is chunked, to a client of HTTP/1.1. */
  readonly trailers: boolean
}

/** The header lines for the client. */
export function responseHeaders(raw: RawHeaders, facts: ResponseFacts): string[] {
  const nominated = nominatedBy(raw)
  const forwarded: string[] = []
  for (const [name, value] of lines(raw)) {
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || nominated.has(lower)) continue
    // Node refuses to announce trailers for a message that cannot have them.
    if (lower === 'trailer' && !facts.trailers) continue
    forwarded.push(name, value)
  }
  return forwarded
}

/** The pairs of a list. */
export function* lines(raw: RawHeaders): Generator<[name: string, value: string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) yield [raw[index] ?? '', raw[index + 1] ?? '']
}

/** All values of one field, in order. */
export function valuesOf(raw: RawHeaders, wanted: string): string[] {
  const values: string[] = []
  for (const [name, value] of lines(raw)) if (name.toLowerCase() === wanted) values.push(value)
  return values
}

/** The members of a comma-separated field, in lower case. */
export function tokensOf(raw: RawHeaders, wanted: string): string[] {
  return valuesOf(raw, wanted)
    .flatMap((value) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '')
}

/**
 * The lines of a response as they came: undici's parsed ones have lost their order, and have read Latin-1 as UTF-8.
 * (Its types allow an object as well, which HTTP/1.1 never gives.)
 */
export function decodeRaw(raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) => (typeof part === 'string' ? part : part.toString('latin1')))
}

function nominatedBy(raw: RawHeaders): ReadonlySet<string> {
  return new Set(tokensOf(raw, 'connection').filter((token) => !neverNominated.has(token)))
}

function mentionsTrailers(raw: RawHeaders): boolean {
  return tokensOf(raw, 'te').some((token) => token.split(';')[0]?.trim() === 'trailers')
}
