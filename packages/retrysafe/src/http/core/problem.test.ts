import { expect, test } from 'vitest'
import { type ErrorCode, RetrysafeError } from '../../contract/index.js'
import { advice, problemOf } from './problem.js'

type Row = [status: number, retrySameKey: boolean, newKey: boolean, retryAfter: boolean]

/** What a client is told, code by code. */
const table: Readonly<Record<ErrorCode, Row>> = {
  invalid_key: [400, false, true, false],
  invalid_option: [400, false, true, false],
  body_too_large: [413, false, true, false],
  mismatch: [422, false, false, false],
  in_progress: [409, true, false, true],
  lease_lost: [409, true, false, true],
  response_not_stored: [409, false, false, false],
  uncertain: [409, false, false, false],
  expired: [409, false, false, false],
  scope_required: [500, false, false, false],
  body_consumed: [500, false, false, false],
  steps_changed: [500, false, false, false],
  unsupported: [500, false, false, false],
  store_corrupt: [500, false, false, false],
  store_unavailable: [503, true, false, true],
  store_full: [503, true, false, true],
  store_closed: [503, true, false, true],
  busy: [503, true, false, true],
  upstream_unreachable: [502, true, true, false],
  upstream_cut: [502, true, false, false],
  upstream_timeout: [504, true, false, false],
  transaction_conflict: [503, true, false, true],
  transaction_aborted: [503, true, false, true],
  unknown_key: [404, false, false, false],
  already_completed: [409, false, false, false],
  value_too_large: [413, false, false, false],
  value_not_serialisable: [422, false, false, false],
}

const codes = Object.keys(table) as ErrorCode[]

test('every code has its advice, and no other has', () => {
  expect(Object.keys(advice).sort()).toEqual([...codes].sort())
})

for (const code of codes)
  test(`${code} is told as its row in the table says`, () => {
    const [status, retrySameKey, newKey, retryAfter] = table[code]
    const problem = problemOf(new RetrysafeError(code, 'What happened.'), { random: () => 0.5 })
    const body = JSON.parse(problem.body) as Record<string, unknown>
    expect(problem.status).toBe(status)
    expect(body).toEqual({
      type: `urn:retrysafe:error:${code}`,
      title: expect.stringMatching(/^[A-Z].*[^.]$/),
      status,
      detail: expect.stringMatching(/\.$/),
      code,
      retrySameKey,
      newKey,
      ...(retryAfter ? { retryAfterMs: 1250 } : {}),
    })
    expect(problem.headers).toEqual([
      ['Content-Type', 'application/problem+json'],
      ['Cache-Control', 'no-store'],
      ...(retryAfter ? [['Retry-After', '1']] : []),
    ])
  })

test('no two codes have one title', () => {
  expect(new Set(codes.map((code) => advice[code].title)).size).toBe(codes.length)
})

test('the wait is jittered, and never shorter than Retry-After says', () => {
  const wait = (random: number, retryAfterMs?: number): unknown => {
    const error = new RetrysafeError('in_progress', 'a', { retryAfterMs })
    return (JSON.parse(problemOf(error, { random: () => random }).body) as { retryAfterMs: unknown }).retryAfterMs
  }
  expect([wait(0), wait(0.999), wait(0, 4000), wait(0.5, 4000)]).toEqual([1000, 1500, 4000, 5000])
  const waits = Array.from({ length: 50 }, () => problemOf(new RetrysafeError('busy', 'a')).body)
  expect(new Set(waits).size).toBeGreaterThan(10)
})

test('Retry-After is whole seconds, at least one', () => {
  const header = (retryAfterMs: number): unknown =>
    problemOf(new RetrysafeError('busy', 'a', { retryAfterMs })).headers.find(([name]) => name === 'Retry-After')?.[1]
  expect([0, 1, 999, 1000, 1001, 5000].map(header)).toEqual(['1', '1', '1', '1', '2', '5'])
})

test('the end of the retention is told where it is known', () => {
  const expiresAt = new Date(86_400_000)
  const body = JSON.parse(problemOf(new RetrysafeError('expired', 'a', { expiresAt })).body) as object
  expect(body).toMatchObject({ expiresAt: '1970-01-02T00:00:00.000Z' })
})

test('the documentation can be another page', () => {
  const type = (documentation: string): unknown =>
    (JSON.parse(problemOf(new RetrysafeError('mismatch', 'a'), { documentation }).body) as { type: unknown }).type
  expect(type('https://docs.example.com/idempotency')).toBe('https://docs.example.com/idempotency#mismatch')
  expect(type('https://docs.example.com/#idempotency')).toBe('https://docs.example.com/#idempotency')
})

test('what stands behind the server, the key and the cause are not told', () => {
  for (const code of codes.filter((code) => /^(store|upstream|transaction)_/.test(code) || code === 'busy')) {
    const secret = 'postgres://user:secret@10.0.0.3'
    const error = new RetrysafeError(code, `connect ${secret}`, { key: 'secret', cause: new Error(secret), attempt: 7 })
    const { body, headers } = problemOf(error)
    expect(body + JSON.stringify(headers)).not.toContain('secret')
  }
  const { body } = problemOf(new RetrysafeError('mismatch', 'a', { key: 'secret', cause: 'secret' }))
  expect(body).not.toContain('secret')
})

test('a code of a later copy of the package is refused with care', () => {
  const error = new RetrysafeError('toString' as ErrorCode, 'What happened.')
  expect(problemOf(error).status).toBe(500)
  expect(JSON.parse(problemOf(error).body)).toMatchObject({ retrySameKey: false, newKey: false })
})
