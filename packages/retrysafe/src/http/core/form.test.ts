import { expect, test } from 'vitest'
import { canonicalForm } from './form.js'
import { canonicalFormValue, treeOf } from './form-tree.js'

const type = 'application/x-www-form-urlencoded'
const form = (text: string, contentType = type): string | undefined =>
  canonicalForm(new TextEncoder().encode(text), contentType)

const canonical: readonly [text: string, expected: string][] = [
  ['', '{}'],
  ['a=1', '{"a":"1"}'],
  ['a', '{"a":""}'],
  ['a=', '{"a":""}'],
  ['&a=1&&', '{"a":"1"}'],
  ['b=2&a=1', '{"a":"1","b":"2"}'],
  ['a=1&b=x&a=2', '{"a":["1","2"],"b":"x"}'],
  ['a=2&a=1', '{"a":["2","1"]}'],
  ['a[]=1', '{"a":["1"]}'],
  ['a[]=1&a[]=2', '{"a":["1","2"]}'],
  ['a[0]=1&a[1]=2', '{"a":["1","2"]}'],
  ['a%5B0%5d=1', '{"a":["1"]}'],
  ['a[b]=1&a[c][d]=2', '{"a":{"b":"1","c":{"d":"2"}}}'],
  ['a[b][]=1&a[b][]=2', '{"a":{"b":["1","2"]}}'],
  ['a[0][b]=1&a[1][b]=2&a[0][c]=3', '{"a":[{"b":"1","c":"3"},{"b":"2"}]}'],
  ['a[b][c][d][e][f]=1', '{"a":{"b":{"c":{"d":{"e":{"f":"1"}}}}}}'],
  ['a.b=1', '{"a.b":"1"}'],
  ['0=1&10=2&9=3', '{"0":"1","10":"2","9":"3"}'],
  ['a=1=2', '{"a":"1=2"}'],
  ['a=b%5D%3Dc', '{"a":"b]=c"}'],
  ['a[b]=c]=d', '{"a":{"b":"c]=d"}}'],
  ['x+y=%2B+%26', '{"x y":"+ &"}'],
  ['é=%C3%A9', '{"é":"é"}'],
]

for (const [text, expected] of canonical)
  test(`the form ${text} is ${expected}`, () => expect(form(text)).toBe(expected))

const odd: readonly string[] = [
  ...[
    '=1',
    '[a]=1',
    '[]=1',
    'a[=1',
    'a]=1',
    'a[b=1',
    'a[b]c=1',
    'a[[b]]=1',
    'a[b]]=1',
    'a[b][c',
    'a[][b]=1',
    'a[][]=1',
  ],
  ...['a[b][c][d][e][f][g]=1', 'a[01]=1', 'a[1]=1', 'a[1]=2&a[0]=1', 'a[0]=1&a[2]=2', 'a[00]=1'],
  ...[
    'a=1&a[b]=2',
    'a[b]=1&a=2',
    'a=1&a[]=2',
    'a[]=1&a=2',
    'a[]=1&a[0]=2',
    'a[0]=1&a[]=2',
    'a[0]=1&a[b]=2',
    'a[b]=1&a[0]=2',
  ],
  ...['a[b]=1&a[b][c]=2', '__proto__=1', 'constructor=1', 'a[toString]=1', 'a[0][hasOwnProperty]=1'],
  ...['a=%', 'a=%zz', 'a=%ff', '%ff=1', 'a=%ED%A0%80', '\ufeffa=1', 'a=b]=c', 'a=b%5D=c', 'a[b=c]=d'],
  ...[Array.from({ length: 1001 }, () => 'a=1').join('&'), 'a=1'.padEnd(1003, '&')],
]

for (const text of odd) test(`the form ${text.slice(0, 30)} is odd`, () => expect(form(text)).toBeUndefined())

test('1,000 fields are none too many', () => {
  const text = Array.from({ length: 1000 }, (_, index) => `a[${index}]=1`).join('&')
  expect(form(text)).toBeDefined()
  expect(form('a=1'.padEnd(1002, '&'))).toBe(form('a=1'))
})

