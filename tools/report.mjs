/* Reads the JSON reports that vitest leaves, one a run. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where vitest.config.ts puts its reports, if this variable names a folder. */
export const reportVariable = 'RETRYSAFE_TEST_REPORTS'

/**
 * @typedef {{ assertionResults: { fullName: string, status: string }[], name: string, status: string }} FileResult
 * @typedef {{ success: boolean, testResults: FileResult[] }} Report
 * @typedef {{ passed: number, failed: number, skipped: string[], failures: string[] }} Count
 */

/**
 * Counts tests. A file that failed without a failed test (it could not be loaded, a hook threw) counts as one failure,
 * and so does a run that calls itself unsuccessful without naming any: what broke must not vanish from the sum.
 *
 * @param {readonly Report[]} reports
 * @returns {Count}
 */
export function countTests(reports) {
  /** @type {Count} */
  const count = { passed: 0, failed: 0, skipped: [], failures: [] }
  for (const report of reports) {
    const before = count.failed
    for (const file of report.testResults) countFile(file, count)
    if (!report.success && count.failed === before) fail(count, 'the run as a whole')
  }
  return count
}

/**
 * @param {FileResult} file
 * @param {Count} count
 */
function countFile(file, count) {
  const before = count.failed
  for (const test of file.assertionResults) {
    if (test.status === 'passed') count.passed += 1
    else if (test.status === 'failed') fail(count, `${file.name}: ${test.fullName}`)
    else count.skipped.push(`${file.name}: ${test.fullName}`)
  }
  if (file.status === 'failed' && count.failed === before) fail(count, file.name)
}

/**
 * @param {Count} count
 * @param {string} what
 */
function fail(count, what) {
  count.failed += 1
  count.failures.push(what)
}

/**
 * @param {string} folder
 * @returns {Report[]}
 */
export function readReports(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return names.sort().map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
}
