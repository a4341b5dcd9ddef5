import { chownSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './ports.js'
import { engineUser, temporaryFolder } from './programs.js'
import {
  type Exit,
  type Program,
  type Supervised,
  type Supervisor,
  startSupervisor,
  tail,
  type User,
} from './supervision.js'

/** A running engine of one's own. */
export interface Server {
  readonly url: string
  readonly port: number
  /** Ends the whole engine by SIGKILL and resolves when all its processes are gone. Its data stays. */
  kill(): Promise<void>
  /** Starts it again on the same data and port and resolves when it answers. */
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** Where an engine has its data and its port. */
export interface Place {
  readonly folder: string
  readonly port: number
  readonly user: User | undefined
}

/** Runs a program to its end as the engine's user. */
export type Run = (program: string, args: readonly string[]) => Promise<void>

/** How one kind of engine is started. */
export interface Recipe {
  readonly name: string
  url(port: number): string
  /** Makes the first data in a folder: once for all engines of the name, which begin with a copy in `data`. */
  initialize?(data: string, run: Run): Promise<void>
  /** Makes what else this one needs. */
  prepare?(place: Place, run: Run): Promise<void> | void
  command(place: Place): readonly string[]
  /** Resolves when the engine is ready; rejects or gives `false` as long as it is not. */
  answers(port: number): Promise<unknown>
  readonly endSignal?: NodeJS.Signals
  /** The image of the container that the programs are in, if they are in one. */
  readonly image?: string | undefined
  /** Programs of this repository run as whoever runs the tests, for only that user is sure to be able to read them. */
  readonly asSelf?: boolean
}

/** How long an engine may take to answer. */
const startMs = 60_000
const pollMs = 25
const portAttempts = 5

let supervisor: Supervisor | undefined
let made = 0

/** The first data of engines, by their name. */
const firstData = new Map<string, Promise<string>>()

/** The supervisor of this process, started when it is first needed. */
function theSupervisor(): Supervisor {
  supervisor ??= startSupervisor()
  return supervisor
}

/** Ends all engines of this process; the next one that is asked for has a new supervisor. */
export async function endSupervisor(): Promise<void> {
  const ended = supervisor
  supervisor = undefined
  firstData.clear()
  await ended?.end()
}

/** A new folder in the folder of all engines, of the user that engines run as. */
export async function engineFolder(
  name: string,
  user: User | undefined,
  keeper: Supervisor = theSupervisor(),
): Promise<string> {
  const parent = await keeper.folder(temporaryFolder(tmpdir()))
  made += 1
  const folder = join(parent, `${name}-${made}`)
  mkdirSync(folder, { mode: 0o700 })
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  return folder
}

/** Starts an engine and resolves when it answers. */
export async function startServer(recipe: Recipe): Promise<Server> {
  // One for its whole life: an engine that is still being started when all are ended must not begin again with another.
  const keeper = theSupervisor()
  const user = recipe.asSelf === true ? undefined : engineUser()
  const folder = await engineFolder(recipe.name, user, keeper)
  const log = join(folder, 'log')
  const run = runIn(recipe, folder, user, keeper)
  if (recipe.initialize !== undefined) {
    const first = firstData.get(recipe.name) ?? makeFirstData(recipe, user, keeper)
    firstData.set(recipe.name, first)
    // By the engine's user, whom the copy must belong to; on this machine, also where the engine is in a container.
    await keeper.run({ program: 'cp', args: ['-R', await first, join(folder, 'data')], log, user })
  }
  for (let attempt = 1; ; attempt += 1) {
    const place = { folder, port: await freePort(), user }
    if (attempt === 1) await recipe.prepare?.(place, run)
    const running = runningServer(recipe, place, keeper)
    try {
      await running.start()
      return running
    } catch (error) {
      if (attempt === portAttempts || !isPortTaken(log)) throw error
    }
  }
}

async function makeFirstData(recipe: Recipe, user: User | undefined, keeper: Supervisor): Promise<string> {
  const folder = await engineFolder(`${recipe.name}-first`, user, keeper)
  const data = join(folder, 'data')
  await recipe.initialize?.(data, runIn(recipe, folder, user, keeper))
  return data
}

function runIn(recipe: Recipe, folder: string, user: User | undefined, keeper: Supervisor): Run {
  return (program, args) =>
    keeper.run({ ...wrapped(recipe, folder, user, [program, ...args]), log: join(folder, 'log') })
}

function runningServer(recipe: Recipe, place: Place, keeper: Supervisor): Server {
  const log = join(place.folder, 'log')
  let supervised: Supervised | undefined
  const start = async (): Promise<void> => {
    if (supervised !== undefined) throw new Error(`${recipe.name} runs`)
    supervised = await launch(recipe, place, log, keeper)
  }
  const kill = async (): Promise<void> => {
    await supervised?.kill()
    supervised = undefined
  }
  return {
    url: recipe.url(place.port),
    port: place.port,
    kill,
    start,
    async stop() {
      await keeper.stop(supervised?.name, place.folder)
      supervised = undefined
    },
  }
}

async function launch(recipe: Recipe, place: Place, log: string, keeper: Supervisor): Promise<Supervised> {
  const { endSignal } = recipe
  const supervised = await keeper.start({
    ...wrapped(recipe, place.folder, place.user, recipe.command(place)),
    log,
    ...(endSignal === undefined ? {} : { endSignal }),
  })
  let exit: Exit | undefined
  void supervised.exited.then((how) => {
    exit = how
  })
  const until = Date.now() + startMs
  while (exit === undefined && Date.now() < until) {
    const ready = await recipe.answers(place.port).catch(() => false)
    // What answers could be another one's engine that has taken the port, and ours has ended for that.
    if (ready !== false && exit === undefined) return supervised
    await sleep(pollMs)
  }
  await supervised.kill()
  const what = exit === undefined ? `does not answer after ${startMs / 1000} s` : `ended with ${exit.how}`
  throw new Error(`${recipe.name} ${what}. The end of its log:\n${tail(log)}`)
}

/**
 * The command as it stands, or in a container that has the folder at the same place, the user and the network of this
 * machine, so that all else is as without one.
 */
function wrapped(
  { image, name }: Recipe,
  folder: string,
  user: User | undefined,
  [program = '', ...args]: readonly string[],
): Omit<Program, 'log'> {
  if (image === undefined) return { program, args, cwd: folder, user }
  made += 1
  const container = `retrysafe-${name}-${process.pid}-${made}`
  const account = `${user?.uid ?? process.getuid?.()}:${user?.gid ?? process.getgid?.()}`
  const mounts = ['--volume', `${folder}:${folder}`, '--volume', '/etc/passwd:/etc/passwd:ro']
  const options = ['--user', account, '--workdir', folder, ...mounts, '--security-opt', 'label=disable']
  return {
    program: 'docker',
    args: [
      'run',
      '--rm',
      '--name',
      container,
      '--network',
      'host',
      ...options,
      '--entrypoint',
      program,
      image,
      ...args,
    ],
    // A signal to `docker run` is not one to the container.
    killCommand: ['docker', 'rm', '--force', '--volumes', container],
    cwd: folder,
  }
}

function isPortTaken(log: string): boolean {
  return /in use|could not bind|cannot bind|EADDRINUSE/i.test(tail(log))
}

/** Asks until it is so. */
export async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + startMs
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > until) throw new Error(`after ${startMs / 1000} s still not so: ${what}`)
    await sleep(pollMs)
  }
}
