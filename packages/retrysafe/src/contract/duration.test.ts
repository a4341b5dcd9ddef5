import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration.js'

const read: readonly (readonly [text: string, ms: number])[] = [
  ['500ms', 500],
  ['30s', 30_000],
  ['15m', 900_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['400d', 34_560_000_000],
  ['1.5s', 1500],
  ['1.001s', 1001],
  ['0.25h', 900_000],
  ['0', 0],
  ['0s', 0],
  [' 30s ', 30_000],
]
for (const [text, ms] of read) test(`${JSON.stringify(text)} is ${ms} ms`, () => expect(parseDuration(text)).toBe(ms))

const refused = [
  '',
  '30',
  '30 s',
  '-1s',
  '+1s',
  '1e3ms',
  '.5s',
  '1.s',
  's',
  '1w',
  '1S',
  '1H',
  '30s15m',
  '0x10s',
  'Infinity',
  'NaN',
  '99999999999d',
  '00',
  '1\u0660s',
]
for (const text of refused)
  test(`${JSON.stringify(text)} is no duration, and the message says whose and what would do`, () => {
    const call = (): number => parseDuration(text, '--lease')
    expect(call).toThrow(expect.objectContaining({ code: 'invalid_option' }))
    expect(call).toThrow(`--lease is ${JSON.stringify(text)}`)
    expect(call).toThrow('30s')
  })

test('what is written can be read', () => {
  fc.assert(
    fc.property(fc.nat(10 ** 12), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
})

const written: readonly (readonly [ms: number, text: string])[] = [
  [0, '0ms'],
  [500, '500ms'],
  [1500, '1500ms'],
  [30_000, '30s'],
  [90_000, '90s'],
  [900_000, '15m'],
  [86_400_000, '24h'],
]
for (const [ms, text] of written) test(`${ms} ms is written ${text}`, () => expect(formatDuration(ms)).toBe(text))
