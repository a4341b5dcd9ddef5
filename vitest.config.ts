import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { skipReporter } from './tools/skip-reporter.js'
import { TestOrder } from './tools/test-order.js'

/** A folder for a JSON report of each run; `.ci/run` counts tests by it. */
const reports = process.env.RETRYSAFE_TEST_REPORTS

function jsonReport(outputFile: string): ['json', { outputFile: string }] {
  return ['json', { outputFile }]
}

const source = (path: string): string => fileURLToPath(new URL(`packages/retrysafe/src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests of the library run on its source; the packed packages have checks of their own.
    alias: [
      {
        find: /^@retrysafe\/engines$/,
        replacement: fileURLToPath(new URL('tools/engines/src/index.ts', import.meta.url)),
      },
      { find: /^retrysafe$/, replacement: source('index.ts') },
      {
        find: /^retrysafe\/(memory|sqlite|postgres|mysql|redis|dynamodb|cas)$/,
        replacement: source('stores/$1.ts'),
      },
      { find: /^retrysafe\/(node|fetch|hono|express|fastify)$/, replacement: source('http/$1.ts') },
      { find: /^retrysafe\/(http|testkit)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', 'examples/**/*.test.ts', 'tools/**/*.test.ts'],
    globalSetup: ['tools/engines/src/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Half of the time a test waits, for an engine or for another process.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    sequence: { sequencer: TestOrder },
    reporters: [
      'default',
      skipReporter(),
      ...(reports === undefined ? [] : [jsonReport(`${reports}/node-${process.versions.node}.json`)]),
    ],
  },
})
