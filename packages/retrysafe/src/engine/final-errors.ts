import { isRetrysafeError } from '../contract/index.js'

/** Whether the store would answer the same call with this error again, however often it is asked. */
export function isFinal(error: unknown): boolean {
  return isRetrysafeError(error, 'invalid_key', 'invalid_option', 'unsupported', 'store_corrupt', 'store_closed')
}
