import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Compiler, compile } from './compile.js'

/*
 * The cases are compiled as a user would, against the built declarations. A line that must not compile carries
 * `@ts-expect-error`, which is an error itself where that line compiles.
 */
const here = fileURLToPath(new URL('.', import.meta.url))
const cases = join(here, 'cases')

/** The cases that need the declarations of a newer Node than the oldest that is supported. */
const needsNewerNode = ['node-sqlite.ts']
const files = readdirSync(cases).filter((file) => file.endsWith('.ts'))
const olderFiles = files.filter((file) => !needsNewerNode.includes(file))

let folder = ''
beforeAll(() => {
  // Beneath node_modules, where the packages of the checkout are found and git and the linter do not look.
  const cache = fileURLToPath(new URL('../../../../node_modules/.cache/retrysafe/', import.meta.url))
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'types-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A compiler written in JavaScript takes seconds, and more beside other tests. */
const compilerTimeoutMs = 240_000
const compilers: readonly Compiler[] = ['typescript', 'typescript-5.9']
const nodenext = { module: 'nodenext', moduleResolution: 'nodenext' }
const bundler = { module: 'esnext', moduleResolution: 'bundler' }
/** How packages are found is one thing in both, and the older one takes long. */
const resolutionsOf: Readonly<Record<Compiler, readonly (typeof nodenext)[]>> = {
  typescript: [nodenext, bundler],
  'typescript-5.9': [nodenext],
}

function project(name: string, settings: object, paths: readonly string[]): string {
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    esModuleInterop: true,
    noEmit: true,
    types: ['node'],
    // The declarations of others are not ours to judge; ours are compiled without it in a case of their own.
    skipLibCheck: true,
    ...settings,
  }
  const path = join(folder, `${name}.json`)
  writeFileSync(path, JSON.stringify({ compilerOptions, files: paths }))
  return path
}

for (const compiler of compilers)
  describe(compiler, { timeout: compilerTimeoutMs }, () => {
    for (const resolution of resolutionsOf[compiler]) {
      const name = `${compiler}-${resolution.module}`
      test(`results, codecs, options and clients have the types they promise, under ${resolution.module}`, async () => {
        expect(olderFiles).toContain('results.ts')
        const paths = olderFiles.map((file) => join(cases, file))
        expect(await compile(compiler, project(name, resolution, paths))).toBe('')
      })

      test(`node:sqlite fits the SQLite store, under ${resolution.module}`, async () => {
        const paths = needsNewerNode.map((file) => join(cases, file))
        const settings = { ...resolution, types: ['types-node-24'] }
        expect(await compile(compiler, project(`${name}-newer`, settings, paths))).toBe('')
      })
    }

    test('the built declarations stand on their own, with no types of Node', async () => {
      const declarations = declarationFiles()
      expect(declarations.length).toBeGreaterThan(3)
      const settings = { ...nodenext, types: [], skipLibCheck: false }
      expect(await compile(compiler, project(`${compiler}-declarations`, settings, declarations))).toBe('')
    })
  })

test('where a result needs a codec, the compiler says so in words', { timeout: compilerTimeoutMs }, async () => {
  const path = join(folder, 'words.ts')
  writeFileSync(
    path,
    [
      "import { createIdempotency, type IdempotencyStore } from 'retrysafe'",
      'declare const store: IdempotencyStore',
      "createIdempotency({ store }).run('key', async () => ({ at: new Date() }))",
    ].join('\n'),
  )
  for (const compiler of compilers) {
    const complaint = await compile(compiler, project(`${compiler}-words`, { ...nodenext }, [path]))
    expect(complaint).toContain('return plain JSON data or pass a codec')
  }
})

/** The declarations behind every subpath but those that are for Node alone. */
function declarationFiles(): string[] {
  const manifest = join(dirname(dirname(here)), 'package.json')
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports: Record<string, { types?: string }> }
  return Object.entries(exports)
    .filter(([subpath]) => !['./node', './express', './fastify'].includes(subpath))
    .flatMap(([, entry]) => (entry.types === undefined ? [] : [join(dirname(manifest), entry.types)]))
}
