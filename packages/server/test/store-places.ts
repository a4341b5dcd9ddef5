/* Places of a test's own on the shared engines, named by the URLs that an operator would write. */
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { Redis } from 'ioredis'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import type { TestContext } from 'vitest'
import {
  dynamodbUrl,
  missing,
  mysqlUrl,
  postgresUrl,
  redisClusterUrls,
  redisSentinels,
  redisUrl,
} from '../../../tools/engines/src/index.js'
import { afterwards } from './bench.js'

export type Engine = 'postgres' | 'mysql' | 'redis' | 'redis-cluster' | 'redis-sentinel' | 'dynamodb'

/** A place on an engine. It is removed when the test is over. */
export interface StorePlace {
  readonly url: string
  /** Tables or keys that are there, of this place and of others: what a check must leave as it was. */
  look(): Promise<readonly string[]>
}

/** Who we are to an emulator of AWS does not matter, but we must be somebody. */
export const anyAws = { AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any' }

function fresh(): string {
  return `t_${crypto.randomUUID().replaceAll('-', '').slice(0, 16)}`
}

/** A place with nothing in it yet; skips the test where the engine cannot be had. */
export async function placeOn(engine: Engine, context: TestContext): Promise<StorePlace> {
  const reason = await missing(engine)
  if (reason !== undefined) return context.skip(reason)
  switch (engine) {
    case 'postgres':
      return postgresPlace(need(await postgresUrl()))
    case 'mysql':
      return mysqlPlace(need(await mysqlUrl()))
    case 'redis':
      return redisPlace(need(await redisUrl()))
    case 'redis-cluster':
      return clusterPlace(need(await redisClusterUrls()))
    case 'redis-sentinel': {
      const { urls, name, master } = need(await redisSentinels())
      return redisPlace(master, `redis://${hostsOf(urls)}?sentinel=${name}&prefix=`)
    }
    case 'dynamodb':
      return dynamodbPlace(need(await dynamodbUrl()))
  }
}

function need<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('the engine is missing')
  return found
}

function hostsOf(urls: readonly string[]): string {
  return urls.map((url) => new URL(url).host).join(',')
}

export async function postgresPlace(url: string): Promise<StorePlace> {
  const schema = fresh()
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  await client.query(`CREATE SCHEMA ${schema}`)
  afterwards(async () => {
    await client.query(`DROP SCHEMA ${schema} CASCADE`).catch(() => {})
    await client.end()
  })
  return {
    url: `${url}?schema=${schema}&pool=4`,
    look: async () => {
      const { rows } = await client.query(`SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' ORDER BY 1`)
      return rows.map((row: { tablename: string }) => row.tablename)
    },
  }
}

async function mysqlPlace(url: string): Promise<StorePlace> {
  const database = fresh()
  const connection = await createConnection(url)
  await connection.query(`CREATE DATABASE ${database}`)
  afterwards(async () => {
    await connection.query(`DROP DATABASE ${database}`)
    await connection.end()
  })
  const own = new URL(url)
  own.pathname = database
  return {
    url: `${own}?pool=4`,
    look: async () => {
      const [rows] = await connection.query(`SHOW TABLES FROM ${database}`)
      return (rows as object[]).map((row) => String(Object.values(row)[0]))
    },
  }
}

function redisPlace(url: string, before = `${url}?prefix=`): StorePlace {
  const prefix = `${fresh()}:`
  const client = new Redis(url)
  client.on('error', () => {})
  afterwards(async () => {
    for (const key of await client.keys(`${prefix}*`)) await client.del(key)
    client.disconnect()
  })
  return {
    url: `${before}${prefix}`,
    look: async () => (await client.keys('*')).filter((key) => key.startsWith(prefix) || key.includes('check')),
  }
}

function clusterPlace(urls: readonly string[]): StorePlace {
  const prefix = `${fresh()}:`
  const clients = urls.map((url) => new Redis(url))
  afterwards(async () => {
    for (const client of clients) {
      for (const key of await client.keys(`${prefix}*`)) await client.del(key)
      client.disconnect()
    }
  })
  return {
    url: `redis://${hostsOf(urls)}?cluster=true&prefix=${prefix}`,
    look: async () => {
      const found = await Promise.all(clients.map((client) => client.keys('*')))
      return found.flat().filter((key) => key.startsWith(prefix) || key.includes('check'))
    },
  }
}

function dynamodbPlace(endpoint: string): StorePlace {
  const table = fresh()
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  const client = new DynamoDB({ endpoint, region: 'eu-central-1', credentials })
  afterwards(async () => {
    await client.deleteTable({ TableName: table }).catch(() => {})
    client.destroy()
  })
  return {
    url: `dynamodb:${table}?region=eu-central-1&endpoint=${endpoint}`,
    look: async () => {
      const { Items: items = [] } = await client.scan({ TableName: table })
      return items.map((item) => String(item.key?.S))
    },
  }
}
