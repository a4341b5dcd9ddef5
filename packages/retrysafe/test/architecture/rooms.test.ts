import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { neutralFiles, repository, sourceFiles } from './files.js'
import { findViolations, type Violation } from './rules.js'
import { readSourceFile } from './source-file.js'

const publicNames = Object.keys(manifest.exports).map((subpath) => `retrysafe${subpath.slice(1)}`)

/** Violations of the given sources, beside whatever else they import. */
function judge(sources: Readonly<Record<string, string>>): string[] {
  const files = Object.entries(sources).map(([path, text]) => readSourceFile(`packages/${path}`, text))
  return findViolations({ files, publicNames }).map(show)
}

function show({ path, line, message }: Violation): string {
  return `${path.replace('packages/', '')}:${line} ${message}`
}

test('every room imports only what it may, and every file is neutral, bounded and free of circles', () => {
  const files = sourceFiles().map((path) => readSourceFile(path, readFileSync(`${repository}${path}`, 'utf8')))
  expect(files.length).toBeGreaterThan(10)
  expect(findViolations({ files, publicNames }).map(show)).toEqual([])
})

test('most of the library is runtime-neutral', () => {
  expect(neutralFiles().length).toBeGreaterThan(10)
  expect(neutralFiles()).not.toContain('packages/retrysafe/src/stores/sqlite.ts')
})

const contract = { 'retrysafe/src/contract/index.ts': 'export {}\n', 'retrysafe/src/contract/keys.ts': 'export {}\n' }

test('a store may import the contract, its own folder and what stores share', () => {
  expect(
    judge({
      ...contract,
      'retrysafe/src/stores/shared/swap.ts': "import '../../contract/index.js'\n",
      'retrysafe/src/stores/redis/rows.ts': "import '../../contract/index.js'\nimport '../shared/swap.js'\n",
      'retrysafe/src/stores/redis.ts': "import './redis/rows.js'\nimport './shared/swap.js'\n",
    }),
  ).toEqual([])
})

test('what stores share imports no store, and no store what another one keeps in its folder', () => {
  expect(
    judge({
      'retrysafe/src/stores/redis/rows.ts': '',
      'retrysafe/src/stores/mysql/rows.ts': "import '../redis/rows.js'\n",
      'retrysafe/src/stores/mysql.ts': "import './redis/rows.js'\n",
      'retrysafe/src/stores/shared/swap.ts': "import '../redis/rows.js'\n",
    }),
  ).toEqual([
    'retrysafe/src/stores/mysql.ts:1 a store imports only its own folder and shared, not redis',
    'retrysafe/src/stores/mysql/rows.ts:1 a store imports only its own folder and shared, not redis',
    'retrysafe/src/stores/shared/swap.ts:1 what stores share imports no store, not redis',
  ])
})

test('the contract imports no other room', () => {
  expect(
    judge({ 'retrysafe/src/contract/keys.ts': "import '../engine/run.js'\n", 'retrysafe/src/engine/run.ts': '' }),
  ).toEqual(['retrysafe/src/contract/keys.ts:1 contract may not import engine'])
})

test('a store never imports the engine, not even a type, nor another store', () => {
  expect(
    judge({
      'retrysafe/src/engine/run.ts': '',
      'retrysafe/src/stores/memory.ts': '',
      'retrysafe/src/stores/redis.ts': [
        "import type { Run } from '../engine/run.js'",
        "export { memoryStore } from './memory.js'",
        "type Run2 = import('../engine/run.js').Run",
      ].join('\n'),
    }),
  ).toEqual([
    'retrysafe/src/stores/redis.ts:1 stores may not import engine',
    'retrysafe/src/stores/redis.ts:2 a store imports only its own folder and shared, not memory',
    'retrysafe/src/stores/redis.ts:3 stores may not import engine',
  ])
})

test('an adapter imports no store and no sibling adapter, and the core imports no adapter', () => {
  expect(
    judge({
      'retrysafe/src/stores/memory.ts': '',
      'retrysafe/src/http/core.ts': "import './express.js'\n",
      'retrysafe/src/http/express.ts':
        "import '../stores/memory.js'\nimport './koa.js'\nimport './node.js'\nimport './express/body.js'\n",
      'retrysafe/src/http/express/body.ts': "import '../koa.js'\n",
      'retrysafe/src/http/koa.ts': '',
      'retrysafe/src/http/node.ts': "import { createServer } from 'node:http'\n",
    }),
  ).toEqual([
    'retrysafe/src/http/core.ts:1 only users import an adapter, not the core: express',
    'retrysafe/src/http/express.ts:1 http may not import stores',
    'retrysafe/src/http/express.ts:2 an adapter imports no sibling adapter, not koa',
    'retrysafe/src/http/express/body.ts:1 an adapter imports no sibling adapter, not koa',
  ])
})

test('the server reaches the library only through its public exports', () => {
  expect(
    judge({
      ...contract,
      'server/src/proxy/proxy.ts': [
        "import 'retrysafe'",
        "import 'retrysafe/memory'",
        "import 'retrysafe/contract/keys.js'",
        "import '../../../retrysafe/src/contract/keys.js'",
        "import 'node:http'",
      ].join('\n'),
    }),
  ).toEqual([
    'server/src/proxy/proxy.ts:3 retrysafe/contract/keys.js is no public export of the library',
    'server/src/proxy/proxy.ts:4 the server uses the library only through its public exports',
  ])
})

