import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { capture, root } from './command.mjs'

/** Runs vitest on a file of tests with the reporter of this repository. */
async function runTests(body: string): Promise<{ code: number; stdout: string }> {
  const cache = join(root, 'node_modules/.cache/retrysafe')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'skips-'))
  try {
    const reporter = JSON.stringify(join(root, 'tools/skip-reporter.ts'))
    const config = `import { skipReporter } from ${reporter}
      export default { test: { include: ['*.test.mjs'], exclude: [], reporters: [skipReporter()] } }`
    writeFileSync(join(folder, 'vitest.config.mts'), config)
    writeFileSync(join(folder, 'some.test.mjs'), `import { test } from 'vitest'\ntest('holds', () => {})\n${body}`)
    const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder]
    return await capture(process.execPath, args, { cwd: folder })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('the reasons of skipped tests are printed', async () => {
  const skip = `for (const name of ['a', 'b']) test(name, (context) => context.skip('there is no database'))`
  expect(await runTests(skip)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('skipped 2: there is no database'),
  })
})

test('a skip without a reason fails the run', async () => {
  const { code, stdout } = await runTests(`test.skip('waits', () => {})`)
  expect(code).toBe(1)
  expect(stdout).toContain('some.test.mjs: waits')
})
