import { expect, test } from 'vitest'
import { RetrysafeError } from '../contract/index.js'
import { expectEqual, expectRejection, expectStatus, isSame, show } from './expect.js'

test('equal is deep, by content, and tells -0 from 0', () => {
  for (const [a, b] of [
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [Uint8Array.of(1, 2), Uint8Array.of(0, 1, 2).subarray(1)],
    [new Date(5), new Date(5)],
    [Number.NaN, Number.NaN],
    [-0, -0],
  ])
    expect(isSame(a, b)).toBe(true)
})

test('what differs anywhere is not equal', () => {
  for (const [a, b] of [
    [0, -0],
    [{ a: 1 }, { a: 1, b: undefined }],
    [{ a: undefined }, { b: undefined }],
    [[1], { 0: 1 }],
    [Uint8Array.of(1), [1]],
    [Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
    [Uint8Array.of(1), Uint8Array.of(1, 0)],
    [new Date(5), new Date(6)],
    [new Date(5), 5],
    [null, undefined],
    ['1', 1],
    [{}, null],
  ])
    expect([isSame(a, b), isSame(b, a)]).toEqual([false, false])
})

test('a failed expectation says what was expected and what was seen', async () => {
  expect(() => expectEqual([-0], [0], 'the list')).toThrow('the list: expected [0], saw [0]')
  expect(() => expectEqual(-0, 0, 'zero')).toThrow('zero: expected 0, saw -0')
  expect(() => expectStatus({ status: 'mismatch' }, 'new', 'begin')).toThrow(
    'begin: expected new, saw {"status":"mismatch"}',
  )
  await expect(expectRejection(async () => 5, 'lease_lost', 'renew')).rejects.toThrow(
    'renew: expected a rejection with lease_lost, but it resolved with 5',
  )
  const other = async (): Promise<never> => {
    throw new RetrysafeError('mismatch', 'No.')
  }
  await expect(expectRejection(other, 'lease_lost', 'renew')).rejects.toThrow(
    'renew: expected a rejection with lease_lost, saw mismatch (No.)',
  )
})

test('a synchronous throw is no rejection', async () => {
  const call = (): Promise<never> => {
    throw new RetrysafeError('lease_lost', 'Gone.')
  }
  await expect(expectRejection(call, 'lease_lost', 'renew')).rejects.toThrow('threw lease_lost (Gone.) at once')
})

test('values are shown in few words', () => {
  expect(show(Uint8Array.from({ length: 30 }, (_, index) => index))).toMatch(/^30 bytes \[0 1 .* 19 …\]$/)
  expect(show('a'.repeat(1000))).toMatch(/… \(1002 characters\)$/)
  expect(show(undefined)).toBe('undefined')
  expect(show({ n: 1n })).toBe('[object Object]')
})