test('the library depends on no package, and loads one only where that is its job', () => {
  expect(
    judge({
      'retrysafe/src/engine/run.ts': "import { z } from 'zod'\n",
      'retrysafe/src/engine/lazy.ts': "const name = 'zod'\nawait import(name)\n",
      'retrysafe/src/stores/sqlite.ts': "await import('libsql')\nawait import('node:sqlite')\nimport 'libsql'\n",
    }),
  ).toEqual([
    'retrysafe/src/engine/lazy.ts:2 the library has no dependencies, but imports (computed)',
    'retrysafe/src/engine/run.ts:1 the library has no dependencies, but imports zod',
    'retrysafe/src/stores/sqlite.ts:3 the library has no dependencies, but imports libsql',
  ])
})

test('a runtime-neutral file uses nothing of Node', () => {
  expect(
    judge({
      'retrysafe/src/engine/run.ts': [
        "import { createHash } from 'node:crypto'",
        "export const bytes = Buffer.from('')",
        'export const limit = process.env.LIMIT',
        'export type Timer = NodeJS.Timeout',
        'export const wrapped = { Buffer }',
      ].join('\n'),
    }),
  ).toEqual([
    'retrysafe/src/engine/run.ts:1 node:crypto in a runtime-neutral file',
    'retrysafe/src/engine/run.ts:2 Buffer in a runtime-neutral file',
    'retrysafe/src/engine/run.ts:3 process in a runtime-neutral file',
    'retrysafe/src/engine/run.ts:4 NodeJS in a runtime-neutral file',
    'retrysafe/src/engine/run.ts:5 Buffer in a runtime-neutral file',
  ])
})

test('nobody but the clock reads the time, sets a timer or rolls dice', () => {
  const source = [
    'export const now = () => Date.now()',
    'export const jitter = () => Math.random()',
    'setTimeout(now, 1)',
    'globalThis.setInterval(now, 1)',
    'export const today = new Date()',
    'export const then = new Date(0)',
    'export const read = globalThis.Date.now',
    'AbortSignal.timeout(5)',
    'const { random } = Math',
  ].join('\n')
  const path = 'retrysafe/src/engine/run.ts'
  expect(judge({ [path]: source })).toEqual([
    `${path}:1 Date.now: time and chance are injected`,
    `${path}:2 Math.random: time and chance are injected`,
    `${path}:3 setTimeout: time and chance are injected`,
    `${path}:4 setInterval: time and chance are injected`,
    `${path}:5 new Date(): time and chance are injected`,
    `${path}:7 Date.now: time and chance are injected`,
    `${path}:8 AbortSignal.timeout: time and chance are injected`,
    `${path}:9 Math.random: time and chance are injected`,
  ])
  const injected = 'export const nap = (ms: number, random = Math.random) => ms * random()\n'
  expect(judge({ [path]: injected })).toEqual([])
  expect(judge({ 'retrysafe/src/contract/clock.ts': 'export const now = () => Date.now()\n' })).toEqual([])
})

test('members and declarations that merely share a name are let be', () => {
  expect(
    judge({
      'retrysafe/src/engine/run.ts':
        'export interface Run { process(): void }\nexport const go = (run: Run) => run.process()\n',
    }),
  ).toEqual([])
})

test('there are no default exports, and the front door names what it exports', () => {
  expect(
    judge({
      ...contract,
      'retrysafe/src/index.ts': "export * from './contract/index.js'\nexport * as keys from './contract/keys.js'\n",
      'retrysafe/src/engine/a.ts': 'export default function run(): void {}\n',
      'retrysafe/src/engine/b.ts': 'const run = 1\nexport { run as default }\n',
      'retrysafe/src/engine/c.ts': 'const run = 1\nexport default run\n',
    }),
  ).toEqual([
    'retrysafe/src/engine/a.ts:1 a default export',
    'retrysafe/src/engine/b.ts:2 a default export',
    'retrysafe/src/engine/c.ts:2 a default export',
    'retrysafe/src/index.ts:1 the front door names what it exports',
    'retrysafe/src/index.ts:2 the front door names what it exports',
  ])
})

test('a file has 300 lines at most', () => {
  expect(judge({ 'retrysafe/src/engine/run.ts': 'export {}\n'.repeat(300) })).toEqual([])
  expect(judge({ 'retrysafe/src/engine/run.ts': 'export {}\n'.repeat(301) })).toHaveLength(1)
})

test('files do not import each other in a circle, but may know each other by type', () => {
  expect(
    judge({
      'retrysafe/src/engine/a.ts': "import './b.js'\n",
      'retrysafe/src/engine/b.ts': "import type { A } from './a.js'\nimport { type A as B } from './a.js'\n",
    }),
  ).toEqual([])
  expect(
    judge({
      'retrysafe/src/engine/a.ts': "import './b.js'\n",
      'retrysafe/src/engine/b.ts': "import { type C, c } from './c.js'\n",
      'retrysafe/src/engine/c.ts': "export * from './a.js'\n",
    }),
  ).toEqual([
    'retrysafe/src/engine/a.ts:1 imports go in a circle: retrysafe/src/engine/a.ts -> retrysafe/src/engine/b.ts -> retrysafe/src/engine/c.ts -> retrysafe/src/engine/a.ts',
  ])
})

test('a file outside the rooms and an import of nothing are seen', () => {
  expect(
    judge({
      'retrysafe/src/helpers.ts': "import './gone.js'\n",
      'retrysafe/src/misc/x.ts': "import '../helpers.js'\n",
    }),
  ).toEqual([
    'retrysafe/src/helpers.ts:1 ./gone.js is no source file',
    'retrysafe/src/misc/x.ts:1 packages/retrysafe/src/misc/x.ts stands in no room',
  ])
})
