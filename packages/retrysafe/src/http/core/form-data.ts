/* Bodies of `multipart/form-data`, told apart by their fields and files and not by how they are put together. */
import { isBytes } from '../../contract/index.js'
import { digestText } from '../../engine/digest.js'
import { readFormData } from './form-data-parts.js'
import { canonicalFormValue, isReserved, type Pair, treeOf } from './form-tree.js'
import { canonicalParsed } from './json.js'

/** A file of a multipart body, as a parser kept it. */
export interface MultipartFile {
  /** The name of its field. */
  readonly name: string
  readonly filename: string | undefined
  /** Its media type. */
  readonly type: string | undefined
  readonly bytes: Uint8Array
}

/**
 * The canonical text of a `multipart/form-data` body, the same as that of what a parser makes of it; undefined where it
 * is odd. Neither the boundary counts nor the order of different names; the order of the values and files of a name
 * does.
 */
export function canonicalFormData(bytes: Uint8Array, contentType: string): string | undefined {
  const parts = readFormData(bytes, contentType)
  if (parts === undefined) return undefined
  const pairs: Pair[] = []
  const files: MultipartFile[] = []
  for (const { name, filename, type, content } of parts) {
    if (typeof content === 'string') pairs.push([name, content])
    else if (isReserved(name)) return undefined
    else files.push({ name, filename, type, bytes: content })
  }
  const tree = treeOf(pairs)
  const fields = tree === undefined ? undefined : canonicalParsed(tree)
  return fields === undefined ? undefined : textOf(fields, files)
}

/**
 * The canonical text of what a parser made of a multipart body. Bytes among the fields count as files of which it kept
 * neither name nor type. Undefined where the fields are no plain data.
 */
export function canonicalParsedFormData(fields: unknown, files: readonly MultipartFile[]): string | undefined {
  const given = fields ?? {}
  if (typeof given !== 'object') return undefined
  const { values, found } = withoutFiles(given as Readonly<Record<string, unknown>>)
  const text = canonicalFormValue(values, true)
  return text === undefined ? undefined : textOf(text, [...files, ...found])
}

function textOf(fields: string, files: readonly MultipartFile[]): string {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const list = sorted.map(({ name, filename = null, type = null, bytes }) => [name, filename, type, digestText(bytes)])
  return `${fields}${JSON.stringify(list)}`
}

interface Sorted {
  readonly values: object
  readonly found: readonly MultipartFile[]
}

function withoutFiles(fields: Readonly<Record<string, unknown>>): Sorted {
  const isFile = (name: string): boolean => {
    const value = fields[name]
    return Array.isArray(value) ? value.some(isBytes) : isBytes(value)
  }
  const names = Object.keys(fields)
  if (!names.some(isFile)) return { values: fields, found: [] }
  const values: Record<string, unknown> = Object.create(null)
  const found: MultipartFile[] = []
  for (const name of names) {
    const value = fields[name]
    const all: readonly unknown[] = isFile(name) && Array.isArray(value) ? value : [value]
    const others = all.filter((one) => !isBytes(one))
    for (const bytes of all.filter(isBytes)) found.push({ name, filename: undefined, type: undefined, bytes })
    if (others.length > 0) values[name] = others.length > 1 ? others : others[0]
  }
  return { values, found }
}
