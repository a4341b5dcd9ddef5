/*
 * Packs both packages and looks at them as their users will: what is in the tarballs, what publint and attw say, and
 * whether everything can be imported, required and run once they are installed in an empty folder.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capture, root } from './command.mjs'

/** @typedef {{ name: string, version: string, tarball: string, files: string[] }} Packed */

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-packages-'))
const project = join(folder, 'project')
try {
  const library = await pack('packages/retrysafe')
  const server = await pack('packages/server')
  await check('the library holds nothing but code, types and notices', () =>
    assertFiles(library, /^dist\/.*\.(js|d\.ts)$/),
  )
  await check('the server holds nothing but code, types and notices', () =>
    assertFiles(server, /^(bin|dist)\/.*\.(js|d\.ts)$|^dist\/dashboard\//),
  )
  await check('every file that was built has a source', () => {
    assertSources(library, 'packages/retrysafe')
    assertSources(server, 'packages/server')
  })
  await check('publint finds nothing in the library', () => bin('publint', ['run', library.tarball, '--strict']))
  await check('publint finds nothing in the server', () => bin('publint', ['run', server.tarball, '--strict']))
  await check('types of the library resolve', () => bin('attw', [library.tarball, '--profile', 'esm-only']))
  await check('both install in an empty folder', () => install(library, server))
  await check('every subpath can be imported and required', () => loadAll([library, server]))
  await check('a program runs', () => runProgram())
  await check('retrysafe --version', async () => {
    assert.equal((await inProject('npx', ['--no-install', 'retrysafe', '--version'])).trim(), server.version)
  })
  await check('retrysafe --help', async () => {
    assert.match(await inProject('npx', ['--no-install', 'retrysafe', '--help']), /proxy/)
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/**
 * @param {string} name
 * @param {() => unknown} work
 */
async function check(name, work) {
  try {
    await work()
    console.log(`ok      ${name}`)
  } catch (error) {
    console.log(`FAILED  ${name}\n${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}

/**
 * @param {string} path
 * @returns {Promise<Packed>}
 */
async function pack(path) {
  const args = ['pack', '--json', '--pack-destination', folder]
  const answer = JSON.parse(await output('npm', args, join(root, path)))
  const [packed] = Array.isArray(answer) ? answer : Object.values(answer)
  const files = packed.files.map((/** @type {{ path: string }} */ file) => file.path)
  return { name: packed.name, version: packed.version, tarball: join(folder, packed.filename), files }
}

/**
 * @param {Packed} packed
 * @param {RegExp} code
 */
function assertFiles(packed, code) {
  const notices = ['package.json', 'README.md', 'LICENSE']
  const odd = packed.files.filter((file) => !code.test(file) && !notices.includes(file))
  assert.deepEqual(odd.concat(packed.files.filter((file) => /\.test\./.test(file))), [])
  for (const notice of notices) assert.ok(packed.files.includes(notice), `${notice} is missing`)
}

/**
 * A build leaves what it wrote for sources that are gone.
 *
 * @param {Packed} packed
 * @param {string} path
 */
function assertSources(packed, path) {
  const built = packed.files.filter((file) => /^dist\/(?!dashboard\/).*\.js$/.test(file))
  const orphans = built.filter((file) => !existsSync(join(root, path, file.replace(/^dist(.*)\.js$/, 'src$1.ts'))))
  assert.deepEqual(orphans, [], 'remove dist and build again')
}

/**
 * @param {Packed} library
 * @param {Packed} server
 */
async function install(library, server) {
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }\n')
  await inProject('npm', ['install', '--prefer-offline', '--ignore-scripts', library.tarball, server.tarball])
}

/** @param {readonly Packed[]} packages */
async function loadAll(packages) {
  for (const { name } of packages) {
    const { exports } = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'))
    for (const subpath of Object.keys(exports)) {
      if (subpath.endsWith('.json')) continue
      const specifier = JSON.stringify(name + subpath.slice(1))
      const names = 'console.log(Object.keys(loaded).filter((name) => name !== "module.exports").sort().join())'
      const imported = await inProject('node', ['-e', `import(${specifier}).then((loaded) => ${names})`])
      const required = await inProject('node', ['-e', `const loaded = require(${specifier}); ${names}`])
      assert.equal(required, imported)
      assert.notEqual(imported.trim(), '', `${specifier} exports nothing`)
      assert.ok(!imported.split(',').includes('default'), `${specifier} has a default export`)
    }
  }
}

async function runProgram() {
  const program = `
    import { createIdempotency } from 'retrysafe'
    import { memoryStore } from 'retrysafe/memory'
    const idempotency = createIdempotency({ store: memoryStore() })
    let runs = 0
    const charge = () => idempotency.execute('charge-42', async () => ({ chargeId: 'ch_1', runs: ++runs }))
    console.log(JSON.stringify([await charge(), await charge()]))
  `
  writeFileSync(join(project, 'program.mjs'), program)
  const [first, second] = JSON.parse(await inProject('node', ['program.mjs']))
  assert.deepEqual(first, { response: { chargeId: 'ch_1', runs: 1 }, replayed: false, attempt: 1 })
  assert.deepEqual(second, { response: { chargeId: 'ch_1', runs: 1 }, replayed: true, attempt: 1 })
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 */
function bin(name, args) {
  return output(join(root, 'node_modules/.bin', name), args, root)
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function inProject(program, args) {
  return output(program, args, project)
}

/**
 * What the program prints; an error with all of it where it fails.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 */
async function output(program, args, cwd) {
  const { code, stdout, stderr } = await capture(program, args, { cwd, timeoutMs: 300_000 })
  assert.equal(code, 0, `${program} ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`)
  return stdout
}
