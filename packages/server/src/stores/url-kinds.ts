import { duration, wholeNumber } from '../cli/values.js'
import { bad, knowParameters, type NetworkUrl, queryOf } from './network-url.js'
import type { DynamodbUrl, Host, MysqlUrl, PostgresUrl, RedisUrl } from './store-url.js'

/** Connections of a pool, where the URL says nothing. */
const usualPool = 10
const poolSize = wholeNumber(1, 1000)

/** Parameters that pg reads itself. */
const pgParameters = [
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
  'application_name',
  'options',
  'host',
]

export function postgresOf(url: NetworkUrl, name: string): PostgresUrl {
  const { query, user, password, path, text } = url
  knowParameters(query, ['schema', 'table', 'pool', 'listen', ...pgParameters], name)
  if (url.hosts.length === 0 && !query.has('host'))
    throw bad(name, 'has no host: write postgres://USER:PASSWORD@HOST:PORT/DATABASE.')
  const at = url.hosts.length === 0 ? { host: '', port: undefined } : oneHost(url, name)
  const passed = new URLSearchParams([...query].filter(([key]) => pgParameters.includes(key)))
  if (!passed.has('application_name')) passed.set('application_name', 'retrysafe')
  const who = user === '' && password === '' ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  return {
    kind: 'postgres',
    text,
    connectionString: `postgres://${who}${spell(at)}/${encodeURIComponent(path)}?${passed}`,
    pool: poolOf(query, name),
    listen: isOn(query, 'listen', name),
    schema: nameOf(query, 'schema', name),
    table: nameOf(query, 'table', name),
  }
}

export function mysqlOf(url: NetworkUrl, name: string): MysqlUrl {
  const { query, user, password, path, text } = url
  knowParameters(query, ['table', 'pool', 'tls'], name)
  if (url.hosts.length === 0 || path === '' || path.includes('/'))
    throw bad(name, 'has no host or no database: write mysql://USER:PASSWORD@HOST:PORT/DATABASE.')
  return {
    kind: 'mysql',
    text,
    at: oneHost(url, name),
    user,
    password,
    database: path,
    tls: isOn(query, 'tls', name),
    pool: poolOf(query, name),
    table: nameOf(query, 'table', name),
  }
}

export function redisOf(url: NetworkUrl, name: string): RedisUrl {
  const { query, user, password, path, text, hosts } = url
  knowParameters(query, ['prefix', 'cluster', 'sentinel'], name)
  const isCluster = isOn(query, 'cluster', name)
  const master = nameOf(query, 'sentinel', name)
  if (isCluster && master !== undefined) throw bad(name, 'has both cluster and sentinel: a Redis is one of them.')
  if (hosts.length === 0) throw bad(name, 'has no host: write redis://HOST:PORT, or redis://USER:PASSWORD@HOST:PORT.')
  if (hosts.length > 1 && !isCluster && master === undefined)
    throw bad(name, 'has several hosts: add ?cluster=true for nodes of a cluster, or ?sentinel=NAME for sentinels.')
  if (path !== '' && !/^\d{1,4}$/.test(path))
    throw bad(name, 'has a path that is no database: write a number, such as /0.')
  if (isCluster && Number(path) > 0) throw bad(name, 'has a database, but a cluster has only the database 0.')
  return {
    kind: 'redis',
    text,
    mode: isCluster ? 'cluster' : master === undefined ? 'single' : 'sentinel',
    hosts,
    master,
    user,
    password,
    database: Number(path),
    tls: url.scheme === 'rediss',
    prefix: nameOf(query, 'prefix', name),
  }
}

export function dynamodbOf(rest: string, name: string): DynamodbUrl {
  const [, table = '', search = ''] = /^([\w.-]{3,255})(?:\?(.*))?$/.exec(rest) ?? []
  if (table === '')
    throw bad(name, 'names no table of DynamoDB: write dynamodb:TABLE, or dynamodb:TABLE?region=eu-central-1.')
  const query = queryOf(search, name)
  knowParameters(query, ['region', 'endpoint', 'maxClockSkew'], name)
  const endpoint = query.get('endpoint')
  if (endpoint !== undefined && !isEndpoint(endpoint))
    throw bad(name, 'has an endpoint that is none: write http://HOST:PORT or https://HOST, without a user.')
  const region = query.get('region')
  if (region !== undefined && !/^[a-z0-9-]{1,40}$/.test(region))
    throw bad(name, 'has a region that is none: write one such as eu-central-1.')
  const skew = query.get('maxClockSkew')
  return {
    kind: 'dynamodb',
    text: `dynamodb:${rest}`,
    table,
    region,
    endpoint,
    maxClockSkewMs:
      skew === undefined ? undefined : duration(0, 60_000, 'from 0ms to 1m')(skew, `${name}: maxClockSkew`),
  }
}

function isEndpoint(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

function oneHost({ hosts, scheme }: NetworkUrl, name: string): Host {
  const [host, ...others] = hosts
  if (host !== undefined && others.length === 0) return host
  throw bad(name, `has several hosts, which ${scheme} does not take: name one, or what balances between them.`)
}

function spell({ host, port }: Host): string {
  const shown = host.includes(':') ? `[${host}]` : host
  return port === undefined ? shown : `${shown}:${port}`
}

function poolOf(query: ReadonlyMap<string, string>, name: string): number {
  const pool = query.get('pool')
  return pool === undefined ? usualPool : poolSize(pool, `${name}: pool`)
}

function nameOf(query: ReadonlyMap<string, string>, parameter: string, name: string): string | undefined {
  const value = query.get(parameter)
  if (value === '') throw bad(name, `has an empty ${parameter}: give a name, or leave it out.`)
  return value
}

function isOn(query: ReadonlyMap<string, string>, parameter: string, name: string): boolean {
  const value = query.get(parameter) ?? 'false'
  if (value === 'true' || value === 'false') return value === 'true'
  throw bad(name, `has ${parameter} with a value that is none: write ${parameter}=true or ${parameter}=false.`)
}
