import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Found, findProgram, type Located, locate } from './programs.js'
import { type Server, startServer } from './server.js'
import { greeting } from './wire.js'

/** The programs of an installed MariaDB. */
export interface MariadbPrograms {
  readonly server: string
  readonly install: string
}

/** What makes the shared one fast, at the price of what it would lose with the power. */
export const careless: Readonly<Record<string, string>> = {
  'innodb-flush-log-at-trx-commit': '0',
  'innodb-flush-method': 'nosync',
  'innodb-doublewrite': '0',
}

const ordinary: Readonly<Record<string, string>> = {
  'bind-address': '127.0.0.1',
  'max-connections': '200',
  'innodb-buffer-pool-size': '64M',
  'innodb-log-file-size': '16M',
  'skip-name-resolve': '1',
}

const install = [
  '--no-defaults',
  '--auth-root-authentication-method=normal',
  '--skip-test-db',
  ...Object.entries(careless).map(([name, value]) => `--${name}=${value}`),
  `--innodb-log-file-size=${ordinary['innodb-log-file-size']}`,
]

/** The account of the tests, made anew at each start, before anybody is let in. */
const account = `
CREATE DATABASE IF NOT EXISTS retrysafe;
CREATE USER IF NOT EXISTS 'retrysafe'@'127.0.0.1' IDENTIFIED BY 'retrysafe';
GRANT ALL PRIVILEGES ON *.* TO 'retrysafe'@'127.0.0.1' WITH GRANT OPTION;
`

let found: Promise<Found<Located<MariadbPrograms>>> | undefined

/** Looks for MariaDB, once. */
export function findMariadb(): Promise<Found<Located<MariadbPrograms>>> {
  found ??= locate({
    name: 'MariaDB',
    installed,
    packages: ['mariadb-server'],
    container: { image: 'mariadb:11', programs: { server: 'mariadbd', install: 'mariadb-install-db' } },
  })
  return found
}

function installed(): MariadbPrograms | undefined {
  const server = findProgram('mariadbd')
  const install = findProgram('mariadb-install-db')
  return server === undefined || install === undefined ? undefined : { server, install }
}

/** Starts a MariaDB of one's own. */
export function startMariadb(
  { programs, image }: Located<MariadbPrograms>,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const flags = Object.entries({ ...ordinary, ...settings }).map(([name, value]) => `--${name}=${value}`)
  return startServer({
    name: 'mariadb',
    image,
    url: (port) => `mysql://retrysafe:retrysafe@127.0.0.1:${port}/retrysafe`,
    initialize: (data, run) => run(programs.install, [...install, `--datadir=${data}`]),
    prepare({ folder, user }) {
      const file = join(folder, 'account.sql')
      writeFileSync(file, account)
      if (user !== undefined) chownSync(file, user.uid, user.gid)
    },
    command: ({ folder, port }) => [
      programs.server,
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--init-file=${join(folder, 'account.sql')}`,
      `--port=${port}`,
      ...flags,
    ],
    answers: greeting,
  })
}
