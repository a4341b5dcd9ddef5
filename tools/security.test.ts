import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adapterCases, storeCases } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { root } from './command.mjs'
import { trackedFiles } from './tracked-files.mjs'

test('every test that the page on security names exists', async () => {
  const files = (await trackedFiles()).filter((file) => /^packages\/.*\.test\.ts$/.test(file))
  const sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n')
  const cases = new Set([...adapterCases, ...storeCases].map(({ name }) => name))
  const text = readFileSync(join(root, 'docs/scope-and-security.md'), 'utf8')
  const named = [...text.matchAll(/“([^”]+)”/g)].map(([, name]) => name ?? '').filter((name) => name !== 'quotes')
  expect(named.length).toBeGreaterThan(20)
  const isTest = (name: string): boolean => [`'${name}'`, `"${name}"`].some((quoted) => sources.includes(quoted))
  expect(named.filter((name) => !cases.has(name) && !isTest(name))).toEqual([])
})
