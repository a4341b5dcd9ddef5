import type { Client } from 'pg'
import { systemClock } from 'retrysafe'
import type { PostgresListenFunction } from 'retrysafe/postgres'
import { type ConnectOptions, connectMs, within } from './connection.js'
import type { PostgresUrl } from './store-url.js'

const firstPauseMs = 200
const longestPauseMs = 10_000
const farewellMs = 1000

/**
 * Listens on a connection of its own, which is made anew whenever it breaks. What is pushed meanwhile is lost, and who
 * waits for it asks again after a while.
 */
export async function lastingListener(
  url: PostgresUrl,
  options: ConnectOptions,
): Promise<{ listener: PostgresListenFunction; end(): Promise<void> }> {
  const { Client } = await import('pg')
  const ended = new AbortController()
  let current: Client | undefined

  /** Resolves once it listens; `broken` is called once, when that connection is gone. */
  async function connect(channel: string, onNotify: (payload: string) => void, broken: () => void): Promise<void> {
    const { connectionString } = url
    const client = new Client({ connectionString, connectionTimeoutMillis: connectMs, keepAlive: true })
    client.on('error', (error) => options.onLost?.(error))
    client.on('notification', (message) => {
      if (message.channel === channel) onNotify(message.payload ?? '')
    })
    try {
      await client.connect()
      await client.query(`LISTEN "${channel}"`)
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    current = client
    client.once('end', broken)
    if (ended.signal.aborted) await client.end()
  }

  async function comeBack(channel: string, onNotify: (payload: string) => void): Promise<void> {
    for (let pauseMs = firstPauseMs; !ended.signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      await systemClock.sleep(pauseMs, ended.signal, true)
      if (ended.signal.aborted) return
      try {
        await connect(channel, onNotify, () => void comeBack(channel, onNotify))
        return
      } catch (error) {
        options.onLost?.(error)
      }
    }
  }

  return {
    listener: {
      listen: (channel, onNotify) => connect(channel, onNotify, () => void comeBack(channel, onNotify)),
    },
    end: async () => {
      ended.abort()
      if (current === undefined) return
      // A silent server never answers the farewell.
      await within(farewellMs, current.end()).catch(() => {})
      unref(current)
    },
  }
}

/** Missing in the client's types. */
function unref(client: Client): void {
  ;(client as Client & { unref(): void }).unref()
}