test('bytes that are no UTF-8, and forms in another charset, are odd', () => {
  expect(canonicalForm(new Uint8Array([0x61, 0x3d, 0xff]), type)).toBeUndefined()
  expect(form('a=1', `${type}; charset=iso-8859-1`)).toBeUndefined()
  expect(form('a=1', `${type};charset=utf-8;charset=iso-8859-1`)).toBeUndefined()
  expect(form('a=1', `${type}; charset=UTF-8`)).toBe('{"a":"1"}')
})

const parsed: readonly [name: string, value: unknown, expected: string | undefined][] = [
  ['names with brackets', { 'a[b]': '1', 'a[c]': ['2', '3'] }, '{"a":{"b":"1","c":["2","3"]}}'],
  ['a tree', { a: { b: '1', c: ['2', '3'] } }, '{"a":{"b":"1","c":["2","3"]}}'],
  ['a list that became an object', { a: { 0: 'x', 1: 'y' } }, '{"a":["x","y"]}'],
  ['numbers as names that are no list', { a: { 1: 'x', 2: 'y' } }, '{"a":{"1":"x","2":"y"}}'],
  ['numbers as names of fields', { 0: 'x' }, '{"0":"x"}'],
  ['odd names as they are', { 'a[': '1', b: { 0: '2' } }, '{"a[":"1","b":["2"]}'],
  ['odd names in a simple form', { 'a[b]': '1', 'a]': '2' }, '{"a[b]":"1","a]":"2"}'],
  ['brackets around what is no text', { 'a[b]': { c: '1' } }, '{"a[b]":{"c":"1"}}'],
  ['an object without a prototype', Object.assign(Object.create(null), { a: '1' }), '{"a":"1"}'],
  ['an object with an empty prototype', Object.assign(Object.create(Object.create(null)), { a: '1' }), '{"a":"1"}'],
  ['nothing', {}, '{}'],
  ['an object with behaviour', { a: new Map() }, undefined],
  ['an array with holes', { a: new Array(2) }, undefined],
  ['bytes', { a: new Uint8Array(1) }, undefined],
  ['null', null, undefined],
  ['undefined', undefined, undefined],
  ['a list', ['a'], undefined],
  ['a class', new (class A {})(), undefined],
]

for (const [name, value, expected] of parsed)
  test(`of ${name}, a parser's form is ${expected ?? 'unknown'}`, () =>
    expect(canonicalFormValue(value)).toBe(expected))

test('more than 1,000 fields that were parsed stand as they are', () => {
  const simple = (count: number) => canonicalFormValue({ 'a[b]': Array.from({ length: count }, () => '1') })
  expect(simple(1000)).toMatch(/^{"a":{"b":/)
  expect(simple(1001)).toMatch(/^{"a\[b\]":/)
})

test('what refers to itself is unknown and does not hang', () => {
  const loop: Record<string, unknown> = { b: '1' }
  loop.a = loop
  loop.c = [loop, loop]
  expect(canonicalFormValue(loop)).toBeUndefined()
})

test('levels that are too deep are unknown, and not left out', () => {
  const nested = (levels: number): unknown => (levels === 0 ? '1' : { a: nested(levels - 1) })
  expect(canonicalFormValue(nested(999))).toBeDefined()
  expect(canonicalFormValue(nested(1500))).toBeUndefined()
})

test('more members than are sorted are unknown', () => {
  const list = Array.from({ length: 50_001 }, () => ({}))
  expect(canonicalFormValue({ a: list })).toBeUndefined()
  // What comes after them is not left out.
  expect(canonicalFormValue({ a: list.slice(2), b: { c: '1' } })).toBeUndefined()
  expect(canonicalFormValue({ a: Array.from({ length: 50_001 }, () => '1') })).toBeDefined()
})

test('a name that is a member of every object is told from the member', () => {
  expect(treeOf([['constructor', '1']])).toBeUndefined()
  expect(canonicalFormValue(JSON.parse('{"__proto__":"1"}'))).toBe('{"__proto__":"1"}')
})
