/*
 * The sans-IO core: what to do with a request is decided here, and carriers only move bytes. The order of checks is
 * fixed: method, key, requireKey, scope, declared length, body, fingerprint, begin. Early refusals do not read the body.
 */
import { isRetrysafeError, RetrysafeError, storeKey } from '../../contract/index.js'
import { type Entered, type Entry, fingerprintOf, isStale, start } from '../../engine/index.js'
import { asRetrysafeError, refusal, replayAnswer } from './answers.js'
import { credentialScope, tokenExpiresAt } from './credentials.js'
import type { Answer, RequestFacts } from './facts.js'
import { createHeldBytes, type HeldBytes } from './held-bytes.js'
import { createHttpRun, type HttpRun } from './http-run.js'
import { readIdempotencyKey } from './idempotency-key.js'
import { type HttpOptions, type HttpSettings, readHttpSettings } from './options.js'
import { type RequestBody, requestFingerprint } from './request-fingerprint.js'

export type { MultipartFile } from './form-data.js'

/** The body as the carrier found it. */
export type Body = RequestBody

export type Admission =
  /** Not ours: let it through untouched. */
  | { readonly action: 'pass' }
  | { readonly action: 'refuse'; readonly answer: Answer }
  /** Read the body, not more than `maxBytes`, counting it in `held`, and go on with `Admitted`. */
  | { readonly action: 'read'; readonly admitted: Admitted }

export interface Admitted {
  readonly maxBytes: number
  readonly held: HeldBytes
  /** Of a request whose body is too large (`body_too_large`) or for which there is no room (`busy`). */
  refuse(code: 'body_too_large' | 'busy'): Answer
  /** The signal ends waiting for another attempt: the client left. */
  decide(body: Body, currentHas: (lowerCaseName: string) => boolean, signal?: AbortSignal): Promise<Decision>
}

export type Decision =
  | { readonly action: 'pass' }
  | { readonly action: 'refuse'; readonly answer: Answer }
  | { readonly action: 'replay'; readonly answer: Answer }
  | { readonly action: 'run'; readonly run: HttpRun }

export interface Gate<Request> {
  readonly settings: HttpSettings<Request>
  readonly held: HeldBytes
  admit(facts: RequestFacts, request: Request): Admission
}

export function createGate<Request>(options: HttpOptions<Request>): Gate<Request> {
  const settings = readHttpSettings(options)
  const held = createHeldBytes(settings.maxHeldBytes)
  const warning = createWarning()

  function admit(facts: RequestFacts, request: Request): Admission {
    if (!settings.methods.has(facts.method)) return pass
    const lines = facts.header('idempotency-key')
    if (lines.length === 0 && !settings.requireKey) return pass
    const refuse = (error: RetrysafeError): Answer => refusal(settings, facts, error)
    try {
      if (settings.covers !== undefined && !ask('covers', settings.covers, request)) return pass
      const key = readKey(lines)
      const scope = readScope(settings, facts, request, warning)
      const space = settings.gateway ? 'proxy' : 'http'
      const inStore = storeKey(key, scope === undefined ? { space } : { scope, space })
      const declared = Number(facts.header('content-length')[0] ?? 0)
      if (declared > settings.maxBodyBytes) throw bodyError('body_too_large', settings.maxBodyBytes)
      const admitted: Admitted = {
        maxBytes: settings.maxBodyBytes,
        held,
        refuse: (code) => refuse(bodyError(code, settings.maxBodyBytes)),
        decide: async (body, currentHas, signal) => {
          try {
            const fingerprint = readFingerprint(settings, facts, request, body)
            const entry: Entry = { key, storeKey: inStore, fingerprint, run: settings.run, signal }
            let entered: Entered
            try {
              entered = await settings.engine.enter(entry)
              if (entered.status === 'new' && isStale(entered.attempt.lease)) await start(entered.attempt)
            } catch (error) {
              if (settings.whenStoreDown === 'run' && isStoreDown(error)) return pass
              throw error
            }
            if (entered.status === 'completed')
              return { action: 'replay', answer: replayAnswer(settings, facts, entry.key, entered, currentHas) }
            return { action: 'run', run: createHttpRun(settings, facts, entry, entered.attempt, currentHas) }
          } catch (error) {
            return { action: 'refuse', answer: refuse(asRetrysafeError(error)) }
          }
        },
      }
      return { action: 'read', admitted }
    } catch (error) {
      return { action: 'refuse', answer: refuse(asRetrysafeError(error)) }
    }
  }

  return { settings, held, admit }
}

