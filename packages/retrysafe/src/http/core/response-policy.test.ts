import { expect, test } from 'vitest'
import { appliedNothing, judgeResponse, type ResponsePolicy, type Verdict } from './response-policy.js'

const statuses = Array.from({ length: 500 }, (_, index) => 200 + index)
const undecided = [401, 403, 407, 408, 409, 421, 423, 425, 428, 429, 431]
const nothingApplied = [401, 403, 407, 421, 425, 428, 429, 431]

function judge(status: number, policy: ResponsePolicy = {}, retryAfter = false): Verdict {
  return judgeResponse({ status, retryAfter }, policy)
}

/** The statuses that got each verdict. */
function group(policy: ResponsePolicy, retryAfter = false): Partial<Record<Verdict, number[]>> {
  const groups: Partial<Record<Verdict, number[]>> = {}
  for (const status of statuses) {
    const verdict = judge(status, policy, retryAfter)
    groups[verdict] = [...(groups[verdict] ?? []), status]
  }
  return groups
}

const stored = statuses.filter((status) => status < 500 && !undecided.includes(status))
const isGateway = (status: number): boolean => [502, 503, 504].includes(status)

test('by default a response that decided something is stored, a gateway leaves the claim, all else releases it', () => {
  expect(group({})).toEqual({
    store: stored,
    leave: [502, 503, 504],
    release: statuses.filter((status) => !stored.includes(status) && !isGateway(status)),
  })
  expect(group({ remember: 'definite' })).toEqual(group({}))
})

test('503 with Retry-After speaks of the service itself, and releases', () => {
  expect(judge(503, {}, true)).toBe('release')
  expect(judge(502, {}, true)).toBe('leave')
  expect(judge(504, {}, true)).toBe('leave')
})

test("'success' stores 2xx only", () => {
  expect(group({ remember: 'success' })).toEqual({
    store: statuses.filter((status) => status < 300),
    leave: [502, 503, 504],
    release: statuses.filter((status) => status >= 300 && !isGateway(status)),
  })
})

test("'everything' stores whatever comes, a gateway's statuses too", () => {
  expect(group({ remember: 'everything' })).toEqual({ store: statuses })
})

test('a function decides for every status, and its no does not release what a gateway said', () => {
  expect(group({ remember: ({ status }) => status === 502 || status === 429 })).toEqual({
    store: [429, 502],
    leave: [503, 504],
    release: statuses.filter((status) => ![429, 502, 503, 504].includes(status)),
  })
})

test('a function sees the response that was judged', () => {
  const response = { status: 200, retryAfter: true, extra: 'a' }
  const seen: unknown[] = []
  const remember = (given: typeof response): boolean => {
    seen.push(given)
    return false
  }
  const notApplied = (given: typeof response): boolean => seen.push(given) < 0
  expect(judgeResponse(response, { remember, notApplied, afterCrash: 'uncertain' })).toBe('uncertain')
  expect(seen).toEqual([response, response])
})

test("under 'uncertain' what is not stored leaves the key uncertain, unless its status proves that nothing happened", () => {
  expect(group({ afterCrash: 'uncertain' })).toEqual({
    store: stored,
    leave: [502, 503, 504],
    release: nothingApplied,
    uncertain: statuses.filter(
      (status) => !stored.includes(status) && !isGateway(status) && !nothingApplied.includes(status),
    ),
  })
  expect(judge(503, { afterCrash: 'uncertain' }, true)).toBe('uncertain')
})

test('notApplied replaces the default list', () => {
  const policy: ResponsePolicy = { afterCrash: 'uncertain', notApplied: ({ status }) => status === 500 }
  expect(judge(500, policy)).toBe('release')
  expect(judge(429, policy)).toBe('uncertain')
})

test("what notApplied says of a gateway's status holds, under both ways", () => {
  const notApplied = ({ status }: { status: number }): boolean => status === 503
  for (const afterCrash of ['rerun', 'uncertain'] as const) {
    expect(judge(503, { afterCrash, notApplied })).toBe('release')
    expect(judge(502, { afterCrash, notApplied })).toBe('leave')
  }
})

test('notApplied releases nothing that is stored', () => {
  expect(judge(200, { afterCrash: 'uncertain', notApplied: () => true })).toBe('store')
})

test('the statuses that prove that nothing happened are these', () => {
  expect(statuses.filter(appliedNothing)).toEqual(nothingApplied)
})
