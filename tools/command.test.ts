import { expect, test, vi } from 'vitest'
import { capture } from './command.mjs'

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('what a program prints and how it ends is given', async () => {
  const program = 'console.log("out"); console.error("err"); process.exitCode = 3'
  expect(await capture(process.execPath, ['-e', program])).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
})

test('a program that does not exist is a failure', async () => {
  expect(await capture('retrysafe-no-such-program', [])).toMatchObject({ code: 1 })
})

test('what runs too long is ended with all that it started', async () => {
  const idle = 'setInterval(() => {}, 1000)'
  const parent = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(idle)}], { stdio: 'ignore' })
    console.log(child.pid)
    ${idle}
  `
  const { code, stdout } = await capture(process.execPath, ['-e', parent], { timeoutMs: 1500 })
  expect(code).not.toBe(0)
  const pid = Number(stdout)
  expect(pid).toBeGreaterThan(0)
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 20_000 })
})
