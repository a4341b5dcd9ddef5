import { runInNewContext } from 'node:vm'
import { expect, test, vi } from 'vitest'
import { isRetrysafeError, RetrysafeError } from './errors.js'

test('an error says its code, its message and its details', () => {
  const cause = new Error('connection reset')
  const expiresAt = new Date(0)
  const error = new RetrysafeError('in_progress', 'It runs.', {
    key: 'a',
    retryAfterMs: 5,
    attempt: 2,
    expiresAt,
    cause,
  })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'RetrysafeError', code: 'in_progress', message: 'It runs.' })
  expect(error).toMatchObject({ key: 'a', retryAfterMs: 5, attempt: 2, expiresAt, cause })
})

test('details that are not given are not there', () => {
  const error = new RetrysafeError('mismatch', 'No.', { key: undefined })
  for (const name of ['key', 'retryAfterMs', 'attempt', 'expiresAt', 'cause']) expect(name in error).toBe(false)
})

test('it is recognised by its code, by any of several codes, or by none', () => {
  const error = new RetrysafeError('mismatch', 'No.')
  expect(isRetrysafeError(error)).toBe(true)
  expect(isRetrysafeError(error, 'mismatch')).toBe(true)
  expect(isRetrysafeError(error, 'in_progress', 'mismatch')).toBe(true)
  expect(isRetrysafeError(error, 'in_progress')).toBe(false)
})

test('it is recognised across copies of the package and across realms', async () => {
  vi.resetModules()
  const copy = await import('./errors.js')
  expect(copy.RetrysafeError).not.toBe(RetrysafeError)
  expect(isRetrysafeError(new copy.RetrysafeError('mismatch', 'No.'), 'mismatch')).toBe(true)
  const foreign = runInNewContext(
    "Object.assign(new Error('No.'), { code: 'mismatch', [Symbol.for('retrysafe.error')]: true })",
  ) as unknown
  expect(isRetrysafeError(foreign, 'mismatch')).toBe(true)
})

test('nothing else is taken for one', () => {
  const lookalike = Object.assign(new Error('No.'), { name: 'RetrysafeError', code: 'mismatch' })
  for (const value of [lookalike, undefined, null, 'mismatch', 1, {}, { code: 'mismatch' }, () => undefined])
    expect(isRetrysafeError(value, 'mismatch')).toBe(false)
})

test('what marks it is not listed with what it says', () => {
  const error = new RetrysafeError('mismatch', 'No.', { key: 'a' })
  expect(Object.keys(error).sort()).toEqual(['code', 'key', 'name'])
  expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'RetrysafeError', code: 'mismatch', key: 'a' })
})
