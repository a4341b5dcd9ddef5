/* JSON bodies against a reader that is written as plainly as can be. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalNumber } from '../../engine/canonical.js'
import { canonicalJson, canonicalJsonBytes } from './json.js'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const canonical = (text: string): string | undefined => canonicalJson(bytesOf(text))

type Json = { text: string } | undefined

/** Strict JSON by recursion over strings: slow, and different from the code in every way. */
function reference(source: string): string | undefined {
  const token =
    /[ \t\r\n]*(?:("(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([[\]{},:]))[ \t\r\n]*/y
  let at = 0
  let next = { kind: 'end', text: '' } as { kind: 'string' | 'number' | 'word' | 'mark' | 'end'; text: string }
  const advance = (): void => {
    token.lastIndex = at
    const [whole = '', string, number, word, mark] = token.exec(source) ?? []
    at += whole.length
    if (string !== undefined) next = { kind: 'string', text: string }
    else if (number !== undefined) next = { kind: 'number', text: number }
    else if (word !== undefined) next = { kind: 'word', text: word }
    else next = mark === undefined ? { kind: 'end', text: '' } : { kind: 'mark', text: mark }
  }
  const take = (mark: string): boolean => {
    if (next.kind !== 'mark' || next.text !== mark) return false
    advance()
    return true
  }
  const string = (): string | undefined => {
    if (next.kind !== 'string') return undefined
    const value = JSON.parse(next.text) as string
    advance()
    return value.isWellFormed() ? value : undefined
  }
  const value = (): Json => {
    const { kind, text } = next
    if (kind === 'string') {
      const read = string()
      return read === undefined ? undefined : { text: JSON.stringify(read) }
    }
    if (kind === 'number' || kind === 'word') {
      advance()
      return { text: kind === 'word' ? text : canonicalNumber(text) }
    }
    if (take('[')) {
      const elements: string[] = []
      if (take(']')) return { text: '[]' }
      do {
        const element = value()
        if (element === undefined) return undefined
        elements.push(element.text)
      } while (take(','))
      return take(']') ? { text: `[${elements.join()}]` } : undefined
    }
    if (!take('{')) return undefined
    const members = new Map<string, string>()
    if (take('}')) return { text: '{}' }
    do {
      const name = string()
      if (name === undefined || members.has(name) || !take(':')) return undefined
      const member = value()
      if (member === undefined) return undefined
      members.set(name, member.text)
    } while (take(','))
    const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1))
    return take('}')
      ? { text: `{${sorted.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join()}}` }
      : undefined
  }
  advance()
  const read = value()
  return at === source.length && next.kind === 'end' ? read?.text : undefined
}

const space = fc.constantFrom('', '', '', ' ', '\n', '\t \r')
const character = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'é',
    '😀',
    '\\n',
    '\\u0061',
    '\\u00e9',
    '\\ud83d\\ude00',
    '\\/',
    '\\"',
    '\\u0000',
    '\ue000',
  ),
  fc.integer({ min: 0x20, max: 0x7e }).map((unit) => JSON.stringify(String.fromCharCode(unit)).slice(1, -1)),
)
const text = fc.array(character, { maxLength: 4 }).map((characters) => `"${characters.join('')}"`)
const digits = fc.stringMatching(/^(0|[1-9]\d{0,18})$/)
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.option(fc.stringMatching(/^\d{1,6}$/), { nil: undefined }),
    fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-'), fc.stringMatching(/^\d{1,3}$|^\d{15,20}$/)), {
      nil: undefined,
    }),
  )
  .map(
    ([sign, whole, fraction, power]) =>
      `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${power?.join('') ?? ''}`,
  )
const { value: json } = fc.letrec<{ value: string; spaced: string }>((tie) => ({
  spaced: fc.tuple(space, tie('value'), space).map((pieces) => pieces.join('')),
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(text, number, fc.constantFrom('true', 'false', 'null')),
    fc
      .tuple(space, fc.array(tie('spaced'), { maxLength: 4 }))
      .map(([gap, elements]) => `[${elements.length === 0 ? gap : elements.join(',')}]`),
    fc
      .tuple(space, fc.array(fc.tuple(space, text, space, tie('spaced')), { maxLength: 5 }))
      .map(
        ([gap, members]) =>
          `{${members.length === 0 ? gap : members.map(([before, name, after, value]) => `${before}${name}${after}:${value}`).join(',')}}`,
      ),
  ),
}))

test('any JSON comes to the form that a plain reader gives it', () => {
  fc.assert(
    fc.property(fc.tuple(space, json, space), ([before, value, after]) => {
      const source = before + value + after
      const form = canonical(source)
      expect(form).toBe(reference(source))
      if (form === undefined) return
      expect(canonical(form)).toBe(form)
      expect(parse(form)).toEqual(parse(source))
    }),
    { numRuns: 3000 },
  )
})

/** As the runtime parses it, with -0 as 0. */
function parse(source: string): unknown {
  return JSON.parse(source, (_, member) => (Object.is(member, -0) ? 0 : member)) as unknown
}

test('any damage to JSON is judged as a plain reader judges it', () => {
  const damage = fc.tuple(fc.constantFrom('flip', 'drop', 'double', 'insert', 'cut'), fc.nat(), fc.nat(255))
  fc.assert(
    fc.property(json, fc.array(damage, { minLength: 1, maxLength: 3 }), (source, damages) => {
      let bytes = [...bytesOf(source)]
      for (const [kind, where, byte] of damages) {
        const at = bytes.length === 0 ? 0 : where % bytes.length
        if (kind === 'flip') bytes[at] = byte
        if (kind === 'drop') bytes.splice(at, 1)
        if (kind === 'double') bytes.splice(at, 0, bytes[at] ?? 0)
        if (kind === 'insert') bytes.splice(at, 0, '"\\[]{},:0123456789eE+-. \tn'.charCodeAt(byte % 27))
        if (kind === 'cut') bytes = bytes.slice(0, at)
      }
      const form = canonicalJson(Uint8Array.from(bytes))
      const decoded = decode(bytes)
      expect(form).toBe(decoded === undefined ? undefined : reference(decoded))
      // Whatever is strict is JSON to the runtime too.
      if (form !== undefined) JSON.parse(decoded ?? '')
    }),
    { numRuns: 5000 },
  )
})

function decode(bytes: number[]): string | undefined {
  const buffer = Buffer.from(bytes)
  const decoded = buffer.toString('utf8')
  return Buffer.from(decoded, 'utf8').equals(buffer) ? decoded : undefined
}

test('garbage is judged and never thrown at', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'binary' }).map(bytesOf)), (bytes) => {
      const form = canonicalJsonBytes(bytes)
      if (form !== undefined) expect(() => JSON.parse(new TextDecoder().decode(bytes))).not.toThrow()
    }),
    { numRuns: 3000 },
  )
})
