import { expect, test } from 'vitest'
import { readBegin, readComplete, readList, readPurge, readRenew, readToken } from './asks.js'
import type { BeginOptions, ListQuery } from './types.js'

function caught(call: () => unknown): { code?: string; message?: string } {
  try {
    call()
  } catch (error) {
    return error as { code?: string; message?: string }
  }
  return {}
}

test('begin without options asks for 30 seconds, 24 hours and a fresh token', () => {
  const [one, two] = [readBegin(), readBegin({})]
  const defaults = { leaseMs: 30_000, retentionMs: 86_400_000, afterCrash: 'rerun' }
  expect(one).toEqual({ ...defaults, token: one.token, fingerprint: undefined, rerunAttempt: undefined })
  expect(one.token).toMatch(/^[0-9a-f-]{36}$/)
  expect(two.token).not.toBe(one.token)
})

test('options that are undefined are as if absent', () => {
  const { token, ...rest } = readBegin()
  const none = { token: undefined, fingerprint: undefined, leaseMs: undefined, retentionMs: undefined }
  expect(readBegin({ ...none, afterCrash: undefined, rerunAttempt: undefined })).toMatchObject(rest)
  expect(readComplete(1, { token: undefined, retentionMs: undefined, kind: undefined })).toEqual(readComplete(1))
  expect(readRenew('mine', { leaseMs: undefined, checkpoint: undefined, checkpointNumber: undefined })).toEqual(
    readRenew('mine'),
  )
  expect(readPurge({ limit: undefined })).toBe(1000)
  expect(readList({ prefix: undefined, status: undefined, limit: undefined, cursor: undefined })).toEqual(readList())
})

test('complete and renew ask for what the claim asked for', () => {
  expect(readComplete('done')).toEqual({ token: undefined, retentionMs: undefined, kind: 'value', response: '"done"' })
  expect(readRenew('mine')).toEqual({
    token: 'mine',
    leaseMs: undefined,
    checkpoint: undefined,
    checkpointNumber: undefined,
  })
})

test('0 gives a lease up and is no absence; null is a checkpoint and no absence', () => {
  expect(readRenew('mine', { leaseMs: 0 }).leaseMs).toBe(0)
  expect(readRenew('mine', { checkpoint: null }).checkpoint).toBe('null')
  for (const leaseMs of [-0.5, 1, 99]) expect(caught(() => readRenew('mine', { leaseMs })).code).toBe('invalid_option')
})

test('limits hold at their edges', () => {
  expect(readBegin({ leaseMs: 100, retentionMs: 1000 })).toMatchObject({ leaseMs: 100, retentionMs: 1000 })
  const most = { leaseMs: 86_400_000, retentionMs: 34_560_000_000 }
  expect(readBegin(most)).toMatchObject(most)
  for (const [name, value] of [
    ['leaseMs', 99],
    ['leaseMs', 86_400_001],
    ['retentionMs', 999],
    ['retentionMs', 34_560_000_001],
  ] as const)
    expect(caught(() => readBegin({ [name]: value }))).toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(`^${name} is ${value}: it must be a whole number from `) as string,
    })
})

const wrong: readonly (readonly [name: keyof BeginOptions, value: unknown, says: string])[] = [
  ['leaseMs', '1000', 'leaseMs is "1000"'],
  ['leaseMs', Number.NaN, 'leaseMs is NaN'],
  ['leaseMs', 1000.5, 'leaseMs is 1000.5'],
  ['leaseMs', null, 'leaseMs is null'],
  ['leaseMs', 1000n, 'leaseMs is 1000'],
  ['retentionMs', [1], 'retentionMs is an array'],
  ['retentionMs', {}, 'retentionMs is a object'],
  ['afterCrash', 'maybe', `afterCrash is "maybe": it must be 'rerun' or 'uncertain'`],
  ['rerunAttempt', 0, 'rerunAttempt is 0'],
  ['token', '', 'token is ""'],
  ['token', 'a'.repeat(256), `token is "${'a'.repeat(40)}…"`],
  ['token', 'a\n', 'token is "a\\n"'],
  ['fingerprint', '\ud800', 'fingerprint is "\\ud800"'],
  ['fingerprint', true, 'fingerprint is true'],
]
for (const [name, value, says] of wrong)
  test(`a wrong option names itself, its value and what would do: ${says.slice(0, 40)}`, () => {
    const { code, message } = caught(() => readBegin({ [name]: value } as BeginOptions))
    expect(code).toBe('invalid_option')
    expect(message).toContain(says)
    expect(message).toContain('it must be')
  })

test('tokens hold 255 characters of any script', () => {
  for (const token of ['a', 'é'.repeat(255), '\u{1f600}'.repeat(127), ' ', "'; --"])
    expect(readToken(token)).toBe(token)
})

test('a list is asked for by known words only', () => {
  expect(readList({ prefix: '', status: 'uncertain', limit: 1000, cursor: 'a' })).toEqual({
    prefix: '',
    status: 'uncertain',
    limit: 1000,
    cursor: 'a',
  })
  for (const [name, value] of Object.entries({ status: 'done', prefix: 1, cursor: null, limit: 1001 }))
    expect(caught(() => readList({ [name]: value } as ListQuery))).toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(`^${name} is `) as string,
    })
})
