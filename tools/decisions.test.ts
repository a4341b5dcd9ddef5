import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './command.mjs'

const folder = join(root, 'docs/decisions')

test('the index of decisions names every note', () => {
  const index = readFileSync(join(folder, 'README.md'), 'utf8')
  const notes = readdirSync(folder).filter((name) => name !== 'README.md')
  expect(notes.length).toBeGreaterThan(0)
  expect(notes.filter((name) => !index.includes(`](${name})`))).toEqual([])
})
