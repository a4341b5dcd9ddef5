/* Forms as common parsers read them: the same request must have one fingerprint before and behind each of them. */
import { createRequire } from 'node:module'
import { parse as parseSimply } from 'node:querystring'
import { Readable } from 'node:stream'
import express from 'express'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalForm } from '../../src/http/core/form.js'
import { canonicalFormValue } from '../../src/http/core/form-tree.js'

type Parse = (body: string) => unknown
type Middleware = (request: never, response: never, next: (error?: unknown) => void) => void

const type = 'application/x-www-form-urlencoded'
const { resolve } = createRequire(import.meta.url)
/** Its types are those of Express 5 here. */
const express4 = createRequire(import.meta.url)('express-4') as typeof express
/** What a package depends on itself, as it is installed for it. */
const load = (owner: string, name: string): unknown => createRequire(resolve(owner))(name)

function reader(middleware: unknown): (body: string) => Promise<unknown> {
  return (body) =>
    new Promise((done, fail) => {
      const bytes = Buffer.from(body)
      const headers = { 'content-type': type, 'content-length': String(bytes.length) }
      const request = Object.assign(Readable.from([bytes]), { headers, method: 'POST' })
      const next = (error?: unknown): void => (error ? fail(error) : done((request as { body?: unknown }).body))
      ;(middleware as Middleware)(request as never, {} as never, next)
    })
}

function searchParams(body: string): unknown {
  const read: Record<string, string | string[]> = Object.create(null)
  const params = new URLSearchParams(body)
  for (const name of params.keys()) {
    const values = params.getAll(name)
    read[name] = values.length > 1 ? values : (values[0] ?? '')
  }
  return read
}

const qs = load('express', 'qs') as { parse: Parse }
const parsers: readonly [name: string, parse: (body: string) => unknown | Promise<unknown>][] = [
  ['qs 6.17', qs.parse],
  ['qs 6.16', (load('express-4', 'qs') as { parse: Parse }).parse],
  ['Express, extended', reader(express.urlencoded({ extended: true }))],
  ['Express, not extended', reader(express.urlencoded({ extended: false }))],
  ['Express 4, extended', reader(express4.urlencoded({ extended: true }))],
  ['Express 4, not extended', reader(express4.urlencoded({ extended: false }))],
  ['Fastify', (load('@fastify/formbody', 'fast-querystring') as { parse: Parse }).parse],
  ['querystring', (body) => parseSimply(body)],
  ['URLSearchParams', searchParams],
]

const raw = (body: string): string | undefined => canonicalForm(new TextEncoder().encode(body), type)

/** The text with some of its characters encoded, though they need not be. */
function spell(text: string, choices: readonly number[], isName: boolean): string {
  let spelt = ''
  for (const [index, character] of [...text].entries()) {
    const choice = choices[index % choices.length] ?? 0
    const mustEncode = /[%&+ \ud800-\udfff]/.test(character) || (isName ? character === '=' : /[=\]]/.test(character))
    if (character === ' ' && choice % 2 === 0) spelt += '+'
    else if (!mustEncode && choice % 4 !== 0) spelt += character
    else {
      const bytes = [...Buffer.from(character)].map((byte) => byte.toString(16).padStart(2, '0'))
      spelt += bytes.map((byte) => `%${choice % 3 === 0 ? byte : byte.toUpperCase()}`).join('')
    }
  }
  return spelt
}

const choices = fc.array(fc.nat(11), { minLength: 1, maxLength: 7 })
const first = fc.constantFrom('a', 'b', 'c', '0', '7', 'a.b', 'é', 'x y', '😀', '%5B', '-1', 'a%5Bb', 'a=b', 'a&b')
const group = fc.constantFrom('b', 'c', '0', '1', '2', '-1', 'é', 'a.b', '1e3', ' ', '\ufeff')
const value = fc.oneof(
  fc.constantFrom('', '1', '2', 'a b', '+', '%', '%20', '[x]', 'a=b', ']=', '&', 'é', '😀', '\ufffd', '\0', '\ufeff'),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
)

/** Fields that are mostly sound, in an order in which each list is. */
type Shape = string | readonly Shape[] | { readonly [name: string]: Shape }
const shape: fc.Arbitrary<Shape> = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    value,
    fc.array(tie('shape'), { minLength: 1, maxLength: 3 }),
    fc.dictionary(group, tie('shape'), { minKeys: 1, maxKeys: 3 }),
  ),
})).shape

type Field = readonly [name: string, value: string]

