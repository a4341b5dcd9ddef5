import pg from 'pg'
import { findDynalite, startDynalite } from './dynalite.js'
import { careless, findMariadb, startMariadb } from './mariadb.js'
import { findPgbouncer, type PgbouncerOptions, startPgbouncer } from './pgbouncer.js'
import {
  findPostgres,
  forgetPostgres,
  hasty,
  type PostgresOptions,
  type PostgresPrograms,
  postgresPrograms,
  startPostgres,
  startPostgresPair,
} from './postgres.js'
import type { Found } from './programs.js'
import { findRedis, forgetful, sentinelName, startRedis, startRedisCluster, startRedisSentinel } from './redis.js'
import { endSupervisor, type Server } from './server.js'

/** The engines that are shared by all tests of a run. */
export type Engine = 'postgres' | 'pgbouncer' | 'redis' | 'redis-cluster' | 'redis-sentinel' | 'mysql' | 'dynamodb'

/** What is shared by another name: every PostgreSQL there is, of which `postgres` is the newest. */
export type Shared = Engine | 'postgres-versions'

/** The engines that a test may have of its own. */
export type PrivateEngine =
  | 'postgres'
  | 'postgres-pair'
  | 'pgbouncer'
  | 'redis'
  | 'redis-cluster'
  | 'redis-sentinel'
  | 'mariadb'

/** What can be done to a private engine. */
export type Deed = 'kill' | 'start' | 'stop' | 'promote'

/** One server of a private engine. */
export interface Member {
  readonly url: string
  readonly port: number
  do(deed: Deed): Promise<void>
}

/** A private engine: its servers by name. */
export interface Started {
  readonly version?: number
  readonly members: Readonly<Record<string, Member>>
}

/** Options of all private engines. */
export interface StartOptions {
  readonly version?: number | undefined
  readonly settings?: Readonly<Record<string, string>> | undefined
  readonly pgbouncer?: PgbouncerOptions | undefined
}

/** The engines, wherever they run: in this process or in the one that runs the tests. */
export interface Engines {
  /** Whether an engine can be had, without starting it: the reason why not. */
  missing(engine: Engine): Promise<string | undefined>
  /** The address of a shared engine, started when it is first asked for. */
  shared(engine: Shared): Promise<Found<unknown>>
  start(engine: PrivateEngine, options: StartOptions): Promise<Started>
  end(): Promise<void>
}

/** One PostgreSQL of several. */
export interface PostgresUrl {
  readonly version: number
  readonly url: string
}

/** The sentinels of a master, and what they watch. */
export interface RedisSentinels {
  readonly urls: string[]
  readonly name: string
  readonly master: string
  readonly replica: string
}

const variables: Readonly<Record<Engine, string | undefined>> = {
  postgres: 'RETRYSAFE_TEST_POSTGRES_URL',
  pgbouncer: 'RETRYSAFE_TEST_PGBOUNCER_URL',
  redis: 'RETRYSAFE_TEST_REDIS_URL',
  'redis-cluster': 'RETRYSAFE_TEST_REDIS_CLUSTER_URLS',
  'redis-sentinel': undefined,
  mysql: 'RETRYSAFE_TEST_MYSQL_URL',
  dynamodb: 'RETRYSAFE_TEST_DYNAMODB_URL',
}

/** Names engines, separated by commas, that are taken to be missing: to see what a run without them says. */
const withoutVariable = 'RETRYSAFE_TEST_WITHOUT'

/** Engines that are started from this process, each shared one once. */
export function localEngines(): Engines {
  const running = new Map<Shared, Promise<Found<unknown>>>()
  const said = new Set<Engine>()
  const shared: Share = (engine): Promise<Found<unknown>> => {
    const there = running.get(engine) ?? findOrStart(engine, shared)
    running.set(engine, there)
    return there
  }
  return {
    missing: async (engine) => {
      const reason = await whyMissing(engine)
      if (reason !== undefined && !said.has(engine)) console.error(`NOT RUN, for want of ${engine}: ${reason}`)
      if (reason !== undefined) said.add(engine)
      return reason
    },
    shared,
    start: startPrivate,
    async end() {
      running.clear()
      forgetPostgres()
      await endSupervisor()
    },
  }
}

function given(engine: Engine): string | undefined {
  const variable = variables[engine]
  const value = variable === undefined ? undefined : process.env[variable]
  return value === '' ? undefined : value
}

async function whyMissing(engine: Engine): Promise<string | undefined> {
  if ((process.env[withoutVariable] ?? '').split(',').includes(engine)) return `${withoutVariable} names it`
  if (given(engine) !== undefined) return undefined
  const found = await find(engine)
  if ('value' in found) return undefined
  const variable = variables[engine]
  return `${variable === undefined ? '' : `no ${variable}; `}${found.missing}`
}

