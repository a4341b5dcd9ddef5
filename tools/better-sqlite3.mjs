/*
 * better-sqlite3 brings native code that may have to be compiled for a minute, so it is no dependency of this
 * repository: it is installed beneath node_modules/.cache in CI or when asked for, and the tests of the SQLite store
 * find it by a variable.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, installInto } from './cache.mjs'
import { capture } from './command.mjs'

/** Names the folder of an installed better-sqlite3; `install` asks for one. */
export const betterSqlite3Variable = 'RETRYSAFE_TEST_BETTER_SQLITE3'

/** The last major version that runs on Node 20. */
const version = '12'

/** @returns {Promise<string | undefined>} the package's folder, or nothing (the reason is printed) */
export async function betterSqlite3() {
  const asked = process.env[betterSqlite3Variable]
  if (asked !== undefined && asked !== '' && asked !== 'install') return asked
  const prefix = cacheFolder(`better-sqlite3-${process.versions.modules}`)
  const folder = join(prefix, 'node_modules/better-sqlite3')
  if (await loads(folder)) return folder
  if (asked !== 'install' && process.env.CI !== 'true') {
    console.log(`not tested: better-sqlite3 (${betterSqlite3Variable}=install npm test installs it)`)
    return undefined
  }
  console.log('installing better-sqlite3 beneath node_modules/.cache')
  const failure = await installInto(prefix, [`better-sqlite3@${version}`], { scripts: true })
  if (failure === undefined && (await loads(folder))) return folder
  console.log(
    `not tested: better-sqlite3 (it cannot be installed here)\n${(failure ?? 'it does not load').slice(-2000)}`,
  )
  return undefined
}

/** @param {string} folder */
async function loads(folder) {
  if (!existsSync(folder)) return false
  const program = `new (require(${JSON.stringify(folder)}))(':memory:').close()`
  return (await capture(process.execPath, ['-e', program])).code === 0
}
