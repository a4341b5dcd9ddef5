/* What npm installs beneath node_modules/.cache: too large, too slow to compile or too new to be a dependency. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { capture, root } from './command.mjs'

/** @param {string} name */
export function cacheFolder(name) {
  return join(root, 'node_modules/.cache/retrysafe', name)
}

/**
 * Installs packages into a folder of the cache, whatever is locked or installed elsewhere.
 *
 * @param {string} folder
 * @param {readonly string[]} packages
 * @param {{ scripts?: boolean }} [options] `scripts`: theirs are run, such as a compiler. Default false.
 * @returns {Promise<string | undefined>} what went wrong
 */
export async function installInto(folder, packages, { scripts = false } = {}) {
  mkdirSync(folder, { recursive: true })
  const options = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit']
  if (!scripts) options.push('--ignore-scripts')
  const { code, stderr } = await capture('npm', ['install', ...options, ...packages], {
    cwd: folder,
    timeoutMs: 600_000,
  })
  return code === 0 ? undefined : stderr.trim()
}
