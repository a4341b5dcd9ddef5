import { badOption } from '../../contract/index.js'
import { createWakes } from '../shared/wakes.js'

/** A lasting connection of `pg`: a connected Client. A Pool will not do. */
export interface PostgresListenClient {
  query(text: string): PromiseLike<unknown>
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(
    event: 'notification',
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown
  removeListener(event: 'end', listener: () => void): unknown
}

/** What listens by itself: the `sql` of postgres.js, which connects anew where its connection is lost, or PGlite. */
export interface PostgresListenFunction {
  listen(channel: string, onNotify: (payload: string) => void): PromiseLike<unknown>
}

export type PostgresListener = PostgresListenClient | PostgresListenFunction

export interface PostgresWakes {
  wait(key: string, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Listens from the first wait on. */
export function listenTo(listener: PostgresListener, channel: string): PostgresWakes {
  const start = starterOf(listener)
  const wakes = createWakes()
  let listening: Promise<() => Promise<unknown>> | undefined

  /** Whoever waits on a connection that ended hears no more, so that each looks for itself; the next wait listens anew. */
  function forget(): void {
    listening = undefined
    wakes.wakeAll()
  }

  function listenOnce(): Promise<() => Promise<unknown>> {
    if (listening === undefined) {
      listening = start(channel, (payload) => wakes.wake(payload), forget)
      listening.then(
        // Who began to wait before may have missed a push.
        () => wakes.wakeAll(),
        () => {
          listening = undefined
        },
      )
    }
    return listening
  }

  return {
    wait: async (key, signal) => {
      const woken = wakes.wait(toPush(key), signal)
      if (signal.aborted) return woken
      await Promise.race([listenOnce(), woken])
      return woken
    },
    close: async () => {
      wakes.wakeAll()
      const stop = await listening?.catch(() => undefined)
      await stop?.()
    },
  }
}

/**
 * What is pushed for a key: a digest of 64 bits, since whoever may listen in the database would see keys. Another key of
 * the same digest is woken for nothing. FNV-1a, twice.
 */
export function toPush(key: string): string {
  let [a, b] = [0x811c9dc5, 0x01000193]
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x85ebca6b) ^ (b >>> 13)
  }
  return toHex32(a) + toHex32(b)
}

function toHex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}

type Start = (channel: string, onPush: (payload: string) => void, onEnd: () => void) => Promise<() => Promise<unknown>>

function starterOf(listener: PostgresListener): Start {
  const given: unknown = listener
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  if (isObject && 'listen' in listener && typeof listener.listen === 'function')
    return async (channel, onPush) => {
      const listening: unknown = await listener.listen(channel, onPush)
      return async () => {
        if (typeof listening === 'function') await listening()
        else await (listening as { unlisten?(): Promise<unknown> } | undefined)?.unlisten?.()
      }
    }
  if (isObject && 'on' in listener && typeof listener.on === 'function')
    return async (channel, onPush, onEnd) => {
      const onNotification = (message: { channel: string; payload?: string | undefined }): void => {
        if (message.channel === channel) onPush(message.payload ?? '')
      }
      const stop = (): void => {
        listener.removeListener('notification', onNotification)
        listener.removeListener('end', onClosed)
      }
      const onClosed = (): void => {
        stop()
        onEnd()
      }
      listener.on('notification', onNotification)
      listener.on('end', onClosed)
      try {
        await listener.query(`LISTEN "${channel}"`)
      } catch (error) {
        stop()
        throw error
      }
      // Another store may listen on the same connection, so that it goes on listening.
      return async () => stop()
    }
  throw badOption('listen', given, 'a connected Client of pg, the sql of postgres.js, or PGlite')
}
