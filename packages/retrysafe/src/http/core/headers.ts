/* Which headers of a response are kept for its replays, and which of those a replay sends. */

/** Header lines in their order; a name may be there more than once. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/**
 * What is never replayed, by lower-case name: it speaks of one connection, one moment, one exchange or one client, and
 * would be wrong or harmful in another. A name that ends in `*` stands for all names that begin so.
 */
export const neverReplayed: readonly string[] = [
  // Of one connection (RFC 9110, 7.6.1), with those that old proxies made up, and of the body's framing on it.
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'http2-settings'],
  ...['proxy-authenticate', 'proxy-authorization', 'proxy-authentication-info'],
  ...['transfer-encoding', 'content-length', 'trailer'],
  // Of one moment: when it was made, how old it was in a cache, how long it took.
  ...['date', 'age', 'server-timing', 'x-runtime', 'x-response-time', 'x-envoy-upstream-service-time'],
  // Of one exchange: proofs and nonces that only the first client can use (RFC 7616), and its session.
  ...['authentication-info', 'set-cookie', 'set-cookie2'],
  // Names of one trace.
  ...['traceparent', 'tracestate', 'traceresponse', 'baggage', 'b3', 'x-b3-*', 'sentry-trace', 'uber-trace-id'],
  ...['x-trace-id', 'trace-id', 'x-span-id', 'x-cloud-trace-context', 'x-amzn-trace-id', 'x-datadog-*'],
  // Names of one request. A replay under the first one's name would lead a search in the logs astray.
  ...['x-request-id', 'request-id', 'x-requestid', 'x-correlation-id', 'correlation-id'],
  ...['x-amzn-requestid', 'x-amz-request-id', 'x-amz-id-2', 'x-amz-cf-id', 'apigw-requestid', 'x-amz-apigw-id'],
  ...['x-ms-request-id', 'x-ms-correlation-request-id', 'apim-request-id', 'x-azure-ref', 'x-github-request-id'],
  ...['cf-ray', 'x-vercel-id', 'fly-request-id', 'x-railway-request-id', 'x-nf-request-id', 'x-kong-request-id'],
  // What was left of an allowance then.
  ...['ratelimit', 'ratelimit-*', 'x-ratelimit-*', 'x-rate-limit-*'],
]

const exact = new Set(neverReplayed.filter((name) => !name.endsWith('*')))
const prefixes = neverReplayed.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))

/**
 * The headers to keep: all but `neverReplayed` and those that `Connection` names. Order, spelling and repetition stay.
 */
export function storableHeaders(headers: HeaderList): HeaderList {
  const nominated = new Set<string>()
  for (const [name, value] of headers)
    if (name.toLowerCase() === 'connection')
      for (const option of value.split(',')) nominated.add(option.trim().toLowerCase())
  return headers.filter(([name]) => {
    const lower = name.toLowerCase()
    return !exact.has(lower) && !nominated.has(lower) && !prefixes.some((prefix) => lower.startsWith(prefix))
  })
}

/** What a replay needs to know of the stored response. */
export interface StoredHeaders {
  readonly headers: HeaderList
  /** The `Origin` of the first request. */
  readonly origin?: string | undefined
}

/**
 * The headers to add to a response that replays the stored one.
 *
 * - What outer middleware has already set on the current response wins, and all stored lines of that name are left out.
 * - `Access-Control-*` says what the page of one origin may do, so it is sent only where the stored
 *   `Access-Control-Allow-Origin` is `*` or the current `Origin`, or where the first request had the same `Origin` (or
 *   had none, like this one).
 * - `Vary` is always sent, `Vary: Origin` too: the response does depend on it, whoever asks.
 * - `replayHeader` comes last, with the value `true`, instead of one that was stored.
 *
 * @param current what stands on the response already, by lower-case name.
 * @param origin the `Origin` of the current request.
 * @param replayHeader `Idempotent-Replayed`, or what the options say instead; `false` adds none.
 */
export function replayHeaders(
  stored: StoredHeaders,
  current: { has(lowerCaseName: string): boolean },
  origin: string | undefined,
  replayHeader: string | false,
): HeaderList {
  const isOpen = isOpenTo(stored, origin)
  const marker = replayHeader === false ? undefined : replayHeader.toLowerCase()
  const kept = stored.headers.filter(([name]) => {
    const lower = name.toLowerCase()
    return lower !== marker && !current.has(lower) && (isOpen || !lower.startsWith('access-control-'))
  })
  return replayHeader === false ? kept : [...kept, [replayHeader, 'true']]
}

function isOpenTo(stored: StoredHeaders, origin: string | undefined): boolean {
  const allowed = stored.headers.find(([name]) => name.toLowerCase() === 'access-control-allow-origin')?.[1].trim()
  if (allowed === '*') return true
  return stored.origin === origin || (allowed !== undefined && allowed === origin)
}
