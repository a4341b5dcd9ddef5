import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execute, type Found, findProgram, type Located, locate } from './programs.js'
import { type Server, startServer } from './server.js'
import { postgresQuery } from './wire.js'

/** An installed PgBouncer; its version decides which settings it knows. */
export interface PgbouncerProgram {
  readonly path: string
  readonly knowsPrepared: boolean
}

/** Options of a PgBouncer of one's own. */
export interface PgbouncerOptions {
  /** The PostgreSQL behind it. */
  readonly url: string
  /** How many connections to the server all clients share (default 5). */
  readonly poolSize?: number | undefined
  /** When a client gives its connection back (default `transaction`). */
  readonly mode?: 'session' | 'transaction' | 'statement' | undefined
}

let found: Promise<Found<Located<PgbouncerProgram>>> | undefined

/** Looks for PgBouncer, once. */
export function findPgbouncer(): Promise<Found<Located<PgbouncerProgram>>> {
  found ??= locate({ name: 'PgBouncer', installed, packages: ['pgbouncer'] })
  return found
}

async function installed(): Promise<PgbouncerProgram | undefined> {
  const path = findProgram('pgbouncer')
  if (path === undefined) return undefined
  const { output } = await execute(path, ['--version'], { timeoutMs: 10_000 })
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(output) ?? []
  // Before 1.21 it had no prepared statements across connections and does not know the setting.
  return { path, knowsPrepared: Number(major) > 1 || Number(minor) >= 21 }
}

/** Starts a PgBouncer of one's own. */
export function startPgbouncer(located: Located<PgbouncerProgram>, options: PgbouncerOptions): Promise<Server> {
  const program = located.programs
  const { port: behind, hostname, username, password, pathname } = new URL(options.url)
  const login = `user=${decodeURIComponent(username)}${password === '' ? '' : ` password=${decodeURIComponent(password)}`}`
  const settings = (folder: string, port: number): string[] => [
    '[databases]',
    `* = host=${hostname} port=${behind === '' ? 5432 : behind} ${login}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${options.mode ?? 'transaction'}`,
    `default_pool_size = ${options.poolSize ?? 5}`,
    'max_client_conn = 1000',
    'ignore_startup_parameters = extra_float_digits',
    `pidfile = ${join(folder, 'pid')}`,
    ...(program.knowsPrepared ? ['max_prepared_statements = 0'] : []),
  ]
  return startServer({
    name: 'pgbouncer',
    url: (port) => `postgres://postgres@127.0.0.1:${port}${pathname === '' ? '/postgres' : pathname}`,
    command: ({ folder, port, user }) => {
      // Written here and not when the data is prepared, for it holds the port.
      const file = join(folder, 'pgbouncer.ini')
      writeFileSync(file, `${settings(folder, port).join('\n')}\n`)
      if (user !== undefined) chownSync(file, user.uid, user.gid)
      return [program.path, file]
    },
    answers: (port) => postgresQuery(port, 'select 1'),
  })
}
