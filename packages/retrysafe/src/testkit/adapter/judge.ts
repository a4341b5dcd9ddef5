/* What a reply must be. */
import type { ErrorCode } from '../../contract/index.js'
import { expectEqual, expectThat } from '../expect.js'
import type { Reply } from './adapter-case.js'
import { bytesOf, headerOf, textOf } from './scene.js'

export interface Expected {
  readonly status: number
  /** Text or bytes of the body. */
  readonly body?: string | Uint8Array
  /** Header values, lines joined by `, `; `null` for one that must not be there. */
  readonly headers?: Readonly<Record<string, string | null>>
  /** Whether it says that it is a replay. */
  readonly replayed?: boolean
}

export function expectReply(reply: Reply, expected: Expected, what: string): void {
  const seen = `${what}: the body is ${textOf(reply.body).slice(0, 300)}`
  if (reply.status !== expected.status)
    throw new Error(`${seen}; expected status ${expected.status}, saw ${reply.status}`)
  expectEqual(reply.complete, true, `${what}: whether the response came whole`)
  if (expected.body !== undefined)
    expectEqual(reply.body, bytesOf(expected.body), `${what}: body "${textOf(reply.body).slice(0, 100)}"`)
  for (const [name, value] of Object.entries(expected.headers ?? {}))
    expectEqual(headerOf(reply, name) ?? null, value, `${what}: header ${name}`)
  if (expected.replayed !== undefined)
    expectEqual(
      headerOf(reply, 'idempotent-replayed') ?? null,
      expected.replayed ? 'true' : null,
      `${what}: replay header`,
    )
}

/** The refusals: status, whether `Retry-After` is sent, whether to retry with the same key, whether a new one is safe. */
export const refusals: Readonly<
  Record<ErrorCode, readonly [status: number, retryAfter: boolean, sameKey: boolean, newKey: boolean]>
> = {
  invalid_key: [400, false, false, true],
  invalid_option: [400, false, false, true],
  body_too_large: [413, false, false, true],
  mismatch: [422, false, false, false],
  in_progress: [409, true, true, false],
  lease_lost: [409, true, true, false],
  response_not_stored: [409, false, false, false],
  uncertain: [409, false, false, false],
  expired: [409, false, false, false],
  scope_required: [500, false, false, false],
  body_consumed: [500, false, false, false],
  steps_changed: [500, false, false, false],
  unsupported: [500, false, false, false],
  store_corrupt: [500, false, false, false],
  store_unavailable: [503, true, true, false],
  store_full: [503, true, true, false],
  store_closed: [503, true, true, false],
  busy: [503, true, true, false],
  upstream_unreachable: [502, false, true, true],
  upstream_cut: [502, false, true, false],
  upstream_timeout: [504, false, true, false],
  transaction_conflict: [503, true, true, false],
  transaction_aborted: [503, true, true, false],
  unknown_key: [404, false, false, false],
  already_completed: [409, false, false, false],
  value_too_large: [413, false, false, false],
  value_not_serialisable: [422, false, false, false],
}

/** The reply must be the refusal of that code; gives its body. */
export function expectProblem(reply: Reply, code: ErrorCode, what: string): Readonly<Record<string, unknown>> {
  const [status, retryAfter, retrySameKey, newKey] = refusals[code]
  expectReply(reply, { status, replayed: false }, what)
  expectEqual(headerOf(reply, 'content-type'), 'application/problem+json', `${what}: content type`)
  expectEqual(headerOf(reply, 'cache-control'), 'no-store', `${what}: cache control`)
  const problem = JSON.parse(textOf(reply.body)) as Record<string, unknown>
  const { title, detail, retryAfterMs, ...rest } = problem
  const fixed = { type: `urn:retrysafe:error:${code}`, status, code, retrySameKey, newKey }
  const { expiresAt, type, ...advice } = rest
  expectEqual(
    { type: String(type).includes('://') ? fixed.type : type, ...advice },
    fixed,
    `${what}: the problem's members`,
  )
  expectThat(typeof title === 'string' && title !== '', `${what}: it has a title`)
  expectThat(typeof detail === 'string' && detail !== '', `${what}: it has a detail`)
  expectThat(
    expiresAt === undefined || !Number.isNaN(Date.parse(String(expiresAt))),
    `${what}: expiresAt is an instant`,
  )
  const seconds = headerOf(reply, 'retry-after')
  if (!retryAfter) {
    expectEqual([seconds, retryAfterMs], [undefined, undefined], `${what}: when to retry`)
    return problem
  }
  expectThat(/^[1-9]\d*$/.test(seconds ?? ''), `${what}: Retry-After is in seconds, saw ${seconds}`)
  const isJittered = typeof retryAfterMs === 'number' && retryAfterMs > 0 && retryAfterMs <= 1500 * Number(seconds)
  expectThat(isJittered, `${what}: retryAfterMs goes with Retry-After, saw ${retryAfterMs} and ${seconds}`)
  return problem
}
