/* The rules of structure: which room may import which, what only some files may use, how long a file may be. */
import { posix } from 'node:path'
import type { Import, SourceFile } from './source-file.js'

export interface Violation {
  readonly path: string
  readonly line: number
  readonly message: string
}

const library = 'packages/retrysafe/src/'
const server = 'packages/server/src/'
const longestFile = 300

/**
 * Files that may use Node. All others of the library run wherever there are Web APIs: Deno, Bun, Workers, browsers.
 */
export const nodeOnly: readonly RegExp[] = [
  /^packages\/retrysafe\/src\/stores\/sqlite(?:\.ts$|\/)/,
  /^packages\/retrysafe\/src\/http\/(?:carriers\/)?(?:node|express|fastify)(?:\.ts$|\/)/,
  /^packages\/server\//,
]

/** Packages that the library loads when they are installed and asked for. It has no other dependency, not even a type. */
const lazyPackages: readonly { readonly files: RegExp; readonly specifiers: readonly string[] }[] = [
  { files: /^packages\/retrysafe\/src\/stores\/sqlite(?:\.ts$|\/)/, specifiers: ['libsql', 'better-sqlite3'] },
]

/**
 * Time and chance are injected, so that everything runs under a simulated clock. `Math.random` may stand as the default
 * of an injected source (`random = Math.random`), which counts as no use of it.
 */
const timeAndChance = new Set([
  'Date.now',
  'new Date()',
  'performance.now',
  'Math.random',
  'setTimeout',
  'setInterval',
  'AbortSignal.timeout',
])
const mayReadTime: readonly { readonly path: RegExp; readonly names: readonly string[]; readonly why: string }[] = [
  {
    path: /^packages\/retrysafe\/src\/contract\/clock\.ts$/,
    names: ['Date.now', 'performance.now', 'setTimeout'],
    why: 'the system clock itself',
  },
  {
    path: /^packages\/retrysafe\/src\/testkit\/simulated-clock\.ts$/,
    names: ['setTimeout'],
    why: 'lets every promise go on before simulated time moves; it waits for no time',
  },
]

const nodeNames = new Set(['Buffer', 'process', 'NodeJS', '__dirname', '__filename', 'global', 'setImmediate'])

type Room = 'door' | 'contract' | 'engine' | 'stores' | 'http' | 'consumers' | 'client' | 'testkit'

/** What a room of the library may import besides itself. */
const mayImport: Readonly<Record<Room, readonly Room[]>> = {
  door: ['contract', 'engine'],
  contract: [],
  engine: ['contract'],
  stores: ['contract'],
  http: ['contract', 'engine'],
  consumers: ['contract', 'engine'],
  client: ['contract'],
  testkit: ['contract'],
}

export interface Project {
  readonly files: readonly SourceFile[]
  /** The subpaths that the library exports: `retrysafe`, `retrysafe/memory` … */
  readonly publicNames: readonly string[]
}

/** Every violation in the sources, in the order of files and lines. */
export function findViolations(project: Project): Violation[] {
  const paths = new Set(project.files.map((file) => file.path))
  const found = project.files.flatMap((file) => [
    ...checkImports(file, paths, project.publicNames),
    ...checkUses(file),
    ...checkShape(file),
  ])
  return [...found, ...checkCycles(project.files)].sort((a, b) => a.path.localeCompare(b.path) || a.line - b.line)
}

function checkImports(file: SourceFile, paths: ReadonlySet<string>, publicNames: readonly string[]): Violation[] {
  return file.imports.flatMap((one) => {
    const message = judgeImport(file.path, one, paths, publicNames)
    return message === undefined ? [] : [{ path: file.path, line: one.line, message }]
  })
}

function judgeImport(
  path: string,
  one: Import,
  paths: ReadonlySet<string>,
  publicNames: readonly string[],
): string | undefined {
  const { specifier } = one
  if (specifier.startsWith('node:')) {
    return nodeOnly.some((pattern) => pattern.test(path)) ? undefined : `${specifier} in a runtime-neutral file`
  }
  if (!specifier.startsWith('.')) return judgePackage(path, one, publicNames)
  const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
  if (!paths.has(target)) return `${specifier} is no source file`
  if (path.startsWith(server)) {
    return target.startsWith(server) ? undefined : 'the server uses the library only through its public exports'
  }
  return judgeRooms(path, target)
}

