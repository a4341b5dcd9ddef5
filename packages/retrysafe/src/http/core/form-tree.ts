/* The tree that names with brackets spell, as `qs` and `append-field` read them where they agree. */
import { isBytes, maxJsonDepth, maxSortedMembers } from '../../contract/index.js'
import { canonicalParsed } from './json.js'

/** A field as it was sent. */
export type Pair = readonly [name: string, value: string]

/** Values of one name, lists of `a[]` and `a[0]`, and named members of `a[b]`. */
export type FormTree = string | readonly FormTree[] | { readonly [name: string]: FormTree }

/** More are refused by most parsers, or cut off by some. */
export const maxFields = 1000

/** Pairs of brackets after the first name that `qs` reads by default. */
const maxBrackets = 5

/**
 * The tree of pairs, or undefined where they are odd: where parsers read them differently, refuse them or lose some of
 * them. `a=1` is a value and `a=1&a=2` a list; so is `a[]=1`, and `a[0]=1` if its indexes come in order and without
 * gaps; `a[b]=1` is a member. Dots mean nothing.
 *
 * Odd are: more than 1,000 pairs, more than 5 pairs of brackets, brackets that are unbalanced, nested, in front or
 * followed by text, `[]` that is not last, numbers with leading zeros, empty names, names of `Object.prototype`, and
 * names that are used in two ways, such as `a=1&a[b]=2`.
 */
export function treeOf(pairs: readonly Pair[]): FormTree | undefined {
  if (pairs.length > maxFields) return undefined
  const root: Branch = { kind: 'names', members: new Map() }
  for (const [name, value] of pairs) {
    const steps = readSteps(name)
    if (steps === undefined || !add(root, steps, value)) return undefined
  }
  return treeOfBranch(root)
}

/** Whether a name is one of `Object.prototype`, which parsers refuse, drop or keep. */
export function isReserved(name: string): boolean {
  return Object.hasOwn(Object.prototype, name)
}

/**
 * The canonical text of what a parser of forms made, equal to that of its source unless that is odd. Names with brackets
 * that it left as they were are read here; what it read already stands as it is. Undefined where it is no plain data.
 *
 * `marksJson`: objects within, that some multipart parsers make of JSON, are told apart from those of brackets.
 */
export function canonicalFormValue(value: unknown, marksJson = false): string | undefined {
  if (!isRecord(value)) return undefined
  const tree = treeOfFlat(value)
  if (tree !== undefined) return canonicalParsed(tree)
  const copy: Record<string, unknown> = Object.create(null)
  const left: Left = { members: maxSortedMembers }
  for (const name of Object.keys(value)) copy[name] = plain(value[name], marksJson, 1, left)
  return left.members < 0 ? undefined : canonicalParsed(copy)
}

interface Branch {
  readonly kind: 'names' | 'indexes'
  readonly members: Map<string, Branch | Leaf>
}

interface Leaf {
  readonly kind: 'values' | 'appended'
  readonly values: string[]
}

/** The first name and what stands in each pair of brackets. */
function readSteps(name: string): readonly string[] | undefined {
  const steps: string[] = []
  let at = name.indexOf('[')
  const first = at < 0 ? name : name.slice(0, at)
  if (first === '' || first.includes(']') || isReserved(first)) return undefined
  steps.push(first)
  while (at >= 0 && at < name.length) {
    const until = name.indexOf(']', at)
    if (name[at] !== '[' || until < 0 || steps.length > maxBrackets) return undefined
    const step = name.slice(at + 1, until)
    at = until + 1
    if (step === '' ? at < name.length : step.includes('[') || isReserved(step)) return undefined
    steps.push(step)
  }
  return steps
}

/** False where the tree has something else at its place. */
function add(root: Branch, steps: readonly string[], value: string): boolean {
  let branch = root
  for (const [index, step] of steps.entries()) {
    const kind = kindOf(steps[index + 1])
    let node = branch.members.get(step)
    if (node === undefined) {
      if (branch.kind === 'indexes' && step !== String(branch.members.size)) return false
      node = kind === 'names' || kind === 'indexes' ? { kind, members: new Map() } : { kind, values: [] }
      branch.members.set(step, node)
    } else if (node.kind !== kind) return false
    if ('values' in node) {
      node.values.push(value)
      return true
    }
    branch = node
  }
  return false
}

function kindOf(next: string | undefined): (Branch | Leaf)['kind'] {
  if (next === undefined) return 'values'
  if (next === '') return 'appended'
  // An index with leading zeros is never the next one, so it is odd.
  return /^\d+$/.test(next) ? 'indexes' : 'names'
}

function treeOfBranch(branch: Branch): FormTree {
  if (branch.kind === 'indexes') return Array.from(branch.members.values(), treeOfNode)
  const tree: Record<string, FormTree> = Object.create(null)
  for (const [name, node] of branch.members) tree[name] = treeOfNode(node)
  return tree
}

function treeOfNode(node: Branch | Leaf): FormTree {
  if ('members' in node) return treeOfBranch(node)
  const [only] = node.values
  return node.kind === 'values' && node.values.length === 1 && only !== undefined ? only : node.values
}

/** The tree of what a simple parser made, which leaves brackets as they are; undefined where none is needed or it is odd. */
function treeOfFlat(value: Readonly<Record<string, unknown>>): FormTree | undefined {
  const names = Object.keys(value)
  if (!names.some((name) => name.includes('['))) return undefined
  const pairs: Pair[] = []
  for (const name of names) {
    const member = value[name]
    for (const single of Array.isArray(member) ? (member as unknown[]) : [member]) {
      if (typeof single !== 'string') return undefined
      pairs.push([name, single])
    }
  }
  return treeOf(pairs)
}

/** Parsed values come from a parser, but a service may have put anything into them. */
interface Left {
  members: number
}

/** Without prototypes, and with lists as arrays where a parser made objects of long ones. */
function plain(value: unknown, marksJson: boolean, depth: number, left: Left): unknown {
  if (typeof value !== 'object' || value === null || isBytes(value)) return value
  if (--left.members < 0 || depth > maxJsonDepth) {
    left.members = -1
    return undefined
  }
  if (Array.isArray(value)) return value.map((element) => plain(element, marksJson, depth + 1, left))
  if (!isRecord(value)) return value
  if (marksJson && Object.getPrototypeOf(value) !== null) return { '[json]': plain(value, false, depth, left) }
  const names = Object.keys(value)
  if (names.length > 0 && names.every((name, index) => name === String(index)))
    return names.map((name) => plain(value[name], marksJson, depth + 1, left))
  const copy: Record<string, unknown> = Object.create(null)
  for (const name of names) copy[name] = plain(value[name], marksJson, depth + 1, left)
  return copy
}

/** An object of data alone: parsers make them with and without prototypes, some with an empty one of their own. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype === null) return true
  const above: object | null = Object.getPrototypeOf(prototype)
  return above === null && (Object.hasOwn(prototype, 'hasOwnProperty') || Reflect.ownKeys(prototype).length === 0)
}
