import { isRetrysafeError, type Random, RetrysafeError } from '../../contract/index.js'
import { responseNotStored } from '../../engine/index.js'
import type { Answer, RequestFacts } from './facts.js'
import { type HeaderList, replayHeaders } from './headers.js'
import type { HttpSettings } from './options.js'
import { problemOf } from './problem.js'
import { decodeResponse } from './stored-response.js'

/** The stored response as this request may see it. */
export function replayAnswer<Request>(
  settings: HttpSettings<Request>,
  facts: RequestFacts,
  key: string,
  stored: { readonly kind: string; readonly response: unknown },
  currentHas: (lowerCaseName: string) => boolean,
): Answer {
  if (stored.kind === 'not_stored') throw responseNotStored(key)
  if (stored.kind !== 'http' || !(stored.response instanceof Uint8Array))
    throw new RetrysafeError('mismatch', `The key was used for an operation of another kind (${stored.kind}).`, { key })
  const response = decodeResponse(stored.response)
  const origin = facts.header('origin')[0]
  return { ...response, headers: replayHeaders(response, { has: currentHas }, origin, settings.replayHeader) }
}

/** What of the settings refusals need. */
export interface RefusalSettings {
  readonly documentation: string | undefined
  readonly corsOrigins: readonly string[]
  /** Where there is none, the jitter comes from `Math.random`. */
  readonly engine?: { readonly settings: { readonly random: Random } } | undefined
}

/** The problem of an error, readable to scripts of the origins that were allowed. */
export function refusal(settings: RefusalSettings, facts: RequestFacts, error: RetrysafeError): Answer {
  const random = settings.engine?.settings.random
  const problem = problemOf(error, { documentation: settings.documentation, random })
  const origin = facts.header('origin')[0]
  if (origin === undefined || settings.corsOrigins.length === 0) return problem
  const allowed = settings.corsOrigins.includes('*') ? '*' : settings.corsOrigins.find((known) => known === origin)
  if (allowed === undefined) return problem
  const cors: HeaderList = [
    ['Access-Control-Allow-Origin', allowed],
    ['Access-Control-Expose-Headers', 'Retry-After, Idempotent-Replayed'],
    ['Vary', 'Origin'],
  ]
  return { ...problem, headers: [...problem.headers, ...cors] }
}

/** What a store or a user's function threw, with a code of the table. */
export function asRetrysafeError(error: unknown): RetrysafeError {
  if (isRetrysafeError(error)) return error
  return new RetrysafeError('store_unavailable', 'The idempotency store did not answer. Nothing was run.', {
    cause: error,
  })
}

/** What is sent where a handler threw before a head: a code of the table, or a bare 500 that says nothing of the inside. */
export function failureAnswer(settings: RefusalSettings, facts: RequestFacts, error: unknown): Answer {
  if (isRetrysafeError(error)) return refusal(settings, facts, error)
  return { status: 500, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: 'Internal Server Error\n' }
}
