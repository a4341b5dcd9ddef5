import type { StoreUrl } from '../stores/store-url.js'
import type { Bench } from './bench.js'

/** The bench for that store. Each is loaded only where it is asked for, with its client. */
export async function benchOf(url: StoreUrl): Promise<Bench> {
  switch (url.kind) {
    case 'memory':
      return (await import('./memory.js')).memoryBench()
    case 'sqlite':
      return (await import('./sqlite.js')).sqliteBench(url)
    case 'postgres':
      return (await import('./postgres.js')).postgresBench(url)
    case 'mysql':
      return (await import('./mysql.js')).mysqlBench(url)
    case 'redis':
      return (await import('./redis.js')).redisBench(url)
    case 'dynamodb':
      return (await import('./dynamodb.js')).dynamodbBench(url)
  }
}
