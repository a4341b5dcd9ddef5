/* What keeps a process alive can be seen in a process of its own only. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileInto } from '../stores/compiled.js'

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-script-'))

beforeAll(() => {
  compileInto(folder, ['test/engine/script-child.ts'], ['src/engine'])
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function outcomeOf(failures: number): { status: number | null; lines: string[] } {
  const script = join(folder, 'test/engine/script-child.js')
  const { status, stdout } = spawnSync(process.execPath, [script, String(failures)], { encoding: 'utf8' })
  return { status, lines: stdout.trim().split('\n') }
}

test('a script whose store is down has its response all the same, and can end', () => {
  expect(outcomeOf(Number.POSITIVE_INFINITY)).toEqual({ status: 0, lines: ['the response'] })
})

test('a script that waits for drain lives until its response is stored', () => {
  expect(outcomeOf(6)).toEqual({ status: 0, lines: ['the response', 'completed'] })
})