async function find(engine: Engine): Promise<Found<unknown>> {
  switch (engine) {
    case 'postgres':
      return findPostgres()
    case 'pgbouncer': {
      const behind = await whyMissing('postgres')
      return behind === undefined ? findPgbouncer() : { missing: `it needs PostgreSQL: ${behind}` }
    }
    case 'redis':
    case 'redis-cluster':
    case 'redis-sentinel':
      return findRedis()
    case 'mysql':
      return findMariadb()
    case 'dynamodb':
      return findDynalite()
  }
}

type Share = (engine: Shared) => Promise<Found<unknown>>

async function findOrStart(engine: Shared, shared: Share): Promise<Found<unknown>> {
  const kind = engine === 'postgres-versions' ? 'postgres' : engine
  const missing = await whyMissing(kind)
  if (missing !== undefined) return { missing }
  const url = given(kind)
  if (engine === 'postgres-versions' && url !== undefined) return { value: [await described(url)] }
  if (engine === 'redis-cluster' && url !== undefined) return { value: url.split(',') }
  return { value: url ?? (await startShared(engine, shared)) }
}

async function described(url: string): Promise<PostgresUrl> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ server_version_num: string }>('show server_version_num')
  await client.end()
  return { version: Math.floor(Number(rows[0]?.server_version_num) / 10_000), url }
}

async function startVersion(programs: PostgresPrograms): Promise<PostgresUrl> {
  const { url } = await startPostgres(programs, { ...hasty, wal_level: 'minimal', max_wal_senders: '0' })
  return { version: programs.version, url }
}

async function startOtherVersions(newest: string): Promise<PostgresUrl[]> {
  const [first, ...others] = must(await findPostgres())
  return first === undefined
    ? []
    : [{ version: first.version, url: newest }, ...(await Promise.all(others.map(startVersion)))]
}

async function startShared(engine: Shared, shared: Share): Promise<unknown> {
  switch (engine) {
    case 'postgres':
      return (await startVersion(await postgresPrograms(undefined))).url
    case 'postgres-versions':
      return startOtherVersions(must(await shared('postgres')) as string)
    case 'pgbouncer': {
      const url = must(await shared('postgres')) as string
      return (await startPgbouncer(must(await findPgbouncer()), { url })).url
    }
    case 'redis':
      return (await startRedis(must(await findRedis()), forgetful)).url
    case 'redis-cluster':
      return (await startRedisCluster(must(await findRedis()), forgetful)).map(({ url }) => url)
    case 'redis-sentinel': {
      const { master, replica, sentinels } = await startRedisSentinel(must(await findRedis()), forgetful)
      const urls = sentinels.map(({ url }) => url)
      return { urls, name: sentinelName, master: master.url, replica: replica.url } satisfies RedisSentinels
    }
    case 'mysql':
      return (await startMariadb(must(await findMariadb()), careless)).url
    case 'dynamodb':
      return (await startDynalite(must(await findDynalite()))).url
  }
}

async function startPrivate(engine: PrivateEngine, options: StartOptions): Promise<Started> {
  switch (engine) {
    case 'postgres':
    case 'postgres-pair':
      return startPrivatePostgres(engine, options)
    case 'pgbouncer':
      return one(await startPgbouncer(must(await findPgbouncer()), options.pgbouncer ?? { url: '' }))
    case 'redis':
      return one(await startRedis(must(await findRedis()), options.settings))
    case 'redis-cluster': {
      const nodes = await startRedisCluster(must(await findRedis()), options.settings)
      return { members: Object.fromEntries(nodes.map((node, index) => [`node${index}`, member(node)])) }
    }
    case 'redis-sentinel': {
      const { master, replica, sentinels } = await startRedisSentinel(must(await findRedis()), options.settings)
      const watching = sentinels.map((node, index) => [`sentinel${index}`, member(node)])
      return { members: { master: member(master), replica: member(replica), ...Object.fromEntries(watching) } }
    }
    case 'mariadb':
      return one(await startMariadb(must(await findMariadb()), options.settings))
  }
}

async function startPrivatePostgres(
  engine: 'postgres' | 'postgres-pair',
  { version, settings }: PostgresOptions,
): Promise<Started> {
  const programs = await postgresPrograms(version)
  if (engine === 'postgres') return { version: programs.version, ...one(await startPostgres(programs, settings)) }
  const { primary, replica, promote } = await startPostgresPair(programs, settings)
  return { version: programs.version, members: { primary: member(primary), replica: member(replica, promote) } }
}

function one(server: Server): Started {
  return { members: { server: member(server) } }
}

function member(server: Server, promote?: () => Promise<void>): Member {
  return {
    url: server.url,
    port: server.port,
    async do(deed) {
      if (deed === 'promote') await promote?.()
      else await server[deed]()
    },
  }
}

function must<T>(found: Found<T>): T {
  if ('missing' in found) throw new Error(found.missing)
  return found.value
}