/** A list of values in one of the ways that mean it; anything else member by member. */
function fieldsOf(name: string, tree: Shape, way: number): Field[] {
  if (typeof tree === 'string') return [[name, tree]]
  if (!Array.isArray(tree)) return Object.entries(tree).flatMap(([key, one]) => fieldsOf(`${name}[${key}]`, one, way))
  const list = tree as readonly Shape[]
  const values = list.filter((one) => typeof one === 'string')
  if (values.length < list.length || way % 3 === 0)
    return list.flatMap((one, index) => fieldsOf(`${name}[${index}]`, one, way))
  return values.map((one) => [way % 3 === 1 || values.length === 1 ? `${name}[]` : name, one])
}

const sound = fc
  .tuple(fc.dictionary(first, shape, { maxKeys: 4 }), fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }), choices)
  .map(([shapes, ways, spelling]) => {
    const fields = Object.entries(shapes).flatMap(([name, one], index) =>
      fieldsOf(name, one, ways[index % ways.length] ?? 0),
    )
    return fields
      .map(([name, one]) => `${spell(name, spelling, true)}=${spell(one, spelling, false)}`)
      .join(ways[0] === 0 ? '&&' : '&')
  })

const oddPiece = fc.constantFrom(
  ...['a', 'b', '[', ']', '[]', '[0]', '[1]', '[b]', '=', '&', '&', '=', '1', '%', '%5B', '%5d', '%5D', '+', '%3D'],
  ...['.', '%00', '%FF', '%C3%A9', 'é', '%', '\ufeff', '[constructor]', '__proto__', 'toString', '[01]', '[20]', ';'],
)
const wild = fc.array(oddPiece, { maxLength: 14 }).map((pieces) => pieces.join(''))
const someName = fc.tuple(
  fc.constantFrom('a', 'b', 'a', '0', '', '__proto__'),
  fc.array(fc.constantFrom('[]', '[b]', '[0]', '[1]', '[2]', '[c]', '[00]', ']', '[', 'x'), { maxLength: 3 }),
)
const pairs = fc
  .array(fc.tuple(someName, fc.constantFrom('', '=', '=1', '=2', '=b]=')), { maxLength: 5 })
  .map((all) => all.map(([[name, groups], one]) => `${name}${groups.join('')}${one}`).join('&'))

for (const [name, parse] of parsers)
  test(`a form has one fingerprint before ${name} and behind it`, async () => {
    let known = 0
    const check = async (body: string): Promise<void> => {
      const expected = raw(body)
      if (expected === undefined) return
      known++
      expect(canonicalFormValue(await parse(body))).toBe(expected)
    }
    await fc.assert(fc.asyncProperty(sound, check), { numRuns: 1000 })
    expect(known).toBeGreaterThan(350)
    await fc.assert(fc.asyncProperty(fc.oneof(wild, pairs), check), { numRuns: 2000 })
  })

/** What a service behind `qs` sees, whatever the order of names. */
const seen = (parsed: unknown): string =>
  JSON.stringify(parsed, (_, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )

test('two forms agree only where a service would see the same', () => {
  const body = fc.oneof(pairs, wild, sound)
  let same = 0
  fc.assert(
    fc.property(body, body, (one, other) => {
      const [left, right] = [raw(one), raw(other)]
      if (left === undefined || right === undefined) return
      if (left === right) same++
      expect(left === right).toBe(seen(qs.parse(one)) === seen(qs.parse(other)))
      // Without brackets, which simple parsers leave alone, they tell no more either.
      if (!/\[|%5b/i.test(one + other))
        expect(left === right).toBe(seen(searchParams(one)) === seen(searchParams(other)))
    }),
    { numRuns: 20_000 },
  )
  expect(same).toBeGreaterThan(100)
})

test('two things that one parser made agree only where they say the same', async () => {
  for (const parse of [qs.parse, parseSimply as Parse])
    fc.assert(
      fc.property(fc.oneof(pairs, wild), fc.oneof(pairs, wild), (one, other) => {
        const [left, right] = [parse(one), parse(other)]
        const isSame = canonicalFormValue(left) === canonicalFormValue(right)
        if (seen(left) === seen(right)) expect(isSame).toBe(true)
        // Simple parsers tell apart what brackets spell in two ways, and qs tells lists from what it made of long ones.
        else if (isSame) expect(seen(qs.parse(one))).toBe(seen(qs.parse(other)))
      }),
      { numRuns: 10_000 },
    )
})

test('long lists agree, however a parser keeps them', async () => {
  for (const count of [20, 21, 100, 101, 400])
    for (const name of ['a', 'a[]', 'a[#]', 'a[b]', 'a[b][#]']) {
      const body = Array.from({ length: count }, (_, index) => `${name.replace('#', String(index))}=${index % 7}`).join(
        '&',
      )
      const expected = raw(body)
      expect(expected).toBeDefined()
      for (const [parser, parse] of parsers)
        expect([parser, count, name, canonicalFormValue(await parse(body))]).toEqual([parser, count, name, expected])
    }
})