const pass = { action: 'pass' } as const

/** A store that is down or full, of which `whenStoreDown` decides. */
function isStoreDown(error: unknown): boolean {
  return (
    !isRetrysafeError(error) ||
    isRetrysafeError(error, 'store_unavailable', 'store_full', 'store_closed', 'store_corrupt')
  )
}

/** @throws `invalid_key` where there is none, or one that breaks the rules. */
export function readKey(lines: readonly string[]): string {
  const read = readIdempotencyKey(lines)
  if (read.status === 'key') return read.key
  if (read.status === 'invalid') throw new RetrysafeError('invalid_key', read.reason)
  throw new RetrysafeError(
    'invalid_key',
    'This operation requires an Idempotency-Key header. Send one that is unique to the operation, such as a UUID, and the same one on every retry.',
  )
}

function readScope<Request>(
  settings: HttpSettings<Request>,
  facts: RequestFacts,
  request: Request,
  warning: Warning,
): string | undefined {
  if (settings.scope !== undefined) {
    const scope: unknown = ask('scope', settings.scope, request)
    if (typeof scope === 'string' && scope !== '') return scope
    throw new RetrysafeError(
      'scope_required',
      'The scope option gave no scope for this request: it must give a non-empty string, such as the tenant.',
    )
  }
  const { allowAnonymous, authenticated } = settings
  const found = credentialScope((name) => facts.header(name), { allowAnonymous, authenticated })
  if (found.status === 'required') throw new RetrysafeError('scope_required', found.reason)
  warning.ofShortTokens(() => {
    const expiresAt = tokenExpiresAt((name) => facts.header(name)) ?? Number.POSITIVE_INFINITY
    return expiresAt - settings.engine.settings.clock.now() < settings.run.retentionMs
  })
  return found.scope
}

function readFingerprint<Request>(
  settings: HttpSettings<Request>,
  facts: RequestFacts,
  request: Request,
  body: Body,
): string {
  if (settings.fingerprint !== undefined) {
    const { fingerprint } = settings
    return ask('fingerprint', (asked: Request) => fingerprintOf(fingerprint(asked) ?? null), request)
  }
  const fingerprint = requestFingerprint({
    method: facts.method,
    target: facts.target,
    contentType: facts.header('content-type')[0],
    body,
    host: settings.gateway ? (facts.header('host')[0] ?? '') : undefined,
  })
  if (fingerprint !== undefined) return fingerprint
  throw new RetrysafeError(
    'body_consumed',
    'A body parser ran before and what it kept does not tell the bytes. Mount the idempotency adapter before the parser, keep the raw body, or give the fingerprint option. Nothing was run.',
  )
}

/** An option that throws is the service's fault, not the client's, and nothing may run on a guess. */
export function ask<Request, T>(name: string, option: (request: Request) => T, request: Request): T {
  try {
    return option(request)
  } catch (cause) {
    if (isRetrysafeError(cause, 'scope_required')) throw cause
    const code = name === 'scope' ? 'scope_required' : 'unsupported'
    throw new RetrysafeError(
      code,
      `The ${name} option of the idempotency adapter failed for this request. Nothing was run.`,
      { cause },
    )
  }
}

function bodyError(code: 'body_too_large' | 'busy', maxBytes: number): RetrysafeError {
  if (code === 'body_too_large')
    return new RetrysafeError(
      code,
      `A request with an idempotency key may have a body of at most ${maxBytes} bytes. Nothing was run.`,
    )
  return new RetrysafeError(
    code,
    'Too many bytes of other requests are being held. Nothing was run; send it again in a moment.',
    { retryAfterMs: 1000 },
  )
}

interface Warning {
  /** Warns once, and looks no more after that. */
  ofShortTokens(isShort: () => boolean): void
}

function createWarning(): Warning {
  let warned = false
  return {
    ofShortTokens(isShort) {
      if (warned || !isShort()) return
      warned = true
      console.warn(
        'retrysafe: a bearer token expires before the retention ends, so a retry with a refreshed token would be another scope, and its key new. Give the scope option.',
      )
    },
  }
}
