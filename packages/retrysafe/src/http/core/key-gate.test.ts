import { memoryStore } from 'retrysafe/memory'
import { expect, test } from 'vitest'
import { createGate } from './gate.js'
import { createKeyGate, type KeyGateOptions } from './key-gate.js'

interface Asked {
  readonly method?: string
  readonly keys?: readonly string[]
  readonly origin?: string
}

const request = {}
const factsOf = ({ method = 'POST', keys = [], origin }: Asked) => ({
  method,
  target: '/charges',
  header: (name: string): readonly string[] =>
    name === 'idempotency-key' ? keys : name === 'origin' && origin !== undefined ? [origin] : [],
})
const check = (asked: Asked, options?: KeyGateOptions<object>) => createKeyGate(options).check(factsOf(asked), request)
const passes = (key?: string) => ({ action: 'pass', key })

test('a key passes with what it says, quoted or bare', () => {
  expect(check({ keys: ['k-1'] })).toEqual(passes('k-1'))
  expect(check({ keys: [' "k\\"1" '] })).toEqual(passes('k"1'))
  expect(check({ method: 'PATCH', keys: ['k'] })).toEqual(passes('k'))
})

test('what the gate of a store refuses, it refuses in the same words', () => {
  const common = { documentation: 'https://a.example/errors', corsOrigins: ['https://b.example'] }
  const gate = createGate({ store: memoryStore(), allowAnonymous: true, requireKey: true, ...common })
  for (const keys of [[], [''], ['a,b'], ['a', 'b'], ['"a'], ['é'], ['a;b=1'], ['x'.repeat(256)]])
    for (const origin of [undefined, 'https://b.example', 'https://c.example']) {
      const facts = factsOf({ keys, ...(origin === undefined ? {} : { origin }) })
      const refused = gate.admit(facts, request)
      expect(refused).toMatchObject({ action: 'refuse', answer: { status: 400 } })
      expect(createKeyGate(common).check(facts, request)).toEqual(refused)
    }
})

test('scripts of an allowed origin may read a refusal, others may not', () => {
  const names = (origin: string, corsOrigins: string[]): string => {
    const refused = check({ origin }, { corsOrigins })
    return refused.action === 'refuse' ? refused.answer.headers.map(([name, value]) => `${name}: ${value}`).join() : ''
  }
  expect(names('https://b.example', ['https://b.example'])).toContain('Access-Control-Allow-Origin: https://b.example')
  expect(names('https://c.example', ['https://b.example'])).not.toContain('Access-Control')
  expect(names('https://c.example', ['*'])).toContain('Access-Control-Allow-Origin: *')
})

test('a key is required unless it is optional, and even then it must be sound', () => {
  expect(check({})).toMatchObject({ action: 'refuse', answer: { status: 400 } })
  expect(check({}, { optional: true })).toEqual(passes())
  expect(check({ keys: ['k'] }, { optional: true })).toEqual(passes('k'))
  expect(check({ keys: ['a,b'] }, { optional: true })).toMatchObject({ action: 'refuse' })
})

test('other methods, and what is not covered, pass without a look at the key', () => {
  expect(check({ method: 'GET', keys: ['a,b'] })).toEqual(passes())
  expect(check({ method: 'PUT' }, { methods: ['post'] })).toEqual(passes())
  expect(check({ method: 'PUT', keys: ['k'] }, { methods: ['put'] })).toEqual(passes('k'))
  expect(check({ keys: ['a,b'] }, { covers: () => false })).toEqual(passes())
  expect(check({}, { covers: (asked) => asked === request })).toMatchObject({ action: 'refuse' })
})

test('an option that throws is the fault of the service, and nothing passes', () => {
  const covers = (): boolean => {
    throw new Error('hunter2')
  }
  const refused = check({ keys: ['k'] }, { covers })
  expect(refused).toMatchObject({ action: 'refuse', answer: { status: 500 } })
  expect(JSON.stringify(refused)).not.toContain('hunter2')
})

test('options that are none are told at once', () => {
  expect(() => createKeyGate({ methods: 'POST' as never })).toThrow(/methods/)
  expect(() => createKeyGate({ covers: true as never })).toThrow(/covers/)
})
