/* Whose key it is, where nobody said so: the default scope of a request. */
import { digestText } from '../../engine/digest.js'

/** All field lines of that name, as received; empty where there is none. */
export type HeaderReader = (lowerCaseName: string) => readonly string[]

export interface CredentialOptions {
  /** Requests without any credential share one scope. Default false: they are refused. */
  allowAnonymous?: boolean | undefined
  /** Says that signatures were verified before us, so that the stable key id in them may be believed. Default false. */
  authenticated?: boolean | undefined
  /** The name of the cookie that holds the session: it counts as a secret, and other cookies as none. */
  cookie?: string | undefined
  /** Headers that count besides, in lower case. They never replace a credential; a missing one is a value of its own. */
  extraHeaders?: readonly string[] | undefined
}

export type CredentialScope =
  | { readonly status: 'scope'; readonly scope: string }
  /** `reason` says what to set. */
  | { readonly status: 'required'; readonly reason: string }

/**
 * Headers that by themselves carry a secret which stays the same from a request to its retry. A header that is missing
 * here and stands alone is refused, so nothing leaks; the list is long all the same, since beside an application's
 * `Authorization` an unknown header may tell its users apart. Left out on purpose: what changes with every request
 * (CSRF tokens, proofs, the `access-token` of devise), what names somebody without proving it (`x-user-id`,
 * `x-session-id`, `x-access-key` beside a signature), and what is meant for a proxy.
 */
export const keyHeaders: readonly string[] = [
  // Names that gateways, frameworks and many an API use.
  ...['x-api-key', 'api-key', 'apikey', 'x-apikey', 'x-api-token', 'api-token', 'x-api-secret'],
  ...['x-auth-token', 'x-access-token', 'x-auth-key', 'x-authorization', 'x-secret-key', 'x-client-secret'],
  ...['x-session-token', 'x-user-token', 'x-service-token', 'x-token'],
  // Clouds and gateways: Google, Azure API Management, Azure Functions, Cloudflare Access, RapidAPI.
  ...['x-goog-api-key', 'ocp-apim-subscription-key', 'x-functions-key', 'cf-access-client-secret', 'x-rapidapi-key'],
  // Services that others stand in for, or build on.
  ...['private-token', 'job-token', 'deploy-token', 'x-vault-token', 'x-consul-token', 'x-shopify-access-token'],
  ...['dd-api-key', 'dd-application-key', 'x-hasura-admin-secret', 'x-appwrite-key', 'x-parse-session-token'],
  ...['x-parse-rest-api-key', 'x-parse-master-key', 'x-figma-token', 'x-postmark-server-token', 'x-algolia-api-key'],
]

/**
 * The scope that the credentials of a request stand for: `cred:` and one digest over all secrets that are present, each
 * under its own label. Whoever has only some of them is somebody else.
 *
 * Pure: it verifies nothing, and holds for requests that were not authenticated yet, since a secret proves itself.
 */
export function credentialScope(headers: HeaderReader, options: CredentialOptions = {}): CredentialScope {
  const secrets: string[] = []
  const keyIds: string[] = []
  for (const line of linesOf(headers, 'authorization')) {
    const credential = readAuthorization(line)
    if (credential.status === 'secret') secrets.push('authorization', credential.scheme, credential.value)
    else if (credential.status === 'key_id' && options.authenticated === true)
      keyIds.push('key id', credential.scheme, credential.value)
    else return { status: 'required', reason: describeScheme(credential) }
  }
  for (const name of keyHeaders) for (const line of linesOf(headers, name)) secrets.push('header', name, line)
  if (options.cookie !== undefined)
    for (const value of readCookies(headers, options.cookie)) secrets.push('cookie', options.cookie, value)
  const signed = readSignatures(headers)
  const isProven = signed.keyIds.length > 0 && options.authenticated === true
  if (secrets.length === 0 && keyIds.length === 0 && signed.isSigned && !isProven)
    return { status: 'required', reason: unprovenSignature }
  return scopeOf([...secrets, ...keyIds, ...signed.keyIds], headers, options)
}

function scopeOf(parts: readonly string[], headers: HeaderReader, options: CredentialOptions): CredentialScope {
  const extra: string[] = []
  for (const name of options.extraHeaders ?? []) {
    const lines = headers(name)
    extra.push('extra', name, String(lines.length), ...lines)
  }
  if (parts.length > 0) return { status: 'scope', scope: `cred:${digestText('credentials', ...parts, ...extra)}` }
  if (options.cookie === undefined && linesOf(headers, 'cookie').length > 0)
    return { status: 'required', reason: onlyCookie }
  if (options.allowAnonymous !== true) return { status: 'required', reason: noCredential }
  return { status: 'scope', scope: extra.length === 0 ? 'anonymous' : `anonymous:${digestText('anonymous', ...extra)}` }
}

const whatToSet =
  'Set the option scope to a function that gives the authenticated user or tenant (in the proxy: --identity-header, or --scope-cookie)'
const noCredential = `The request has an idempotency key and no credential that tells whose it is. ${whatToSet}, or allowAnonymous to let all requests without credentials share their keys.`
const onlyCookie = `The request has an idempotency key, and only cookies to tell whose it is; they change and may be anything. ${whatToSet}.`
const unprovenSignature = `The request has an idempotency key and is signed anew each time, so only the key id in its signature could tell whose it is. ${whatToSet}, or authenticated to say that signatures are verified before this point.`

