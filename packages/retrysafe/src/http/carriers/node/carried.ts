import type { IncomingMessage } from 'node:http'
import type { HttpRun } from '../../core/http-run.js'
import type { Capture } from './capture.js'
import type { Shelter } from './shelter.js'

/** What a request and its response keep while they are carried. */
export interface Carried {
  run: HttpRun | undefined
  shelter: Shelter | undefined
  capture: Capture | undefined
}

/**
 * Where a request keeps it: in one place, since Express gives every request a shape of its own, to which each further
 * property is dear. Not a WeakMap: with an entry a request, V8's young collections keep all that the requests refer to
 * until the next full one.
 */
const carriedKey: unique symbol = Symbol.for('retrysafe.carried')

type CarriedRequest = IncomingMessage & { [carriedKey]?: Carried }

export function carriedOf(request: object): Carried | undefined {
  return (request as CarriedRequest)[carriedKey]
}

export function openCarried(request: IncomingMessage): Carried {
  const known = carriedOf(request)
  if (known !== undefined) return known
  const carried: Carried = { run: undefined, shelter: undefined, capture: undefined }
  const marked: CarriedRequest = request
  marked[carriedKey] = carried
  return carried
}
