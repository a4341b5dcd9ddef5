/*
 * Runs every example as its reader would, in an empty folder, and compares what it prints with the file beside it:
 * `examples/charge.ts` prints `examples/charge.out`. Examples of servers serve themselves a few requests and end.
 * An example with a test of its own (`charge.test.ts`) is left to that.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture, root } from './command.mjs'

const folder = join(root, 'examples')
const longestMs = 60_000

const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
const names = files.map((file) => file.slice(0, -'.ts'.length)).sort()
let failed = names.length === 0
if (failed) console.log('there is no example at all: that cannot be right')
for (const name of names) {
  if (existsSync(join(folder, `${name}.test.ts`))) console.log(`tested  ${name}`)
  else if (await runs(name)) console.log(`ran     ${name}`)
  else failed = true
}
process.exitCode = failed ? 1 : 0

/**
 * @param {string} name
 * @returns {Promise<boolean>}
 */
async function runs(name) {
  const expected = join(folder, `${name}.out`)
  if (!existsSync(expected)) return complain(name, `it needs examples/${name}.out, or a test`)
  const cwd = mkdtempSync(join(tmpdir(), 'retrysafe-example-'))
  try {
    const program = join(folder, 'dist', `${name}.js`)
    const { code, stdout, stderr } = await capture(process.execPath, [program], { cwd, timeoutMs: longestMs })
    if (code !== 0) return complain(name, `it ended with ${code}\n${stdout}${stderr}`)
    if (stdout !== readFileSync(expected, 'utf8')) return complain(name, `it printed, unlike ${name}.out:\n${stdout}`)
    return true
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

/**
 * @param {string} name
 * @param {string} message
 */
function complain(name, message) {
  console.log(`FAILED  ${name}: ${message}`)
  return false
}
