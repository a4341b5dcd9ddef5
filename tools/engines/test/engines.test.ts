import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import {
  dynamodbUrl,
  type Engine,
  missing,
  mysqlUrl,
  pgbouncerUrl,
  postgresUrl,
  postgresUrls,
  redisClusterUrls,
  redisSentinels,
  redisUrl,
  startMariadb,
  startPostgres,
  startPostgresPair,
  startRedis,
} from '@retrysafe/engines'
import { Cluster, Redis } from 'ioredis'
import mysql from 'mysql2/promise'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, type TestContext, test } from 'vitest'

/** Engines take seconds to start, and many more where other tests have the machine. */
const startsMs = 120_000

async function needs(context: TestContext, engine: Engine): Promise<void> {
  const reason = await missing(engine)
  context.skip(reason !== undefined, reason)
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it was to be skipped')
  return value
}

/** The one value that a statement gives. */
async function ask(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query({ text: statement, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end().catch(() => undefined)
  }
}

function redis(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => null, lazyConnect: true })
  client.on('error', () => undefined)
  return client
}

describe('shared engines answer their clients', { timeout: startsMs }, () => {
  test('every PostgreSQL, the newest first', async (context) => {
    await needs(context, 'postgres')
    const all = known(await postgresUrls())
    expect(await postgresUrl()).toBe(all[0]?.url)
    expect(all.map(({ version }) => version)).toEqual(all.map(({ version }) => version).sort((a, b) => b - a))
    for (const { version, url } of all) expect(await ask(url, 'show server_version')).toMatch(RegExp(`^${version}\\.`))
  })

  test('PgBouncer, which gives a connection back after each transaction', async (context) => {
    await needs(context, 'pgbouncer')
    const url = known(await pgbouncerUrl())
    // Twelve that stay connected: with a session of its own each, the sixth would wait for ever.
    const clients = Array.from({ length: 12 }, () => new pg.Client(url))
    const backends = new Set<number>()
    for (const client of clients) {
      await client.connect()
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      for (const { pid } of rows) backends.add(pid)
    }
    expect(backends.size).toBeGreaterThan(0)
    expect(backends.size).toBeLessThanOrEqual(5)
    await Promise.all(clients.map((client) => client.end()))
  })

  test('Redis', async (context) => {
    await needs(context, 'redis')
    const client = redis(known(await redisUrl()))
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  test('Redis Cluster, with a key in each third of its slots', async (context) => {
    await needs(context, 'redis-cluster')
    const client = new Cluster(known(await redisClusterUrls()))
    expect(client.nodes('master').length).toBeLessThanOrEqual(3)
    const keys = Array.from({ length: 30 }, (_, index) => `engines-test-${index}`)
    await Promise.all(keys.map((key) => client.set(key, key, 'EX', 60)))
    expect(await Promise.all(keys.map((key) => client.get(key)))).toEqual(keys)
    expect(client.nodes('master')).toHaveLength(3)
    client.disconnect()
  })

  test('Redis Sentinel, which names the master', async (context) => {
    await needs(context, 'redis-sentinel')
    const { urls, name, master } = known(await redisSentinels())
    const sentinels = urls.map((url) => ({ host: '127.0.0.1', port: Number(new URL(url).port) }))
    const client = new Redis({ sentinels, name })
    expect(await client.info('server')).toContain(`tcp_port:${new URL(master).port}\r\n`)
    expect(await client.wait(1, 0)).toBe(1)
    client.disconnect()
  })

  test('MariaDB', async (context) => {
    await needs(context, 'mysql')
    const client = await mysql.createConnection(known(await mysqlUrl()))
    const [rows] = await client.query('select database() as name')
    expect(rows).toEqual([{ name: 'retrysafe' }])
    await client.end()
  })

  test('dynalite', async (context) => {
    await needs(context, 'dynamodb')
    const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
    const client = new DynamoDBClient({ endpoint: known(await dynamodbUrl()), region: 'local', credentials })
    expect((await client.send(new ListTablesCommand({}))).TableNames).toBeInstanceOf(Array)
    client.destroy()
  })

  test('the same ones to all who ask', async (context) => {
    await needs(context, 'redis')
    expect(new Set(await Promise.all([redisUrl(), redisUrl(), redisUrl()])).size).toBe(1)
  })

  test('to nobody but this machine', async (context) => {
    const outside = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    const address = outside.find(({ internal, family }) => !internal && family === 'IPv4')?.address
    context.skip(address === undefined, 'this machine has no address but its own')
    const urls = [await postgresUrl(), await pgbouncerUrl(), await redisUrl(), await mysqlUrl(), await dynamodbUrl()]
    for (const url of urls) if (url !== undefined) expect(await answers(url, address)).toBe(false)
    for (const url of urls) if (url !== undefined) expect(await answers(url, '127.0.0.1')).toBe(true)
  })
})

function answers(url: string, host: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(new URL(url).port) })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

describe('an engine of one’s own comes back with what it had, after SIGKILL', { timeout: startsMs }, () => {
  let stop: (() => Promise<void>) | undefined

  beforeEach(() => {
    stop = undefined
  })

  afterEach(async () => {
    await stop?.()
  })

  test('PostgreSQL', async (context) => {
    await needs(context, 'postgres')
    const server = await startPostgres()
    stop = server.stop
    expect(await ask(server.url, 'show fsync')).toBe('on')
    await ask(server.url, "create table kept as select 'it'::text as what")
    const waiting = ask(server.url, 'select pg_sleep(60)').catch((error: unknown) => error)
    await server.kill()
    expect(await waiting).toBeInstanceOf(Error)
    await expect(ask(server.url, 'select 1')).rejects.toThrow('ECONNREFUSED')
    await server.start()
    expect(await ask(server.url, 'select what from kept')).toBe('it')
  })

  test('PostgreSQL with a replica, which takes over', async (context) => {
    await needs(context, 'postgres')
    const pair = await startPostgresPair({ settings: { synchronous_standby_names: 'replica' } })
    stop = pair.stop
    await ask(pair.primary.url, "create table kept as select 'it'::text as what")
    await expect(ask(pair.replica.url, 'create table other ()')).rejects.toThrow('read-only')
    await pair.primary.kill()
    await pair.replica.promote()
    // The primary had waited for the replica, so that this is no question of time.
    expect(await ask(pair.replica.url, 'select what from kept')).toBe('it')
    await ask(pair.replica.url, 'create table other ()')
  })

  test('Redis', async (context) => {
    await needs(context, 'redis')
    const server = await startRedis()
    stop = server.stop
    const before = redis(server.url)
    await before.set('kept', 'it')
    await server.kill()
    await expect(before.get('kept')).rejects.toThrow()
    await expect(redis(server.url).ping()).rejects.toThrow()
    await server.start()
    const after = redis(server.url)
    expect(await after.get('kept')).toBe('it')
    after.disconnect()
  })

  test('MariaDB', async (context) => {
    await needs(context, 'mysql')
    const server = await startMariadb()
    stop = server.stop
    const before = await mysql.createConnection(server.url)
    before.on('error', () => undefined)
    await before.query("create table kept as select 'it' as what")
    await server.kill()
    await expect(mysql.createConnection(server.url)).rejects.toThrow('ECONNREFUSED')
    await server.start()
    const after = await mysql.createConnection(server.url)
    const [rows] = await after.query('select what from kept')
    expect(rows).toEqual([{ what: 'it' }])
    await after.end()
  })
})

test('an engine that does not start says why in its own words', async (context) => {
  await needs(context, 'redis')
  await expect(startRedis({ settings: { maxmemory: 'nonsense' } })).rejects.toThrow(
    /^redis ended with exit code 1\. The end of its log:\n[\s\S]*maxmemory/,
  )
})

test('a version that is not there is refused with those that are', async (context) => {
  await needs(context, 'postgres')
  await expect(startPostgres({ version: 7 })).rejects.toThrow(/^no PostgreSQL 7: there is \d+/)
})
