import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(`packages/retrysafe/src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests of the library run on its source; the packed packages have checks of their own.
    alias: [
      { find: /^retrysafe$/, replacement: source('index.ts') },
      { find: /^retrysafe\/(memory|sqlite)$/, replacement: source('stores/$1.ts') },
      { find: /^retrysafe\/node$/, replacement: source('http/node.ts') },
      { find: /^retrysafe\/(http|testkit)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/{src,test}/**/*.test.ts', 'examples/**/*.test.ts', 'tools/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
})
