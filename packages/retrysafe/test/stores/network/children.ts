/* Processes of their own that use a store, as `network-child.ts` does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import { compileInto } from '../compiled.js'
import type { Bench, Place } from './bench.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const program = 'test/stores/network/network-child'

export interface Child {
  /** What it has said so far, without `ready`. */
  readonly lines: readonly string[]
  /** Resolves once it has said a line of which that is true, or has ended. */
  until(said: (line: string) => boolean): Promise<void>
  /** Says a line to it. The first one lets it begin. */
  tell(line: string): void
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Resolves when it has ended and all that it said was read. */
  readonly ended: Promise<void>
}

export interface Children {
  /** Starts a process and resolves when it is connected. It begins when it is told to. */
  start(mode: string, place: Place, argument: string): Promise<Child>
}

/** Compiles the child before the tests of a file, and ends every child after them. */
export function childrenOf(bench: Bench): Children {
  const started = new Set<ChildProcess>()
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'retrysafe-children-'))
    const programs = ['src/testkit/simulated-clock.ts', `${program}.ts`, bench.handle, ...(bench.besides ?? [])]
    compileInto(folder, programs, ['src/engine'])
    // What is compiled stands outside of the repository, and finds its clients as an application would.
    symlinkSync(join(root, '../../node_modules'), join(folder, 'node_modules'))
  })
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    async start(mode, place, argument) {
      const handle = join(folder, bench.handle.replace(/\.ts$/, '.js'))
      const args = [join(folder, `${program}.js`), mode, handle, place.url, place.name, argument]
      const process = spawn(globalThis.process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      started.add(process)
      const child = listen(process)
      await child.until((line) => line === 'ready')
      if (child.lines.length === 0) throw new Error(`The child for ${mode} ended before it was ready.`)
      child.lines.splice(0)
      return child
    },
  }
}

function listen(process: ChildProcess): Child & { readonly lines: string[] } {
  const { stdin, stdout } = process
  if (stdin === null || stdout === null) throw new Error('The child has no pipes.')
  // A child that was killed does not listen any more.
  stdin.on('error', () => undefined)
  const lines: string[] = []
  const waiting = new Set<(line: string | undefined) => void>()
  const reader = createInterface({ input: stdout })
  reader.on('line', (line) => {
    lines.push(line)
    for (const hear of waiting) hear(line)
  })
  const ended = once(reader, 'close').then(() => {
    for (const hear of waiting) hear(undefined)
  })
  return {
    lines,
    until: (said) =>
      new Promise((resolve) => {
        const hear = (line: string | undefined): void => {
          if (line !== undefined && !said(line)) return
          waiting.delete(hear)
          resolve()
        }
        waiting.add(hear)
        if (lines.some(said)) hear(undefined)
      }),
    tell: (line) => stdin.write(`${line}\n`),
    signal: (signal) => process.kill(signal),
    ended,
  }
}