function describeScheme(credential: Exclude<Authorization, { status: 'secret' }>): string {
  if (credential.status === 'key_id') return unprovenSignature
  return `The request has an idempotency key and an Authorization scheme that does not tell whose it is: only Basic, Bearer and DPoP do by themselves. ${whatToSet}.`
}

type Authorization =
  | { readonly status: 'secret' | 'key_id'; readonly scheme: string; readonly value: string }
  | { readonly status: 'unknown' }

/** Lines that say something: an empty field is no credential. */
function linesOf(headers: HeaderReader, name: string): readonly string[] {
  const lines = headers(name)
  return lines.length === 0 ? lines : lines.map((line) => line.trim()).filter((line) => line !== '')
}

function readAuthorization(line: string): Authorization {
  const [, scheme = '', rest = ''] = /^(\S+)[ \t]*(.*)$/s.exec(line) ?? []
  const lower = scheme.toLowerCase()
  if (rest === '') return { status: 'unknown' }
  // Of DPoP (RFC 9449) this is the token; its proof, which changes, is in a header of its own.
  if (lower === 'basic' || lower === 'bearer' || lower === 'dpop')
    return { status: 'secret', scheme: lower, value: rest }
  const value = keyIdOf[lower]?.(rest)
  return value === undefined ? { status: 'unknown' } : { status: 'key_id', scheme: lower, value }
}

/** Of schemes that sign every request anew, what stays the same: by lower-case name, from what follows it. */
const keyIdOf: Readonly<Record<string, (rest: string) => string | undefined>> = {
  'aws4-hmac-sha256': accessKeyOf,
  'aws4-ecdsa-p256-sha256': accessKeyOf,
  'goog4-hmac-sha256': accessKeyOf,
  'goog4-rsa-sha256': accessKeyOf,
  aws: (rest) => /^([^\s:]+):\S+$/.exec(rest)?.[1],
  signature: (rest) => parameterOf(rest, 'keyid'),
  hawk: (rest) => parameterOf(rest, 'id'),
  mac: (rest) => parameterOf(rest, 'id'),
  oauth: (rest) => joined(parameterOf(rest, 'oauth_consumer_key'), parameterOf(rest, 'oauth_token') ?? ''),
  digest: (rest) => joined(parameterOf(rest, 'username') ?? parameterOf(rest, 'username*'), parameterOf(rest, 'realm')),
}

/** The access key of a `Credential=KEY/date/region/service/…`: the rest is not whose, but when and what for. */
function accessKeyOf(rest: string): string | undefined {
  const key = parameterOf(rest, 'credential')?.split('/', 1)[0]
  return key === '' ? undefined : key
}

function joined(...parts: (string | undefined)[]): string | undefined {
  return parts.includes(undefined) ? undefined : JSON.stringify(parts)
}

/** The value of an auth-param; undefined where it is missing, empty or there more than once. */
function parameterOf(text: string, name: string): string | undefined {
  const [value, ...more] = parametersOf(text, name)
  return more.length > 0 || value === '' ? undefined : value
}

/** Name and value of an auth-param (RFC 9110, 11.2), quoted or not. A name begins where none goes on, so it is linear. */
const parameter = /(?<![^\s,;="])([^\s,;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*))/gs

function parametersOf(text: string, name: string): string[] {
  const values: string[] = []
  for (const [, key = '', quoted, token = ''] of text.matchAll(parameter))
    if (key.toLowerCase() === name) values.push(quoted?.replace(/\\(.)/gs, '$1') ?? token)
  return values
}

interface Signatures {
  readonly isSigned: boolean
  /** As parts of the scope. Empty where a line of the field does not say by which key it was signed. */
  readonly keyIds: readonly string[]
}

/**
 * HTTP message signatures (RFC 9421, in `Signature-Input`) and their older draft (in `Signature`). Beside a secret their
 * key ids only make the scope narrower, so there they need no proof. A request may bear several, and all count.
 */
function readSignatures(headers: HeaderReader): Signatures {
  const inputs = linesOf(headers, 'signature-input')
  const lines = inputs.length > 0 ? inputs : linesOf(headers, 'signature')
  const keyIds = lines.map((line) => parametersOf(line, 'keyid').filter((keyId) => keyId !== ''))
  const isKnown = keyIds.every((ids) => ids.length > 0)
  return {
    isSigned: lines.length > 0,
    keyIds: isKnown ? keyIds.flat().flatMap((keyId) => ['key id', 'signature', keyId]) : [],
  }
}

function readCookies(headers: HeaderReader, name: string): string[] {
  const values: string[] = []
  for (const line of linesOf(headers, 'cookie'))
    for (const pair of line.split(';')) {
      const at = pair.indexOf('=')
      if (at >= 0 && pair.slice(0, at).trim() === name && pair.slice(at + 1).trim() !== '')
        values.push(pair.slice(at + 1).trim())
    }
  return values
}

/**
 * When the token of the request ends, in epoch milliseconds, where it is a JWT that says so. Where that is before the
 * end of retention, a retry with a refreshed token would be a stranger: worth one warning. Nothing is verified.
 */
export function tokenExpiresAt(headers: HeaderReader): number | undefined {
  for (const line of linesOf(headers, 'authorization')) {
    const [, payload] = /^(?:bearer|dpop)[ \t]+[\w-]+\.([\w-]+)\.[\w-]*$/i.exec(line) ?? []
    if (payload === undefined) continue
    try {
      const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { exp?: unknown } | null
      const exp = claims?.exp
      if (typeof exp === 'number' && Number.isFinite(exp)) return Math.round(exp * 1000)
    } catch {
      // It only looks like a JWT, and says nothing.
    }
  }
  return undefined
}
