import type { Cluster, Redis } from 'ioredis'
import { type RedisStore, redisStore } from 'retrysafe/redis'
import { type ConnectOptions, connectMs, owning, statementMs, within } from './connection.js'
import type { RedisUrl } from './store-url.js'

/**
 * A client that says at once that the server is away, and comes back by itself. Nothing waits in the client: a claim that
 * were sent when its caller has long been answered 503 would hold the key for nobody.
 */
export async function redisClient(url: RedisUrl, options: ConnectOptions = {}): Promise<Redis | Cluster> {
  const { Cluster, Redis } = await import('ioredis')
  const common = optionsOf(url, options)
  const client = url.mode === 'cluster' ? new Cluster(hostsOf(url), clusterOptions(common)) : single()
  // Without a listener the client prints every failure of its own accord.
  let last: unknown
  client.on('error', (error: unknown) => {
    last = error
    options.onLost?.(error)
  })
  try {
    // Sentinels that are all away are asked for ever; at the start somebody waits for the answer.
    await within(2 * connectMs, client.connect())
  } catch (error) {
    client.disconnect()
    // The client says "Connection is closed." where the server said why.
    throw last ?? error
  }
  return client

  function single(): Redis {
    if (url.mode === 'sentinel')
      return new Redis({
        ...common,
        sentinels: hostsOf(url),
        ...(url.master === undefined ? {} : { name: url.master }),
        sentinelRetryStrategy: pause,
        ...(url.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
      })
    const [at] = hostsOf(url)
    return new Redis({ ...common, ...at })
  }
}

export async function openRedis(url: RedisUrl, options: ConnectOptions = {}): Promise<RedisStore> {
  const client = await redisClient(url, options)
  const { prefix } = url
  const { clock } = options
  try {
    // In a cluster who waits asks again: a subscription there is a connection to every node.
    if (!options.wakes || !('duplicate' in client) || url.mode === 'cluster')
      return owning(redisStore({ client, prefix, clock }), async () => client.disconnect())
    const subscriber = (client as Redis).duplicate()
    subscriber.on('error', (error: unknown) => options.onLost?.(error))
    const store = redisStore({ client, subscriber, prefix, clock })
    // Until it is there, and whenever it is away, who waits asks again.
    subscriber.connect().catch(() => {})
    return owning(store, async () => {
      subscriber.disconnect()
      client.disconnect()
    })
  } catch (error) {
    client.disconnect()
    throw error
  }
}

function hostsOf(url: RedisUrl): { host: string; port: number }[] {
  const usual = url.mode === 'sentinel' ? 26_379 : 6379
  return url.hosts.map(({ host, port }) => ({ host, port: port ?? usual }))
}

function optionsOf(url: RedisUrl, options: ConnectOptions) {
  return {
    db: url.database,
    ...(url.user === '' ? {} : { username: url.user }),
    ...(url.password === '' ? {} : { password: url.password }),
    ...(url.tls ? { tls: {} } : {}),
    connectionName: 'retrysafe',
    connectTimeout: connectMs,
    commandTimeout: options.statementMs ?? statementMs,
    socketTimeout: options.statementMs ?? statementMs,
    // A socket that never came to be would hold the process for so long.
    disconnectTimeout: 200,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: true,
    retryStrategy: pause,
  }
}

function clusterOptions(common: ReturnType<typeof optionsOf>) {
  const { db: _, lazyConnect, enableOfflineQueue, enableAutoPipelining, retryStrategy, ...redisOptions } = common
  return {
    lazyConnect,
    enableOfflineQueue,
    enableAutoPipelining,
    clusterRetryStrategy: pause,
    retryDelayOnFailover: 200,
    redisOptions,
  }
}

/** Until the next try to connect. */
function pause(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 6), 2000)
}
