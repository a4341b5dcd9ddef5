/*
 * Some of what Retrysafe works with is not in Node 20, such as node:sqlite. This gives the path of a Node that has it:
 * the running one, or one that npm installs as a package beneath node_modules/.cache, where no `node` gets into the
 * path of scripts.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, installInto } from './cache.mjs'
import { capture } from './command.mjs'

/** The major version that is installed where the running Node is too old. */
const newerMajor = 24

/** @returns {boolean} whether the running Node is new enough for everything: node:sqlite came without a flag in 22.13 */
export function isNew(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 13)
}

/** @returns {Promise<string | undefined>} the path of a newer Node, or nothing where it cannot be had */
export async function newerNode() {
  if (isNew()) return process.execPath
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const prefix = cacheFolder(`node-${newerMajor}`)
  const binary = join(prefix, 'node_modules', name, 'bin', platform === 'win' ? 'node.exe' : 'node')
  if (await answers(binary)) return binary
  console.log(`installing ${name}@${newerMajor} beneath node_modules/.cache`)
  const failure = await installInto(prefix, [`${name}@${newerMajor}`])
  if (failure === undefined && (await answers(binary))) return binary
  console.error(failure ?? `${binary} does not run`)
  return undefined
}

/** @param {string} binary */
async function answers(binary) {
  if (!existsSync(binary)) return false
  const { code, stdout } = await capture(binary, ['--version'])
  return code === 0 && stdout.startsWith(`v${newerMajor}.`)
}
