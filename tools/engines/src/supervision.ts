import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The account that a program runs as. */
export interface User {
  readonly uid: number
  readonly gid: number
}

/** A program to start; `endSignal` is how it is asked to end (default `SIGKILL`: its data goes as well). */
export interface Program {
  readonly program: string
  readonly args: readonly string[]
  readonly log: string
  readonly cwd?: string
  /** Kills what the program has others run for it. */
  readonly killCommand?: readonly string[]
  readonly endSignal?: NodeJS.Signals
  readonly user?: User | undefined
}

type Act =
  | { readonly act: 'folder'; readonly parent: string }
  | ({ readonly act: 'spawn'; readonly name: string; readonly endSignal: NodeJS.Signals } & Omit<Program, 'endSignal'>)
  | { readonly act: 'kill'; readonly name: string }
  | { readonly act: 'stop'; readonly name: string | undefined; readonly folder: string }
  | { readonly act: 'end' }

/** What this process asks of the supervisor. */
export type Request = { readonly id: number } & Act

/** What the supervisor says: an answer, or that a process has ended. */
export type Report =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly exit: string; readonly code?: number; readonly how: string }

/** How a process ended. */
export interface Exit {
  readonly code?: number
  readonly how: string
}

/** A process that the supervisor has started. */
export interface Supervised {
  readonly name: string
  readonly exited: Promise<Exit>
  kill(): Promise<void>
}

/** The process that starts the engines and outlives this one for as long as it takes to remove them. */
export interface Supervisor {
  /** A folder that all engines' folders are in; it is removed at the end. */
  folder(parent: string): Promise<string>
  start(program: Program): Promise<Supervised>
  /** Runs a program to its end; a failure carries the end of what it wrote. */
  run(program: Program): Promise<void>
  /** Ends a process, if it runs, and removes its folder. */
  stop(name: string | undefined, folder: string): Promise<void>
  /** Ends all engines and removes what they left. */
  end(): Promise<void>
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Starts a supervisor. It keeps this process alive only while a call to it is pending. */
export function startSupervisor(): Supervisor {
  const file = fileURLToPath(new URL('../supervisor.mjs', import.meta.url))
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true })
  const pending = new Map<number, Pending>()
  const exits = new Map<string, (exit: Exit) => void>()
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let count = 0
  child.on('message', (message) => hear(message as Report, pending, exits))
  child.once('exit', () => {
    for (const { reject } of pending.values()) reject(new Error('the supervisor of the engines has ended'))
    for (const settle of exits.values()) settle({ how: 'the supervisor of the engines has ended' })
  })
  child.unref()
  child.channel?.unref()
  const ask = (act: Act): Promise<unknown> => {
    count += 1
    return request(child, pending, { ...act, id: count })
  }
  const start = async ({ endSignal = 'SIGKILL', ...program }: Program): Promise<Supervised> => {
    count += 1
    const name = String(count)
    const exited = new Promise<Exit>((resolve) => exits.set(name, resolve))
    await ask({ act: 'spawn', name, endSignal, ...program })
    return { name, exited, kill: async () => void (await ask({ act: 'kill', name })) }
  }
  return {
    folder: async (parent) => String(await ask({ act: 'folder', parent })),
    start,
    async run(program) {
      const { exited } = await start(program)
      const exit = await whileAlive(exited)
      if (exit.code !== 0) throw new Error(`${program.program}: ${exit.how}\n${tail(program.log)}`)
    },
    stop: async (name, folder) => void (await ask({ act: 'stop', name, folder })),
    async end() {
      await ask({ act: 'end' }).catch(() => undefined)
      await whileAlive(closed)
    },
  }
}

function request(child: ChildProcess, pending: Map<number, Pending>, message: Request): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      pending.delete(message.id)
      if (pending.size === 0) child.channel?.unref()
    }
    pending.set(message.id, {
      resolve: (value) => {
        settle()
        resolve(value)
      },
      reject: (error) => {
        settle()
        reject(error)
      },
    })
    child.channel?.ref()
    child.send(message, (error) => (error === null ? undefined : pending.get(message.id)?.reject(error)))
  })
}

function hear(message: Report, pending: Map<number, Pending>, exits: Map<string, (exit: Exit) => void>): void {
  if ('exit' in message) {
    exits.get(message.exit)?.(message)
    exits.delete(message.exit)
  } else if ('error' in message) pending.get(message.id)?.reject(new Error(message.error))
  else pending.get(message.id)?.resolve(message.value)
}

/** Keeps this process alive until the promise settles: nothing else might, for the channel does not. */
async function whileAlive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 1000)
  try {
    return await promise
  } finally {
    clearInterval(timer)
  }
}

/** The end of an engine's log. */
export function tail(log: string): string {
  try {
    return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-25).join('\n')
  } catch {
    return '(it has written no log)'
  }
}
