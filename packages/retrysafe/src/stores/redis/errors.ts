import { type ErrorCode, RetrysafeError } from '../../contract/index.js'
import { withoutValues } from '../shared/client-error.js'

/** The server refused a script that names keys of several slots; it has run nothing. */
export function isCrossSlot(error: unknown): boolean {
  return error instanceof Error && /^CROSSSLOT/.test(error.message)
}

/** Says in the store's words what the server or the client said; its own error, without the command, is the cause. */
export function toRedisError(error: unknown, where: string): RetrysafeError {
  if (error instanceof RetrysafeError) return error
  const cause = withoutValues(error)
  const { code, advice } = verdict(cause.message)
  return new RetrysafeError(code, `${where}: ${cause.message}. ${advice}`, { cause })
}

function verdict(reason: string): { code: ErrorCode; advice: string } {
  const word = /^-?([A-Z]+)\b/.exec(reason)?.[1] ?? ''
  switch (word) {
    case 'OOM':
      return {
        code: 'store_full',
        advice:
          'Nothing was written. Give the server more maxmemory, or shorten retentionMs; do not let it evict keys.',
      }
    case 'WRONGTYPE':
      return {
        code: 'store_corrupt',
        advice: 'Something else stands under the key. Give the store a prefix of its own. Nothing was changed.',
      }
    case 'NOAUTH':
    case 'WRONGPASS':
      return { code: 'store_unavailable', advice: 'Give the client a user name and a password that the server knows.' }
    case 'NOPERM':
      return {
        code: 'store_unavailable',
        advice:
          "The client's user must be allowed EVAL, EVALSHA, TIME, GET, SET and DEL on the store's keys; for lists " +
          'also SCAN and GETRANGE; for wake-ups also PUBSUB, PUBLISH, SUBSCRIBE and UNSUBSCRIBE on the channels of the ' +
          'same names.',
      }
    case 'READONLY':
      return {
        code: 'store_unavailable',
        advice: 'This server is a replica, as after a failover: the client must find the master. Nothing was changed.',
      }
    case 'MISCONF':
      return { code: 'store_unavailable', advice: 'The server cannot save to its disk. Nothing was changed.' }
    case 'LOADING':
    case 'MASTERDOWN':
    case 'CLUSTERDOWN':
    case 'TRYAGAIN':
    case 'BUSY':
    case 'NOREPLICAS':
      return { code: 'store_unavailable', advice: 'Nothing was changed; ask again with the same key.' }
    default:
      return { code: 'store_unavailable', advice: 'Nothing was acknowledged; ask again with the same key and token.' }
  }
}
