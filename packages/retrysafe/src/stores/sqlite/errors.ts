import { type Clock, type ErrorCode, type Random, RetrysafeError } from '../../contract/index.js'

/** How long a call waits for a lock that another connection holds. */
const maxBusyMs = 5000
const shortestNapMs = 0.5
const longestNapMs = 16

/** Primary result codes, see https://sqlite.org/rescode.html. */
const codes = {
  SQLITE_PERM: 3,
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_TOOBIG: 18,
  SQLITE_NOTADB: 26,
} as const

/** What all that touches one database needs to know. */
export interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  /** The file, or words for it. */
  readonly where: string
  /** Another connection was seen at work on the file. */
  readonly onBusy: () => void
}

/**
 * Tries until no other connection is in the way, for 5 s. It sleeps between the tries, where SQLite's own busy timeout
 * would block the event loop. The tries are jittered, so that several processes do not meet again and again.
 */
export async function patiently<T>(surroundings: Surroundings, attempt: () => T): Promise<T> {
  const { clock, random, onBusy } = surroundings
  const giveUpAt = clock.monotonic() + maxBusyMs
  for (let napMs = 2 * shortestNapMs; ; napMs = Math.min(2 * napMs, longestNapMs)) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error)) throw error
      onBusy()
      if (clock.monotonic() >= giveUpAt) throw error
    }
    await clock.sleep(shortestNapMs + random() * (napMs - shortestNapMs))
  }
}

export function isBusy(error: unknown): boolean {
  const code = codeOf(error)
  return code === codes.SQLITE_BUSY || code === codes.SQLITE_LOCKED
}

/** Says in the store's words what SQLite said; its own error is the cause. */
export function toStoreError(error: unknown, where: string): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const { code, advice } = verdict(codeOf(error), reason)
  return new RetrysafeError(code, `${where}: ${reason}. ${advice}`, { cause: error })
}

function verdict(code: number | undefined, reason: string): { code: ErrorCode; advice: string } {
  switch (code) {
    case codes.SQLITE_FULL:
      return { code: 'store_full', advice: 'Nothing was written. Free space on its disk; purge reuses what it frees.' }
    case codes.SQLITE_CORRUPT:
    case codes.SQLITE_NOTADB:
      return {
        code: 'store_corrupt',
        advice:
          'The file is left as it is. Stop all that use it and restore it from a backup, or try `sqlite3 FILE .recover`. ' +
          'Moving it and its -wal and -shm away begins anew, and then every key can run again.',
      }
    case codes.SQLITE_TOOBIG:
      return { code: 'value_too_large', advice: 'Nothing was changed.' }
    case codes.SQLITE_CANTOPEN:
    case codes.SQLITE_READONLY:
    case codes.SQLITE_PERM:
      return {
        code: 'store_unavailable',
        advice: 'The file and its folder must exist and be writable for this process: -wal and -shm stand beside it.',
      }
    case codes.SQLITE_IOERR:
      return { code: 'store_unavailable', advice: 'Nothing was acknowledged. Look at the disk and its file system.' }
    case codes.SQLITE_BUSY:
    case codes.SQLITE_LOCKED:
      return {
        code: 'store_unavailable',
        advice:
          `Another connection has held it for ${maxBusyMs / 1000} s. Look for a process with an open transaction on the ` +
          'file: a shell, a backup, a migration, or one that hangs. Nothing was written.',
      }
    default:
      if (/within a transaction/.test(reason))
        return {
          code: 'store_unavailable',
          advice: 'The handle has a transaction that is not of the store: a handle that is given must be its alone.',
        }
      return { code: 'store_unavailable', advice: 'Nothing was acknowledged.' }
  }
}

/** The primary result code, whichever way the client gives it; the upper bits only refine it. */
function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { errcode, rawCode, code, message } = error as Record<string, unknown>
  for (const number of [errcode, rawCode]) if (typeof number === 'number') return number & 0xff
  if (typeof code === 'string' && code.startsWith('SQLITE_'))
    for (const [name, number] of Object.entries(codes)) if (code === name || code.startsWith(`${name}_`)) return number
  // libsql has the code of a failed opening only in its message.
  const opening = typeof message === 'string' ? /Unable to open connection .*: (\d+)"?\)?$/.exec(message) : null
  return opening === null ? undefined : Number(opening[1]) & 0xff
}
