import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './command.mjs'
import { findLeaks, registriesOf } from './leaks.mjs'
import { trackedFiles } from './tracked-files.mjs'

/** What this machine is called and where this checkout stands. Short names would be found everywhere. */
function machineNames(): string[] {
  const checkout = root.replace(/\/$/, '')
  const registry = new URL(execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: root })).host
  const names = [`${checkout}/`, `${dirname(checkout)}/`, `${homedir()}/`, hostname(), registry]
  const common = ['localhost', '//', '/', '/tmp/', '/home/', '/src/', '/app/']
  return names.filter((name) => name.length > 4 && !common.includes(name))
}

test('no file names a machine, a registry or how the project was made', async () => {
  const files = (await trackedFiles()).filter((file) => !file.startsWith('tools/leaks'))
  expect(files.length).toBeGreaterThan(50)
  const machine = machineNames()
  const leaks = files.flatMap((file) => findLeaks(file, readFileSync(join(root, file), 'utf8'), machine))
  expect(leaks.map(({ file, line, message }) => `${file}:${line} ${message}`)).toEqual([])
})

test('the lock file names no registry', () => {
  expect(registriesOf(readFileSync(join(root, 'package-lock.json'), 'utf8'))).toEqual([])
  expect(registriesOf('"resolved": "https://npm.example.test/x.tgz"')).toEqual(['https://npm.example.test/x.tgz'])
})

test('what leaks is found', () => {
  const machine = ['/build/agent-7/']
  const leaking = [
    'see /build/agent-7/x.ts',
    'at /home/jo/x.ts',
    'at /Users/jo/x.ts',
    'fixes issue #12',
    'left for the next session',
    'as the brief says',
    'see ../notes/x.md',
  ]
  for (const text of leaking) expect(findLeaks('a.md', text, machine), text).toHaveLength(1)
})

test('words that only look like leaks are let be', () => {
  const harmless = [
    'the session cookie',
    'a session of http2',
    '/home/node/app',
    'in brief',
    'an issue with locks',
    'docs/root/x',
    'my/build/agent-7/x',
  ]
  for (const text of harmless) expect(findLeaks('a.md', text, ['/build/agent-7/']), text).toEqual([])
})
