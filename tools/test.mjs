/*
 * What `npm test` runs after the build: every test on the running Node, then, where that is too old for some of them,
 * those on a newer one. Arguments go to vitest and run on the running Node alone: `npm test -- memory`.
 */
import { betterSqlite3, betterSqlite3Variable } from './better-sqlite3.mjs'
import { run } from './command.mjs'
import { isNew, newerNode } from './newer-node.mjs'
import { prisma, prismaVariable } from './prisma.mjs'

/** The tests that need a newer Node to say everything: those of the SQLite store and of the Node carrier. */
const forNewerNode = ['packages/retrysafe/test/stores/sqlite', 'packages/retrysafe/test/http/node']
const vitest = 'node_modules/vitest/vitest.mjs'

const args = process.argv.slice(2)
const env = { [betterSqlite3Variable]: await betterSqlite3(), [prismaVariable]: await prisma() }
let code = await run(process.execPath, [vitest, 'run', ...args], { env })
if (args.length === 0 && !isNew()) code = (await testOnNewerNode()) || code
process.exitCode = code

/** @returns {Promise<number>} */
async function testOnNewerNode() {
  const node = await newerNode()
  if (node === undefined) {
    console.error(`NOT RUN, for want of a newer Node: ${forNewerNode.join(' and ')} on node:sqlite`)
    return process.env.CI === 'true' ? 1 : 0
  }
  console.log('\nagain on a newer Node, which has node:sqlite:')
  return run(node, [vitest, 'run', ...forNewerNode], { env: { [betterSqlite3Variable]: undefined } })
}