function judgePackage(path: string, one: Import, publicNames: readonly string[]): string | undefined {
  const { specifier } = one
  if (path.startsWith(server)) {
    if (specifier !== 'retrysafe' && !specifier.startsWith('retrysafe/')) return undefined
    return publicNames.includes(specifier) ? undefined : `${specifier} is no public export of the library`
  }
  const allowed = lazyPackages.some(({ files, specifiers }) => files.test(path) && specifiers.includes(specifier))
  return allowed && one.lazy ? undefined : `the library has no dependencies, but imports ${specifier}`
}

function judgeRooms(path: string, target: string): string | undefined {
  const from = roomOf(path)
  const to = roomOf(target)
  if (from === undefined) return `${path} stands in no room`
  if (to === undefined) return `${target} stands in no room`
  if (from !== to) return mayImport[from].includes(to) ? undefined : `${from} may not import ${to}`
  if (from === 'stores') return judgeStores(path, target)
  if (from === 'http') return judgeHttp(path, target)
  return undefined
}

/** A store is a file and the folder of the same name beside it: no store imports another, and all share `shared`. */
function judgeStores(path: string, target: string): string | undefined {
  const [own, other] = [partOf(path), partOf(target)]
  if (own === other || other === 'shared') return undefined
  return own === 'shared'
    ? `what stores share imports no store, not ${other}`
    : `a store imports only its own folder and shared, not ${other}`
}

/**
 * An adapter is a thin file that carries the core to one framework, with a folder of its name where it needs more. It
 * imports no other adapter, and the core imports none, so that each can be taken alone. The carriers `web` and `node`
 * are what adapters stand on.
 */
function judgeHttp(path: string, target: string): string | undefined {
  const [own, other] = [partOf(path), partOf(target)]
  if (!frameworks.has(other) || own === other) return undefined
  return frameworks.has(own)
    ? `an adapter imports no sibling adapter, not ${other}`
    : `only users import an adapter, not the core: ${other}`
}

/** The frameworks that there are adapters for, by the names of their files. */
const frameworks = new Set(
  'express fastify koa hono nest next hapi elysia h3 nitro sveltekit remix astro trpc lambda'.split(' '),
)

function checkUses(file: SourceFile): Violation[] {
  const isNeutral = !nodeOnly.some((pattern) => pattern.test(file.path))
  const allowed = mayReadTime.filter(({ path }) => path.test(file.path)).flatMap(({ names }) => names)
  return file.uses.flatMap(({ name, line }) => {
    if (timeAndChance.has(name) && !allowed.includes(name))
      return [{ path: file.path, line, message: `${name}: time and chance are injected` }]
    if (isNeutral && nodeNames.has(name))
      return [{ path: file.path, line, message: `${name} in a runtime-neutral file` }]
    return []
  })
}

function checkShape(file: SourceFile): Violation[] {
  const found = file.defaultExportLines.map((line) => ({ path: file.path, line, message: 'a default export' }))
  if (file.lines > longestFile)
    found.push({ path: file.path, line: longestFile, message: `${file.lines} lines: more than ${longestFile}` })
  if (file.path === `${library}index.ts`)
    for (const line of file.starExportLines)
      found.push({ path: file.path, line, message: 'the front door names what it exports' })
  return found
}

/**
 * Files that import each other in a circle: which of them is loaded first then decides what works. Types are gone by
 * then, and two files may know each other's shape.
 */
function checkCycles(files: readonly SourceFile[]): Violation[] {
  const edges = new Map(files.map((file) => [file.path, localImports(file)]))
  const done = new Set<string>()
  const found: Violation[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      const circle = [...trail.slice(start), path].map((one) => one.replace(/^packages\//, ''))
      found.push({ path, line: 1, message: `imports go in a circle: ${circle.join(' -> ')}` })
      return
    }
    if (done.has(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const file of files) visit(file.path, [])
  return found
}

function localImports(file: SourceFile): string[] {
  return file.imports
    .filter(({ specifier, typeOnly }) => specifier.startsWith('.') && !typeOnly)
    .map(({ specifier }) => posix.join(posix.dirname(file.path), specifier).replace(/\.js$/, '.ts'))
}

function roomOf(path: string): Room | undefined {
  const rest = path.slice(library.length)
  if (rest === 'index.ts') return 'door'
  const room = rest.split('/')[0] ?? ''
  return rest.includes('/') && Object.hasOwn(mayImport, room) && room !== 'door' ? (room as Room) : undefined
}

/** What a file of a room belongs to: `redis` for both `stores/redis.ts` and `stores/redis/client.ts`. */
function partOf(path: string): string {
  const [part = ''] = path.slice(library.length).split('/').slice(1)
  return part.replace(/\.ts$/, '')
}
