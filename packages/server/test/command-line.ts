/* The command line in this process: all of it but the start of a process, which takes longer than most commands do. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { main } from '../src/cli/main.js'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Told {
  out: string
  err: string
}

/** Whose output it is, of commands that run side by side. */
const running = new AsyncLocalStorage<Told>()
let tapped = false
const signals = ['SIGINT', 'SIGTERM'] as const

/** What a command prints is kept from the output of the tests. */
function tap(): void {
  if (tapped) return
  tapped = true
  for (const [stream, name] of [[process.stdout, 'out'] as const, [process.stderr, 'err'] as const]) {
    const write = stream.write.bind(stream)
    stream.write = (chunk: unknown, ...rest: never[]): boolean => {
      const told = running.getStore()
      if (told === undefined) return write(chunk as string, ...rest)
      told[name] += String(chunk)
      return true
    }
  }
}

/** Those that run side by side take no environment, since there is only one. */
export async function runHere(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  tap()
  const told: Told = { out: '', err: '' }
  const ears = signals.flatMap((signal) => process.listeners(signal))
  const before = Object.entries(env).map(([name]) => [name, process.env[name]] as const)
  Object.assign(process.env, env)
  try {
    const code = await running.run(told, () => main(args))
    return { code, ...told }
  } finally {
    // A program that ends takes what it waits for along.
    for (const signal of signals)
      for (const listener of process.listeners(signal)) if (!ears.includes(listener)) process.off(signal, listener)
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
}
