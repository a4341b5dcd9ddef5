import { expect, test } from 'vitest'
import { countTests } from './report.mjs'

const passed = { fullName: 'holds', status: 'passed' }
const failed = { fullName: 'breaks', status: 'failed' }
const skipped = { fullName: 'waits', status: 'skipped' }

test('the runs of all Nodes are summed, and skipped tests are named but not counted', () => {
  const file = { name: 'a.test.ts', status: 'passed', assertionResults: [passed, passed, skipped] }
  const report = { success: true, testResults: [file] }
  expect(countTests([report, report])).toEqual({
    passed: 4,
    failed: 0,
    skipped: ['a.test.ts: waits', 'a.test.ts: waits'],
    failures: [],
  })
})

test('a failed test is counted once, not again by its file or its run', () => {
  const file = { name: 'a.test.ts', status: 'failed', assertionResults: [passed, failed] }
  expect(countTests([{ success: false, testResults: [file] }])).toMatchObject({
    passed: 1,
    failed: 1,
    failures: ['a.test.ts: breaks'],
  })
})

test('a file that could not be loaded is a failure', () => {
  const file = { name: 'a.test.ts', status: 'failed', assertionResults: [] }
  expect(countTests([{ success: false, testResults: [file] }])).toMatchObject({ failed: 1, failures: ['a.test.ts'] })
})

test('a run that failed without naming a test is a failure', () => {
  const file = { name: 'a.test.ts', status: 'passed', assertionResults: [passed] }
  expect(countTests([{ success: false, testResults: [file] }])).toMatchObject({ passed: 1, failed: 1 })
})
