import { RetrysafeError } from 'retrysafe'
import { badValue, type Reader } from '../cli/values.js'
import { networkUrl } from './network-url.js'
import { dynamodbOf, mysqlOf, postgresOf, redisOf } from './url-kinds.js'

/** Where a server is. */
export interface Host {
  readonly host: string
  readonly port: number | undefined
}

interface Shown {
  /** As it may be printed: without user and password. */
  readonly text: string
}

export interface MemoryUrl extends Shown {
  readonly kind: 'memory'
}

export interface SqliteUrl extends Shown {
  readonly kind: 'sqlite'
  readonly path: string
}

export interface PostgresUrl extends Shown {
  readonly kind: 'postgres'
  /** For the driver, with the password and the driver's own parameters. Never printed. */
  readonly connectionString: string
  readonly pool: number
  /** Whether a lasting connection may be had for wake-ups: not through a pooler that hands out transactions. */
  readonly listen: boolean
  readonly schema: string | undefined
  readonly table: string | undefined
}

export interface MysqlUrl extends Shown {
  readonly kind: 'mysql'
  readonly at: Host
  readonly user: string
  readonly password: string
  readonly database: string
  readonly tls: boolean
  readonly pool: number
  readonly table: string | undefined
}

export interface RedisUrl extends Shown {
  readonly kind: 'redis'
  readonly mode: 'single' | 'cluster' | 'sentinel'
  /** One server, or some nodes of the cluster, or the sentinels. */
  readonly hosts: readonly Host[]
  /** The name that the sentinels know the master by. */
  readonly master: string | undefined
  readonly user: string
  readonly password: string
  readonly database: number
  readonly tls: boolean
  readonly prefix: string | undefined
}

export interface DynamodbUrl extends Shown {
  readonly kind: 'dynamodb'
  readonly table: string
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly maxClockSkewMs: number | undefined
}

/** Which store, and where. */
export type StoreUrl = MemoryUrl | SqliteUrl | PostgresUrl | MysqlUrl | RedisUrl | DynamodbUrl

/** For errors: every form there is. */
export const storeForms =
  'memory:, sqlite:PATH, postgres://HOST/DATABASE, mysql://HOST/DATABASE, redis://HOST or dynamodb:TABLE'

/** Reads a store's URL. No error repeats a password. */
export const storeUrl: Reader<StoreUrl> = (given, name) => {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):([\s\S]*)$/i.exec(given) ?? []
  const kind = scheme.toLowerCase()
  switch (kind) {
    case 'memory':
      if (rest === '') return { kind, text: given }
      break
    case 'sqlite':
      if (rest !== '' && !rest.startsWith('//') && !rest.startsWith(':') && !rest.includes('\0'))
        return { kind, text: given, path: rest }
      break
    case 'postgres':
    case 'postgresql':
      return postgresOf(networkUrl(given, name), name)
    case 'mysql':
    case 'mariadb':
      return mysqlOf(networkUrl(given, name), name)
    case 'redis':
    case 'rediss':
      return redisOf(networkUrl(given, name), name)
    case 'dynamodb':
      return dynamodbOf(rest, name)
    case 'http':
    case 'https':
      throw new RetrysafeError(
        'invalid_option',
        `${name} names a ${kind} store, which is not in this version of the server: write ${storeForms}.`,
      )
  }
  throw badValue(
    name,
    shownOf(given, kind),
    `${storeForms}, such as sqlite:./retrysafe.db or postgres://db.internal/shop`,
  )
}

/** What stands behind the slashes of a URL that is none could be anything. */
function shownOf(given: string, kind: string): string {
  return given.includes('//') || given.includes('@') ? `${kind === '' ? '' : `${kind}:`}…` : given
}
