import { type ErrorCode, RetrysafeError } from '../../contract/index.js'
import { withoutValues } from '../shared/client-error.js'

/** Numbers of errors, see https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html. */
const duplicate = 1062
/** A column that cannot be NULL: how an insert refuses a session that is not alone. */
const nullRefused = 1048
const noSuchTable = 1146
const lockTimeout = 1205
/** Safe updates are on, and the server does not see that a statement for many goes by the key. */
const unsafeUpdate = 1175
/** Deadlock, lock wait timeout, MariaDB's "record has changed since last read". The statement was rolled back. */
const passing: ReadonlySet<number> = new Set([1213, lockTimeout, 1020])
/** Full: disk, table (also its tablespace or quota). 3 and 28 stand for the system's own error beneath. */
const full: ReadonlySet<number> = new Set([1021, 1114])
/** Packets too large: at the server, and as the mariadb client refuses them. */
const tooLarge: ReadonlySet<number> = new Set([1153, 45002])
const corrupt: ReadonlySet<number> = new Set([1034, 1035, 1194, 1195, 1712])
const refusedAccess: ReadonlySet<number> = new Set([1044, 1045, 1142, 1143, 1227])
const readOnly: ReadonlySet<number> = new Set([1290, 1792, 1836])

/** Somebody else's record stands under the key. */
export function isDuplicate(error: unknown): boolean {
  return numberOf(error) === duplicate
}

/** Somebody held a lock for longer than the statement waits; it was rolled back. */
export function isLockTimeout(error: unknown): boolean {
  return numberOf(error) === lockTimeout
}

export function isNotAlone(error: unknown): boolean {
  return numberOf(error) === nullRefused
}

/** The error of a call that needs a table which nobody made: none is made unasked. */
export function missingTable(table: string, cause?: unknown): RetrysafeError {
  return new RetrysafeError(
    'store_unavailable',
    `MySQL: the table ${table} is not there. Call migrate() once before the first use, or run the SQL of mysqlSchema().`,
    cause === undefined ? {} : { cause: withoutValues(cause) },
  )
}

/** Others were at work on the same records, and no single call is to blame. */
export function isConflict(error: unknown): boolean {
  return isPassing(error) && !isLockTimeout(error)
}

/**
 * Whether the failure of a statement for many may be one call's own, so that the others are tried without it: a lock
 * that somebody holds, a value that this table refuses, a packet that all together do not fit into. Not where the connection, the server or the table is gone.
 */
export function isOfOneCall(error: unknown): boolean {
  // A record of a later version, and what would not fit into a packet.
  if (error instanceof RetrysafeError) return error.code === 'unsupported' || error.code === 'value_too_large'
  const number = numberOf(error) ?? 0
  if (number === lockTimeout || number === unsafeUpdate || number === duplicate || tooLarge.has(number)) return true
  const { sqlState } = (typeof error === 'object' && error !== null ? error : {}) as { sqlState?: unknown }
  return typeof sqlState === 'string' && /^(?:22|23|45)/.test(sqlState)
}

/** A failure that changed nothing and may be gone next time. */
export function isPassing(error: unknown): boolean {
  return passing.has(numberOf(error) ?? 0)
}

/** Says in the store's words what the server or the client said; its own error, without the values, is the cause. */
export function toStoreError(error: unknown, table: string): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  if (numberOf(error) === noSuchTable) return missingTable(table, error)
  const { code, advice } = verdict(numberOf(error))
  return new RetrysafeError(code, `MySQL: ${reasonOf(error)}. ${advice}`, { cause: withoutValues(error) })
}

function verdict(number: number | undefined): { code: ErrorCode; advice: string } {
  if (number === undefined) return { code: 'store_unavailable', advice: unacknowledged }
  if (full.has(number))
    return { code: 'store_full', advice: 'Nothing was written. Free space; purge gives room within the table.' }
  if (tooLarge.has(number))
    return { code: 'value_too_large', advice: 'Raise max_allowed_packet, or return less. Nothing was changed.' }
  if (corrupt.has(number))
    return { code: 'store_corrupt', advice: 'The table is left as it is: look at the log of the server.' }
  if (readOnly.has(number))
    return { code: 'store_unavailable', advice: 'The server takes no writes: the store needs the primary.' }
  if (refusedAccess.has(number))
    return { code: 'store_unavailable', advice: 'The user needs SELECT, INSERT, UPDATE and DELETE on the table.' }
  return { code: 'store_unavailable', advice: unacknowledged }
}

const unacknowledged = 'Nothing was acknowledged; ask again with the same key.'

/** Without the statement and its values, which one of the clients puts into its message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { sqlMessage } = error as { sqlMessage?: unknown }
  const reason = typeof sqlMessage === 'string' && sqlMessage !== '' ? sqlMessage : error.message
  const [first = ''] = reason.split('\n')
  const { code } = error as { code?: unknown }
  return first === '' ? String(code ?? error.name) : first.replace(/\.$/, '')
}

function numberOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { errno } = error as { errno?: unknown }
  return typeof errno === 'number' && errno > 0 ? errno : undefined
}
