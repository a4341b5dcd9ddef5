/*
 * Compiles every block of TypeScript in the documentation and in doc comments against the built packages, as a reader
 * would paste it: each block is a module of its own with all its imports.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { capture, root } from './command.mjs'
import { snippetsOfComments, snippetsOfMarkdown } from './snippet-source.mjs'
import { trackedFiles } from './tracked-files.mjs'

const compilerOptions = {
  target: 'es2022',
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
  module: 'nodenext',
  moduleDetection: 'force',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
}

// A folder beneath node_modules finds the same packages as a project that has installed them.
const cache = join(root, 'node_modules/.cache/retrysafe')
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'snippets-'))
try {
  process.exitCode = await check()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function check() {
  const found = (await trackedFiles()).flatMap((file) => {
    if (/^(?:README\.md|[A-Z]+\.md|docs\/.*\.md|packages\/[^/]+\/README\.md|examples\/.*\.md)$/.test(file))
      return [snippetsOfMarkdown(file, readFileSync(join(root, file), 'utf8'))]
    if (/^packages\/[^/]+\/src\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'))
      return [snippetsOfComments(file, readFileSync(join(root, file), 'utf8'))]
    return []
  })
  const snippets = found.flatMap((one) => one.snippets)
  const complaints = found.flatMap((one) => one.complaints)
  for (const { file, line, message } of complaints) console.log(`${file}:${line}: ${message}`)
  if (snippets.length === 0) console.log('there is no snippet at all: that cannot be right')
  const compiled = snippets.length > 0 && (await compile(snippets))
  console.log(`${snippets.length} snippets, ${compiled ? 'all of them compile' : 'not all of them compile'}`)
  return compiled && complaints.length === 0 ? 0 : 1
}

/**
 * @param {readonly import('./snippet-source.mjs').Snippet[]} snippets
 * @returns {Promise<boolean>}
 */
async function compile(snippets) {
  /** @type {Map<string, string>} */
  const origins = new Map()
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  for (const { file, line, code } of snippets) {
    const name = `${file.replaceAll(/[^\w.-]/g, '_')}_${line}.ts`
    origins.set(name, file)
    // Empty lines before the block make the compiler count lines as the document does.
    writeFileSync(join(folder, name), `${'\n'.repeat(line - 1)}${code}\n`)
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { code, stdout, stderr } = await capture(process.execPath, [tsc, '-p', folder, '--pretty', 'false'])
  const prefix = `${relative(root, folder)}/`
  const named = stdout.replaceAll(prefix, '').replaceAll(/^[^\s(]+\.ts(?=\()/gm, (name) => origins.get(name) ?? name)
  process.stdout.write(named + stderr)
  return code === 0
}
