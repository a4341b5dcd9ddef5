import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import config from '../../../../vitest.config.js'
import library from '../../package.json' with { type: 'json' }

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const folder = `${repository}packages/retrysafe/`
const subpaths = Object.entries<string | { types: string; default: string }>(library.exports)
const code = subpaths.filter(
  (entry): entry is [string, { types: string; default: string }] => typeof entry[1] !== 'string',
)

test('the library has no dependency of any kind', () => {
  const kinds = Object.keys(library).filter((name) => /dependencies/i.test(name))
  expect(kinds).toEqual([])
})

test('nothing runs at install', () => {
  expect(Object.keys(library)).not.toContain('scripts')
})

test('every subpath is flat, and its code and types come from the source of the same name', () => {
  expect(code.length).toBeGreaterThan(3)
  for (const [subpath, entry] of code) {
    expect(subpath).toMatch(/^\.(\/[a-z0-9]+)?$/)
    expect(entry.types).toBe(entry.default.replace(/\.js$/, '.d.ts'))
    const source = entry.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
    expect(existsSync(folder + source), `${subpath} has no ${source}`).toBe(true)
  }
})

test('tests reach every subpath by its source, not by what was built', () => {
  const aliases = config.resolve?.alias
  expect(Array.isArray(aliases)).toBe(true)
  for (const [subpath] of code) {
    const name = `retrysafe${subpath.slice(1)}`
    const found = (Array.isArray(aliases) ? aliases : []).filter(({ find }) => new RegExp(find).test(name))
    expect(found, `vitest.config.ts needs an alias for ${name}`).toHaveLength(1)
  }
})

test('every subpath is built, and exports names but no default', async () => {
  for (const [subpath, entry] of code) {
    const loaded: object = await import(/* @vite-ignore */ folder + entry.default)
    expect(Object.keys(loaded), subpath).not.toContain('default')
    expect(Object.keys(loaded).length, subpath).toBeGreaterThan(0)
  }
})

test('importing the library starts nothing: a program that only imports ends by itself and prints nothing', async () => {
  const { execFile } = await import('node:child_process')
  const imports = code.map(([, entry]) => `import ${JSON.stringify(folder + entry.default)}`).join('\n')
  const args = ['--input-type=module', '--trace-warnings', '-e', imports]
  const printed = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { timeout: 20_000 }, (error, stdout, stderr) =>
      error ? reject(error) : resolve(stdout + stderr),
    )
  })
  expect(printed).toBe('')
})

test('what a package says it holds exists', () => {
  for (const name of ['retrysafe', 'server']) {
    const path = `${repository}packages/${name}/`
    const manifest = JSON.parse(readFileSync(`${path}package.json`, 'utf8')) as { files: string[]; bin?: object }
    const held = [...manifest.files, ...Object.values<string>({ ...manifest.bin })].filter(
      (file) => !file.startsWith('!'),
    )
    expect(held.length).toBeGreaterThan(2)
    expect(held.filter((file) => !existsSync(path + file))).toEqual([])
  }
})

test('both packages carry the licence of the project', () => {
  const licence = readFileSync(`${repository}LICENSE`, 'utf8')
  expect(licence).toContain('The Retrysafe authors')
  for (const name of ['retrysafe', 'server'])
    expect(readFileSync(`${repository}packages/${name}/LICENSE`, 'utf8')).toBe(licence)
})

test('both packages have the same version, and the server asks for exactly that library', () => {
  const path = `${repository}packages/server/package.json`
  const server = JSON.parse(readFileSync(path, 'utf8')) as { version: string; dependencies: Record<string, string> }
  expect(server.version).toBe(library.version)
  expect(server.dependencies.retrysafe).toBe(library.version)
})
