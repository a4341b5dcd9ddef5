import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { storeCases } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { root } from './command.mjs'
import { trackedFiles } from './tracked-files.mjs'

test.each([
  ['guarantees.md', 20],
  ['choosing-a-store.md', 20],
])('every test that %s names exists', async (page, least) => {
  const files = (await trackedFiles()).filter((file) =>
    /^packages\/.*\/test\/.*\.ts$|^packages\/.*\.test\.ts$/.test(file),
  )
  const sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  const cases = new Set(storeCases.map(({ name }) => name))
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  const named = [...text.matchAll(/“([^”]+)”/g)].map(([, name]) => name ?? '')
  expect(named.length).toBeGreaterThan(least)
  const isTest = (name: string): boolean =>
    [`'${name}'`, `"${name}"`, `\`${name}\``, `'${name.replaceAll('’', "\\'")}'`].some((quoted) =>
      sources.includes(quoted),
    )
  expect(named.filter((name) => !cases.has(name) && !isTest(name))).toEqual([])
})
