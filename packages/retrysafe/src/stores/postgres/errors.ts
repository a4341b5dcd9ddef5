import { type ErrorCode, RetrysafeError } from '../../contract/index.js'
import { withoutPasswords, withoutValues } from '../shared/client-error.js'

const serialisationFailure = '40001'
const deadlock = '40P01'
/** lock_not_available: another transaction holds the key for longer than the statement waits. */
const held = '55P03'

/** Wrappings of an error that are looked through. */
const maxCauses = 5
/** Of the standard, of PL/pgSQL, of foreign data and of PostgreSQL's own bugs; E2BIG is the system's, P2010 Prisma's. */
const isState = /^(?:\d[\dA-Z]|F0|HV|P0|XX)[\dA-Z]{3}$/

/** The five characters that PostgreSQL calls an error by; undefined where the error is not the server's. */
export function stateOf(error: unknown): string | undefined {
  let at = error
  for (let depth = 0; depth < maxCauses && typeof at === 'object' && at !== null; depth++) {
    // Query builders wrap the error of the client, each in its own way.
    const { code, originalCode, meta, cause } = at as {
      readonly code?: unknown
      readonly originalCode?: unknown
      readonly meta?: { readonly code?: unknown; readonly driverAdapterError?: unknown } | null
      readonly cause?: unknown
    }
    for (const state of [originalCode, meta?.code, code])
      if (typeof state === 'string' && isState.test(state)) return state
    at = meta?.driverAdapterError ?? cause
  }
  return undefined
}

/** Another transaction was in the way: nothing was changed, and the same statement may pass next time. */
export function isConflict(error: unknown): boolean {
  const state = stateOf(error)
  return state === serialisationFailure || state === deadlock
}

/** The same, also where the other transaction is still there. */
export function isPassing(error: unknown): boolean {
  return isConflict(error) || stateOf(error) === held
}

/** The connection has no such statement, or one that this client did not prepare: nothing was done. */
export function isNotPrepared(error: unknown): boolean {
  const state = stateOf(error)
  return state === '26000' || state === '42P05'
}

/**
 * Whether a statement for many failed for what may be one call's own reason: the server refused it, so that nothing was
 * written, and said nothing of itself.
 */
export function isOfOneCall(error: unknown): boolean {
  const state = error instanceof RetrysafeError ? undefined : stateOf(error)
  return state !== undefined && !verdicts.some(({ states }) => states.test(state))
}

interface Verdict {
  readonly states: RegExp
  readonly code: ErrorCode
  readonly advice: string
}

/** What concerns all calls alike; see https://www.postgresql.org/docs/current/errcodes-appendix.html. */
const verdicts: readonly Verdict[] = [
  {
    states: /^(?:42P01|3F000|42703)$/,
    code: 'store_unavailable',
    advice:
      'The tables are not there, or not as they should be: call migrate() once, or run the SQL of postgresSchema().',
  },
  {
    states: /^42501$/,
    code: 'store_unavailable',
    advice: 'Grant this role SELECT, INSERT, UPDATE and DELETE; to migrate it needs CREATE too.',
  },
  { states: /^53100$/, code: 'store_full', advice: 'Nothing was written. Free space on the disk of the server.' },
  { states: /^53/, code: 'store_unavailable', advice: 'The server is short of something; nothing was written.' },
  { states: /^25006$/, code: 'store_unavailable', advice: 'This server takes no writes: is it a replica?' },
  { states: /^XX00[12]$/, code: 'store_corrupt', advice: 'Restore the database from a backup.' },
  { states: /^0A000$/, code: 'unsupported', advice: 'The server or the pooler cannot do what the store needs.' },
  {
    states: /^(?:08|57P|57014|28|3D|58)/,
    code: 'store_unavailable',
    advice: 'Nothing was acknowledged; ask again with the same key.',
  },
]

/** Says in the store's words what the client said; its own error, without the values, is the cause. */
export function toStoreError(error: unknown, where: string): RetrysafeError {
  const state = stateOf(error)
  const reason = withoutPasswords(error instanceof Error ? error.message : String(error)) || 'the client gave no reason'
  const verdict = state === undefined ? undefined : verdicts.find(({ states }) => states.test(state))
  const { code, advice } = verdict ?? {
    code: 'store_unavailable',
    advice: 'Nothing was acknowledged; ask again with the same key.',
  }
  const named = state === undefined ? reason : `${reason} (SQLSTATE ${state})`
  return new RetrysafeError(code, `${where}: ${named}. ${advice}`, { cause: withoutValues(error) })
}
