/*
 * Starts the engines of one run and ends them with their folder when the run asks, ends or dies: whatever happens to
 * the run, its channel to this process closes. This process leads a session of its own, so that what is aimed at the
 * run's process group, such as Ctrl-C, passes it by. It is plain JavaScript because it runs on Node as it stands.
 */
import { spawn } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * @typedef {import('./src/supervision.js').Request} Request
 * @typedef {import('./src/supervision.js').Report} Report
 * @typedef {{ child: import('node:child_process').ChildProcess, gone: Promise<void>, endSignal: NodeJS.Signals,
 *   killCommand?: readonly string[] | undefined }} Running
 */

/** How long an engine may take to end by a friendly signal, before it is killed. */
const patienceMs = 5_000

/** @type {Map<string, Running>} */
const running = new Map()
/** @type {string | undefined} */
let folder
/** @type {Promise<void> | undefined} */
let ending

process.on('message', (message) => void answer(/** @type {Request} */ (message)))
process.on('disconnect', end)
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, end)

/** @param {Request} request */
async function answer(request) {
  try {
    report({ id: request.id, value: await carryOut(request) })
  } catch (error) {
    report({ id: request.id, error: error instanceof Error ? error.message : String(error) })
  }
}

/** @param {Report} message */
function report(message) {
  // The run may have died in the meantime, and then nobody wants to know.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

/**
 * @param {Request} request
 * @returns {unknown}
 */
function carryOut(request) {
  if (ending !== undefined && request.act !== 'end') throw new Error('the engines are being ended')
  switch (request.act) {
    case 'folder':
      return makeFolder(request.parent)
    case 'spawn':
      return startProcess(request)
    case 'kill':
      return killTree(request.name)
    case 'stop':
      return stop(request.name, request.folder)
    case 'end':
      return end()
  }
}

/** @param {string} parent */
function makeFolder(parent) {
  if (folder === undefined) {
    folder = mkdtempSync(join(parent, 'retrysafe-engines-'))
    // Engines that run as another user go through it to folders of their own.
    chmodSync(folder, 0o711)
  }
  return folder
}

/** @param {Extract<Request, { act: 'spawn' }>} request */
function startProcess({ name, program, args, cwd, log, endSignal, killCommand, user }) {
  const output = openSync(log, 'a')
  const child = spawn(program, args, { cwd, stdio: ['ignore', output, output], ...user })
  closeSync(output)
  const gone = new Promise((/** @type {(value: void) => void} */ resolve) => {
    child.once('error', (error) => {
      running.delete(name)
      report({ exit: name, how: error.message })
      resolve()
    })
    child.once('exit', (code, signal) => {
      running.delete(name)
      report({ exit: name, code: code ?? -1, how: signal === null ? `exit code ${code}` : `signal ${signal}` })
      resolve()
    })
  })
  running.set(name, { child, gone, endSignal, killCommand })
  return child.pid
}

/**
 * Kills a process with all its descendants and waits until they are gone. It is stopped first, so that it starts no
 * more of them while they are counted.
 *
 * @param {string} name
 */
async function killTree(name) {
  const found = running.get(name)
  const pid = found?.child.pid
  if (found === undefined || pid === undefined) return
  if (found.killCommand !== undefined) await runToEnd(found.killCommand)
  signal(pid, 'SIGSTOP')
  const tree = descendants(pid)
  for (const one of [pid, ...tree]) signal(one, 'SIGKILL')
  await found.gone
  while (tree.some(isAlive)) await sleep(5)
}

/**
 * Ends a process in its own way and removes its folder.
 *
 * @param {string | undefined} name
 * @param {string} its
 */
async function stop(name, its) {
  if (name !== undefined) await endProcess(name)
  await removeFolder(its)
}

/** Ends everything, once. */
function end() {
  ending ??= endAll()
  return ending
}

async function endAll() {
  await Promise.all([...running.keys()].map(endProcess))
  if (folder !== undefined) {
    await Promise.all(readdirSync(folder).map((entry) => removeFolder(join(String(folder), entry))))
    rmSync(folder, { recursive: true, force: true })
  }
  // The answer to the request that asked for this is sent before.
  setImmediate(() => (process.connected ? process.disconnect() : undefined))
  setTimeout(() => process.exit(), 100)
}

/** @param {string} name */
async function endProcess(name) {
  const found = running.get(name)
  if (found === undefined) return
  if (found.endSignal !== 'SIGKILL' && found.killCommand === undefined) {
    found.child.kill(found.endSignal)
    await Promise.race([found.gone, sleep(patienceMs, undefined, { ref: false })])
  }
  await killTree(name)
}

/** @param {readonly string[]} command */
function runToEnd([program = '', ...args]) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore' })
    child.once('error', resolve)
    child.once('exit', resolve)
  })
}

/** @param {string} its the folder of an engine that has ended */
async function removeFolder(its) {
  // A PostgreSQL that was killed leaves a segment of System V shared memory behind, which its lock file names.
  const lock = join(its, 'data', 'postmaster.pid')
  const segment = existsSync(lock) ? readFileSync(lock, 'utf8').split('\n')[6]?.trim().split(/\s+/)[1] : undefined
  if (segment !== undefined && /^\d+$/.test(segment)) await runToEnd(['ipcrm', '-m', segment])
  rmSync(its, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/** @param {number} pid @returns {number[]} */
function descendants(pid) {
  const parents = processes()
  const found = [pid]
  for (const ancestor of found) found.push(...parents.filter(({ parent }) => parent === ancestor).map((one) => one.pid))
  return found.slice(1)
}

/** Every process there is, where the system has /proc. */
function processes() {
  if (!existsSync('/proc/self/stat')) return []
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const stat = processState(Number(entry))
      return stat === undefined ? [] : [stat]
    })
}

/** @param {number} pid */
function processState(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything, so what follows it is counted from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[1]), state: fields[0], threads: Number(fields[17]) }
  } catch {
    return undefined
  }
}

/** @param {number} pid */
function isAlive(pid) {
  if (existsSync('/proc/self/stat')) {
    const found = processState(pid)
    // The first thread may have ended while others still do, and as long as one does, files and ports stay open.
    return found !== undefined && (!['Z', 'X'].includes(found.state ?? '') || found.threads > 1)
  }
  return signal(pid, 0)
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals | 0} which
 */
function signal(pid, which) {
  try {
    return process.kill(pid, which)
  } catch {
    return false
  }
}
