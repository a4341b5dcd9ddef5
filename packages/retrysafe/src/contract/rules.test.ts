/* Edges of single rules. That no history breaks them is shown by the model check. */
import { expect, test } from 'vitest'
import {
  type BeginAsk,
  isOver,
  isUncertain,
  onBegin,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type Rec,
} from './rules.js'

const ask: BeginAsk = {
  token: 'mine',
  fingerprint: undefined,
  leaseMs: 100,
  retentionMs: 1000,
  afterCrash: 'rerun',
  rerunAttempt: undefined,
}
const done = { token: 'mine', retentionMs: undefined, kind: 'value', response: '1' }
const renewal = { token: 'mine', leaseMs: undefined, checkpoint: undefined, checkpointNumber: undefined }

function claimed(options: Partial<BeginAsk> = {}, now = 0): Rec {
  const { write } = onBegin(undefined, { ...ask, ...options }, now)
  if (write === undefined) throw new Error('A fresh key is claimed.')
  return write
}

function written(decision: { write?: Rec }): Rec {
  if (decision.write === undefined) throw new Error('Something is written.')
  return decision.write
}

const other = { ...ask, token: 'other' }

test('a lease counts as lapsed exactly skewMs after its end', () => {
  for (const skewMs of [0, 1, 5000]) {
    expect(onBegin(claimed(), other, 99 + skewMs, skewMs).outcome.status).toBe('in_progress')
    expect(onBegin(claimed(), other, 100 + skewMs, skewMs).outcome.status).toBe('new')
    const strict = claimed({ afterCrash: 'uncertain' })
    expect(isUncertain(strict, 99 + skewMs, skewMs)).toBe(false)
    expect(isUncertain(strict, 100 + skewMs, skewMs)).toBe(true)
  }
})

test('a record counts as over exactly skewMs after its end, for every rule', () => {
  const record = claimed()
  for (const skewMs of [0, 1, 5000]) {
    const [before, at] = [1099 + skewMs, 1100 + skewMs]
    expect([isOver(record, before, skewMs), isOver(record, at, skewMs)]).toEqual([false, true])
    expect(onComplete(record, done, before, skewMs).refuse).toBeUndefined()
    expect(onComplete(record, done, at, skewMs).refuse).toBe('lease_lost')
    expect(onRenew(record, renewal, before, skewMs).refuse).toBeUndefined()
    expect(onRenew(record, renewal, at, skewMs).refuse).toBe('lease_lost')
    expect(onRelease(record, 'mine', before, skewMs).remove).toBe(true)
    expect(onRelease(record, 'mine', at, skewMs).refuse).toBe('lease_lost')
    expect(onFree(record, 1, before, skewMs).remove).toBe(true)
    expect(onFree(record, 1, at, skewMs).refuse).toBe('unknown_key')
  }
})

test('what is told and written does not carry the skew', () => {
  const { write, outcome } = onBegin(claimed(), other, 5100, 5000)
  expect(outcome).toMatchObject({ status: 'new', leaseUntil: 5200 })
  expect(write).toMatchObject({ leaseUntil: 5200, expiresAt: 6200 })
})

test('a clock that jumped back lengthens a lease and ends none', () => {
  const record = claimed({}, 10_000)
  expect(onBegin(record, other, 0).outcome).toEqual({ status: 'in_progress', attempt: 1, leaseUntil: 10_100 })
  expect(onComplete(record, done, 0).write).toMatchObject({ completedAt: 0, expiresAt: 1000 })
})

test('the rules never alter the record that they are given', () => {
  const freeze = (record: Rec): Rec => Object.freeze(record)
  const record = freeze(claimed({ fingerprint: 'v1:a' }))
  const saved = freeze(written(onRenew(record, { ...renewal, checkpoint: '1' }, 10)))
  freeze(written(onComplete(saved, done, 20)))
  freeze(written(onRelease(saved, 'mine', 20)))
  freeze(written(onBegin(saved, other, 500)))
  freeze(written(onBegin(saved, ask, 500)))
})

test('every field of a record is always there, in one order', () => {
  const record = claimed()
  const saved = written(onRenew(record, { ...renewal, checkpoint: '1' }, 10))
  const names = Object.keys(record)
  for (const next of [
    saved,
    written(onComplete(saved, done, 20)),
    written(onRelease(saved, 'mine', 20)),
    written(onBegin(saved, other, 500)),
    written(onBegin(saved, ask, 500)),
  ])
    expect(Object.keys(next)).toEqual(names)
})

test('a version of a fingerprint is v, digits and a colon at its beginning', () => {
  const begin = (stored: string, asked: string): string =>
    onBegin(claimed({ fingerprint: stored }), { ...other, fingerprint: asked }, 0).outcome.status
  expect(begin('v1:a', 'v1:b')).toBe('mismatch')
  expect(begin('v10:a', 'v1:0:a')).toBe('in_progress')
  expect(begin('v1:a', 'v2:b')).toBe('in_progress')
  for (const [stored, asked] of [
    ['a', 'b'],
    ['v:a', 'v:b'],
    ['V1:a', 'V2:a'],
    ['xv1:a', 'xv2:a'],
    ['v1', 'v2'],
  ] as const)
    expect(begin(stored, asked)).toBe('mismatch')
})

test('bytes are a checkpoint and a response as text is', () => {
  const bytes = Uint8Array.of(1, 2)
  const saved = written(onRenew(claimed(), { ...renewal, checkpoint: bytes }, 0))
  expect(onBegin(saved, other, 100).outcome).toMatchObject({ status: 'new', checkpoint: bytes })
  const completed = written(onComplete(saved, { ...done, response: new Uint8Array(0) }, 0))
  expect(onBegin(completed, other, 0).outcome).toMatchObject({ status: 'completed', response: new Uint8Array(0) })
})

test('an empty text is a response: nothing but its absence is none', () => {
  const completed = written(onComplete(claimed(), { ...done, response: '""', kind: 'http' }, 0))
  expect(onBegin(completed, other, 0).outcome).toMatchObject({ response: '""', kind: 'http' })
})

test('a record is uncertain only while an attempt that died holds it', () => {
  const strict = claimed({ afterCrash: 'uncertain' })
  expect(isUncertain(claimed(), 10_000)).toBe(false)
  expect(isUncertain(written(onComplete(strict, done, 10_000)), 10_000)).toBe(false)
  expect(isUncertain(written(onRelease(strict, 'mine', 10_000)), 10_000)).toBe(false)
  expect(isUncertain(written(onRenew(strict, { ...renewal, leaseMs: 0 }, 1)), 1)).toBe(true)
})
