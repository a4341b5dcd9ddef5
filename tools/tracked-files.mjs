import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { capture, root } from './command.mjs'

/**
 * The files of the project: those that git tracks or would track, by their path from its root.
 *
 * @returns {Promise<string[]>}
 */
export async function trackedFiles() {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { code, stdout, stderr } = await capture('git', args)
  if (code !== 0) throw new Error(`git ls-files: ${stderr}`)
  const files = stdout.split('\0').filter((file) => file !== '')
  return [...new Set(files)].filter((file) => existsSync(join(root, file))).sort()
}
