/* The rules of the key alone, for services that hand it on or keep keys themselves. */
import { readFunction } from '../../engine/index.js'
import { asRetrysafeError, refusal } from './answers.js'
import type { Answer, RequestFacts } from './facts.js'
import { ask, readKey } from './gate.js'
import { type HttpOptions, readMethods } from './options.js'

export interface KeyGateOptions<Request>
  extends Pick<HttpOptions<Request>, 'methods' | 'covers' | 'documentation' | 'corsOrigins'> {
  /** Let requests without a key through. Default: they are refused with 400. */
  optional?: boolean | undefined
}

export type KeyCheck =
  /** The key without its quotes; undefined where the request has none and needs none. */
  { readonly action: 'pass'; readonly key: string | undefined } | { readonly action: 'refuse'; readonly answer: Answer }

export interface KeyGate<Request> {
  check(facts: RequestFacts, request: Request): KeyCheck
}

/**
 * Reads and requires the `Idempotency-Key`, by the rules of every adapter and with their refusals, and touches no store:
 * whoever gets the key says what it is good for. Other methods, and requests that are not covered, pass without a key.
 *
 * ```ts
 * import { createKeyGate } from 'retrysafe/http'
 *
 * const gate = createKeyGate<Request>({ methods: ['POST'] })
 * ```
 *
 * @throws `invalid_option` for options that are none.
 */
export function createKeyGate<Request>(options: KeyGateOptions<Request> = {}): KeyGate<Request> {
  const methods = readMethods(options.methods)
  const covers = readFunction('covers', options.covers)
  const { documentation, corsOrigins = [], optional = false } = options
  return {
    check(facts, request) {
      if (!methods.has(facts.method)) return passed
      const lines = facts.header('idempotency-key')
      if (lines.length === 0 && optional) return passed
      try {
        if (covers !== undefined && !ask('covers', covers, request)) return passed
        return { action: 'pass', key: readKey(lines) }
      } catch (error) {
        return { action: 'refuse', answer: refusal({ documentation, corsOrigins }, facts, asRetrysafeError(error)) }
      }
    },
  }
}

const passed: KeyCheck = { action: 'pass', key: undefined }
