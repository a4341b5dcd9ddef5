/** Real engines for tests and benchmarks; README.md beside the package says how they are had. */
import { brokerVariable, remoteEngines } from './broker.js'
import {
  type Engine,
  type Engines,
  localEngines,
  type Member,
  type PostgresUrl,
  type PrivateEngine,
  type RedisSentinels,
  type Shared,
  type Started,
  type StartOptions,
} from './engines.js'
import type { PgbouncerOptions } from './pgbouncer.js'
import type { PostgresOptions } from './postgres.js'
import type { Server } from './server.js'

export { type FaultProxy, startFaultProxy } from './fault-proxy.js'
export type { Engine, PgbouncerOptions, PostgresOptions, PostgresUrl, RedisSentinels, Server }

let engines: Engines | undefined

function theEngines(): Engines {
  const address = process.env[brokerVariable]
  engines ??= address === undefined ? localEngines() : remoteEngines(address)
  return engines
}

/** Why an engine cannot be had here; `undefined` where it can. Rejects with `CI=true` instead of giving a reason. */
export async function missing(engine: Engine): Promise<string | undefined> {
  const reason = await theEngines().missing(engine)
  if (reason !== undefined && process.env.CI === 'true')
    throw new Error(`${engine} is missing, which fails a run with CI=true: ${reason}`)
  return reason === undefined ? undefined : `${engine} is missing: ${reason}`
}

async function shared<T>(engine: Shared): Promise<T | undefined> {
  if ((await missing(engine === 'postgres-versions' ? 'postgres' : engine)) !== undefined) return undefined
  const found = await theEngines().shared(engine)
  return 'value' in found ? (found.value as T) : undefined
}

/** The newest PostgreSQL there is. */
export function postgresUrl(): Promise<string | undefined> {
  return shared('postgres')
}

/** A PostgreSQL of every major version there is, newest first. */
export function postgresUrls(): Promise<PostgresUrl[] | undefined> {
  return shared('postgres-versions')
}

/** The newest PostgreSQL through PgBouncer, in transaction mode. */
export function pgbouncerUrl(): Promise<string | undefined> {
  return shared('pgbouncer')
}

/** A Redis that keeps nothing on disk. */
export function redisUrl(): Promise<string | undefined> {
  return shared('redis')
}

/** A Redis Cluster of three masters. */
export function redisClusterUrls(): Promise<string[] | undefined> {
  return shared('redis-cluster')
}

/** Three sentinels that watch a master and its replica. */
export function redisSentinels(): Promise<RedisSentinels | undefined> {
  return shared('redis-sentinel')
}

/** A MariaDB. */
export function mysqlUrl(): Promise<string | undefined> {
  return shared('mysql')
}

/** A dynalite, which speaks as DynamoDB does. */
export function dynamodbUrl(): Promise<string | undefined> {
  return shared('dynamodb')
}

/** Options of a Redis or MariaDB of one's own. */
export interface ServerOptions {
  /** Settings in the engine's own words. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

/** A PostgreSQL of one's own. */
export interface PostgresServer extends Server {
  readonly version: number
}

/** Starts a PostgreSQL of one's own, as durable as it is by default. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const started = await start('postgres', options)
  return { ...server(started, 'server'), version: started.version ?? 0 }
}

/** A primary and a replica that follows it by streaming. */
export interface PostgresPair {
  readonly version: number
  readonly primary: Server
  readonly replica: Server & {
    /** Makes the replica a primary and resolves when it is one. */
    promote(): Promise<void>
  }
  stop(): Promise<void>
}

/** Starts a PostgreSQL with a streaming replica. The settings are the primary's. */
export async function startPostgresPair(options: PostgresOptions = {}): Promise<PostgresPair> {
  const started = await start('postgres-pair', options)
  return {
    version: started.version ?? 0,
    primary: server(started, 'primary'),
    replica: { ...server(started, 'replica'), promote: () => member(started, 'replica').do('promote') },
    stop: () => stopAll(started),
  }
}

/** Starts a PgBouncer of one's own in front of a PostgreSQL. */
export async function startPgbouncer(options: PgbouncerOptions): Promise<Server> {
  return server(await start('pgbouncer', { pgbouncer: options }), 'server')
}

/** Starts a Redis of one's own that loses nothing it has answered to. */
export async function startRedis(options: ServerOptions = {}): Promise<Server> {
  return server(await start('redis', options), 'server')
}

/** A Redis Cluster of one's own. */
export interface RedisCluster {
  readonly urls: string[]
  readonly nodes: Server[]
  stop(): Promise<void>
}

/** Starts a Redis Cluster of three masters. */
export async function startRedisCluster(options: ServerOptions = {}): Promise<RedisCluster> {
  const started = await start('redis-cluster', options)
  const nodes = Object.keys(started.members).map((name) => server(started, name))
  return { urls: nodes.map(({ url }) => url), nodes, stop: () => stopAll(started) }
}

/** A Redis master and its replica, watched by three sentinels. */
export interface RedisSentinel {
  readonly urls: string[]
  readonly name: string
  readonly master: Server
  readonly replica: Server
  readonly sentinels: Server[]
  stop(): Promise<void>
}

/** Starts a Redis master with a replica and three sentinels, which fail over in about two seconds. */
export async function startRedisSentinel(options: ServerOptions = {}): Promise<RedisSentinel> {
  const started = await start('redis-sentinel', options)
  const names = Object.keys(started.members).filter((name) => name.startsWith('sentinel'))
  const sentinels = names.map((name) => server(started, name))
  return {
    urls: sentinels.map(({ url }) => url),
    name: 'main',
    master: server(started, 'master'),
    replica: server(started, 'replica'),
    sentinels,
    stop: () => stopAll(started),
  }
}

/** Starts a MariaDB of one's own, as durable as it is by default. */
export async function startMariadb(options: ServerOptions = {}): Promise<Server> {
  return server(await start('mariadb', options), 'server')
}

/** Ends the engines that this process has started. Those of a test run end with the run. */
export async function stopEngines(): Promise<void> {
  const ended = engines
  engines = undefined
  await ended?.end()
}

function start(engine: PrivateEngine, options: StartOptions): Promise<Started> {
  return theEngines().start(engine, options)
}

function member(started: Started, name: string): Member {
  const found = started.members[name]
  if (found === undefined) throw new Error(`no member ${name}`)
  return found
}

function server(started: Started, name: string): Server {
  const one = member(started, name)
  return {
    url: one.url,
    port: one.port,
    kill: () => one.do('kill'),
    start: () => one.do('start'),
    stop: () => one.do('stop'),
  }
}

async function stopAll(started: Started): Promise<void> {
  await Promise.all(Object.values(started.members).map((one) => one.do('stop')))
}
