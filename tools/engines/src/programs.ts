/* Where the programs of the engines are, and whom they run as. */
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { User } from './supervision.js'

/** What was looked for, or why there is none. */
export type Found<T> = { readonly value: T } | { readonly missing: string }

/** Where programs stand that are not in everybody's `PATH`. */
const folders = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin', '/usr/bin', '/bin']

/** The first of the folders that has the program. */
export function findProgram(name: string, first: readonly string[] = []): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return [...first, ...path, ...folders].map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Folders of the form `/usr/lib/postgresql/15/bin`. */
export function versionedFolders(parent: string): string[] {
  try {
    return readdirSync(parent).map((version) => join(parent, version, 'bin'))
  } catch {
    return []
  }
}

/** Engines refuse to run as root: then they run as a user without rights. Otherwise as whoever runs this. */
export function engineUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([account]) => account === name) ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`')
}

/** Whether every folder above a file, and the file, let others in. */
export function isOpenToAll(file: string): boolean {
  const { mode } = statSync(file)
  if ((mode & 0o005) !== 0o005 && (mode & 0o001) !== 0o001) return false
  const parent = dirname(file)
  return parent === file || isOpenToAll(parent)
}

/** The temporary folder, or another where the engines' user cannot get into it. */
export function temporaryFolder(preferred: string): string {
  if (engineUser() === undefined) return preferred
  return [preferred, '/tmp', '/var/tmp'].find((folder) => existsSync(folder) && isOpenToAll(folder)) ?? preferred
}

/** Programs, and the image of the container that they run in, if they do. */
export interface Located<T> {
  readonly programs: T
  readonly image?: string
}

/** How the programs of an engine are looked for. */
export interface Search<T> {
  readonly name: string
  installed(): T | undefined | Promise<T | undefined>
  /** Debian packages that hold them. */
  readonly packages: readonly string[]
  readonly container?: { readonly image: string; readonly programs: T }
}

/** Looks for installed programs, installs them, or takes a container. */
export async function locate<T>({ name, installed, packages, container }: Search<T>): Promise<Found<Located<T>>> {
  const there = await installed()
  if (there !== undefined) return { value: { programs: there } }
  const install = await installPackages(packages)
  const then = 'value' in install ? await installed() : undefined
  if (then !== undefined) return { value: { programs: then } }
  const apt = 'missing' in install ? install.missing : `not even after apt-get install ${packages.join(' ')}`
  if (container === undefined) return { missing: `${name} is not installed; ${apt}` }
  const docker = await whyNoDocker()
  if (docker === undefined) return { value: container }
  return { missing: `${name} is not installed; ${apt}; ${docker}` }
}

async function whyNoDocker(): Promise<string | undefined> {
  const docker = findProgram('docker')
  if (docker === undefined) return 'there is no docker'
  // Engines in containers share the folders and the network of the machine, which Docker elsewhere puts a machine between.
  if (process.platform !== 'linux') return 'docker is used on Linux only'
  const { code, output } = await execute(docker, ['info'], { timeoutMs: 10_000 })
  return code === 0 ? undefined : `docker info: ${lastLine(output)}`
}

/** Installs Debian packages where that is possible; says so. The reason why not is for people. */
async function installPackages(packages: readonly string[]): Promise<Found<true>> {
  if (packages.length === 0) return { missing: 'no Debian package has it' }
  if (process.platform !== 'linux' || findProgram('apt-get') === undefined) return { missing: 'there is no apt-get' }
  if (process.getuid?.() !== 0) return { missing: 'apt-get would need root' }
  updated ??= apt(['update'])
  const update = await updated
  console.log(`installing ${packages.join(' ')} by apt-get, for the tests`)
  const install = await withoutServices(() => apt(['install', '-y', '--no-install-recommends', ...packages]))
  if (install.code === 0) return { value: true }
  return {
    missing: `apt-get installs no ${packages.join(' ')}: ${lastLine(install.output)} ${lastLine(update.output)}`,
  }
}

let updated: Promise<Ended> | undefined
let aptQueue: Promise<unknown> = Promise.resolve()

interface Ended {
  readonly code: number
  readonly output: string
}

/** One apt-get at a time: the second would find the first one's lock. */
function apt(args: readonly string[]): Promise<Ended> {
  const turn = aptQueue.then(() =>
    execute('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeoutMs: 600_000 }),
  )
  aptQueue = turn
  return turn
}

/** Debian starts a service when it installs one, unless this file says no. */
async function withoutServices<T>(install: () => Promise<T>): Promise<T> {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return install()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await install()
  } finally {
    rmSync(policy, { force: true })
  }
}

/** Runs a program to its end and gives its exit code with what it wrote. */
export function execute(
  program: string,
  args: readonly string[],
  { env, timeoutMs }: { env?: NodeJS.ProcessEnv; timeoutMs: number },
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: timeoutMs, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : 1
      resolve({ code, output: `${stdout}${stderr}${error === null || stderr !== '' ? '' : error.message}` })
    })
  })
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}
