import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the cases need no runner and no module of a platform', () => {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts'),
  )
  expect(files.length).toBeGreaterThan(15)
  for (const file of files) {
    const imports = [...readFileSync(`${folder}${file}`, 'utf8').matchAll(/from '([^']+)'/g)]
      .map(([, from]) => from)
      .filter((from) => from !== 'retrysafe/memory' && from !== 'retrysafe/testkit') // the examples in comments
    for (const from of imports) expect(from, file).toMatch(/^\.{1,2}\//)
  }
})
