/* How the tools start other programs. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The folder of the checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Runs a program to its end with its output passed through, and gives its exit code (1 where it could not start). Ends
 * it and all that it started when the signal aborts.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, signal?: AbortSignal }} [options]
 * @returns {Promise<number>}
 */
export function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = start(program, args, options, ['ignore', 'inherit', 'inherit'])
    const end = () => endGroup(child)
    options.signal?.addEventListener('abort', end, { once: true })
    const settle = (/** @type {number} */ code) => {
      options.signal?.removeEventListener('abort', end)
      resolve(code)
    }
    child.once('error', (error) => {
      console.error(`${program}: ${error.message}`)
      settle(1)
    })
    child.once('close', (code) => settle(code ?? 1))
  })
}

/**
 * Runs a program and gives its exit code with all that it wrote. Ends it and all that it started after `timeoutMs`
 * (default 2 minutes).
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
export function capture(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = start(program, args, options, ['ignore', 'pipe', 'pipe'])
    const timer = setTimeout(() => endGroup(child), options.timeoutMs ?? 120_000)
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk) => {
      stderr += chunk
    })
    child.once('error', (error) => {
      clearTimeout(timer)
      resolve({ code: 1, stdout, stderr: `${stderr}${error.message}\n` })
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? 1, stdout, stderr: signal === null ? stderr : `${stderr}ended by ${signal}\n` })
    })
  })
}

/** Where there are process groups, a program leads one of its own, so that it can be ended with all that it started. */
const groups = process.platform !== 'win32'

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
// Groups of their own do not hear of the signal that ends this process.
process.once('exit', () => running.forEach(endGroup))

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined> }} options
 * @param {import('node:child_process').StdioOptions} stdio
 */
function start(program, args, { cwd = root, env }, stdio) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio, detached: groups })
  running.add(child)
  child.once('close', () => running.delete(child))
  child.once('error', () => running.delete(child))
  return child
}

/** @param {import('node:child_process').ChildProcess} child */
function endGroup(child) {
  if (child.pid === undefined) return
  try {
    process.kill(groups ? -child.pid : child.pid, 'SIGTERM')
  } catch {
    // It has ended by itself.
  }
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.once(signal, () => {
    running.forEach(endGroup)
    // Whoever listens besides decides how to go on; otherwise the signal does what it always does.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  })
