/*
 * Runs every check and ends with one line, `N passed, N failed`: tests as vitest counts them, every other step as one.
 * Uses nothing but Node, so that it can begin in a clone that has no packages yet. Names as arguments run those steps
 * alone: `.ci/run lint snippets`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture, run } from './command.mjs'
import { countTests, readReports, reportVariable } from './report.mjs'

/**
 * @typedef {{ name: string, what: string, command: string[], needed?: boolean, counted?: boolean }} Step
 * @type {readonly Step[]}
 */
const steps = [
  { name: 'install', what: 'install what the lock file names', command: ['npm', 'ci'], needed: true },
  { name: 'build', what: 'compile both packages and the examples', command: ['npm', 'run', 'build'], needed: true },
  { name: 'types', what: 'type-check tests, tools and benchmarks', command: ['npm', 'run', 'types'] },
  { name: 'lint', what: 'lint and formatting', command: ['npm', 'run', 'lint'] },
  { name: 'unused', what: 'unused files, exports and dependencies', command: ['npm', 'run', 'unused'] },
  { name: 'test', what: "the README's test command", command: ['npm', 'test'], counted: true },
  { name: 'packages', what: 'the packed packages in an empty folder', command: ['node', 'tools/packages.mjs'] },
  { name: 'snippets', what: 'documentation snippets compile', command: ['node', 'tools/snippets.mjs'] },
  { name: 'examples', what: 'examples run', command: ['node', 'tools/examples.mjs'] },
]

const total = { passed: 0, failed: 0 }
/** @type {string[]} */
const failures = []
const stop = new AbortController()
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.once(signal, () => stop.abort())

const reports = mkdtempSync(join(tmpdir(), 'retrysafe-reports-'))
try {
  await runSteps(chosenSteps(process.argv.slice(2)))
} finally {
  rmSync(reports, { recursive: true, force: true })
}
for (const failure of failures) console.log(`failed: ${failure}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1

/**
 * @param {readonly string[]} names
 * @returns {readonly Step[]}
 */
function chosenSteps(names) {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name))
  if (unknown.length === 0) return names.length === 0 ? steps : steps.filter((step) => names.includes(step.name))
  console.error(`no such step: ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}`)
  total.failed += unknown.length
  return []
}

/** @param {readonly Step[]} chosen */
async function runSteps(chosen) {
  const before = await treeState()
  const began = Date.now()
  for (const [index, step] of chosen.entries()) {
    const ended = await runStep(step)
    if (ended && !stop.signal.aborted) continue
    if (!step.needed && !stop.signal.aborted) continue
    for (const left of chosen.slice(index + 1)) fail(`${left.name} (not run)`)
    break
  }
  if (chosen.length > 0) judge('clean', (await treeState()) === before)
  console.log(`\nall steps: ${seconds(began)}`)
}

/**
 * @param {Step} step
 * @returns {Promise<boolean>} whether it went well
 */
async function runStep(step) {
  console.log(`\n=== ${step.name}: ${step.what}`)
  const began = Date.now()
  const [program = '', ...args] = step.command
  const code = await run(program, args, { env: { [reportVariable]: reports }, signal: stop.signal })
  if (step.counted) countStep(step, code)
  else judge(step.name, code === 0)
  console.log(`=== ${step.name}: ${code === 0 ? 'passed' : `failed with ${code}`} in ${seconds(began)}`)
  return code === 0
}

/**
 * @param {Step} step
 * @param {number} code
 */
function countStep(step, code) {
  const found = readReports(reports)
  const count = countTests(found)
  total.passed += count.passed
  total.failed += count.failed
  failures.push(...count.failures)
  if (count.skipped.length > 0) console.log(`skipped ${count.skipped.length}:\n  ${count.skipped.join('\n  ')}`)
  if (found.length === 0) fail(`${step.name} (no report)`)
  else if (code !== 0 && count.failed === 0) fail(step.name)
}

/** What git sees of the work tree; the checks must leave it as they found it. */
async function treeState() {
  const { code, stdout } = await capture('git', ['status', '--porcelain', '--untracked-files=all'])
  return code === 0 ? stdout : ''
}

/**
 * @param {string} name
 * @param {boolean} well
 */
function judge(name, well) {
  if (well) total.passed += 1
  else fail(name)
}

/** @param {string} name */
function fail(name) {
  total.failed += 1
  failures.push(name)
}

/** @param {number} began */
function seconds(began) {
  return `${((Date.now() - began) / 1000).toFixed(1)} s`
}
