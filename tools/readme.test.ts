import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { root } from './command.mjs'
import { trackedFiles } from './tracked-files.mjs'

/** Commands that npm has by itself. */
const builtIn = ['test', 'start']

/** The scripts that a text tells its reader to run: `npm test`, `npm run build`. */
function scriptsIn(text: string): string[] {
  return [...text.matchAll(/\bnpm (?:run (?:-s |--silent )?)?([a-z][\w:-]*)/g)].flatMap(([command, name = '']) =>
    command.startsWith('npm run') || builtIn.includes(name) ? [name] : [],
  )
}

test('every npm script that the documentation names exists', async () => {
  const files = (await trackedFiles()).filter((file) =>
    /^(?:[A-Z]+\.md|docs\/.*\.md|packages\/[^/]+\/README\.md)$/.test(file),
  )
  expect(files).toContain('README.md')
  const missing = files.flatMap((file) =>
    scriptsIn(readFileSync(join(root, file), 'utf8'))
      .filter((name) => !Object.hasOwn(manifest.scripts, name))
      .map((name) => `${file}: npm run ${name}`),
  )
  expect(missing).toEqual([])
})

test('the README tells how to build or install, and how to test', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  expect(scriptsIn(text)).toContain('test')
  expect(text).toMatch(/\bnpm (?:ci|install|i)\b/)
})

test('the scripts that everybody expects are there', () => {
  const names = ['build', 'test', 'lint', 'format', 'start', 'bench', 'check']
  expect(names.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([])
})

test('links between documents lead to files that exist', async () => {
  const files = await trackedFiles()
  const broken = files
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8').replace(/^(`{3,})[\s\S]*?^\1\s*$/gm, '')
      const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)/g)].map(
        ([, link]) => link ?? '',
      )
      const known = (link: string): boolean => {
        const path = join(file, '..', link).replace(/\/$/, '')
        return files.includes(path) || files.some((one) => one.startsWith(`${path}/`))
      }
      return links.filter((link) => !known(link)).map((link) => `${file}: ${link}`)
    })
  expect(broken).toEqual([])
})
