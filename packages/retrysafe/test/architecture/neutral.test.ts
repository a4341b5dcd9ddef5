import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { compile } from '../types/compile.js'
import { neutralFiles, repository } from './files.js'

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-neutral-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Compiles files with what a Web worker has and nothing else: no types of Node, no document, no window. */
function compileNeutral(files: readonly string[]): Promise<string> {
  const path = join(folder, 'tsconfig.json')
  const compilerOptions = {
    lib: ['ES2023', 'ES2024.String', 'WebWorker', 'WebWorker.Iterable', 'WebWorker.AsyncIterable'],
    types: [],
    noEmit: true,
    composite: false,
    declaration: false,
    isolatedDeclarations: false,
  }
  const config = { extends: join(repository, 'tsconfig.base.json'), compilerOptions, files }
  writeFileSync(path, JSON.stringify(config))
  return compile('typescript', path)
}

test('what calls itself runtime-neutral compiles without the types of Node and of browsers', {
  timeout: 120_000,
}, async () => {
  const files = neutralFiles().map((path) => join(repository, path))
  expect(await compileNeutral(files)).toBe('')
})

test('the compiler would have seen a use of Node or of the document', async () => {
  const path = join(folder, 'planted.ts')
  writeFileSync(path, "export const bytes = Buffer.from('')\nexport const title = document.title\n")
  const errors = await compileNeutral([path])
  expect(errors).toMatch(/Buffer/)
  expect(errors).toMatch(/document/)
})
