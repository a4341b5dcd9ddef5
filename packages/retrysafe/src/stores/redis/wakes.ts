/* Who waits for a key is told by pub/sub. The channel is named like the key, so that in a Cluster both are on one node. */
import { badOption, isOver, type Rec } from '../../contract/index.js'
import { createWakes } from '../shared/wakes.js'
import { has } from './client.js'
import type { FullPrefix } from './names.js'
import { toText } from './replies.js'

/** The part of a second connection of `ioredis` or `iovalkey` that the store calls. It is in subscriber mode then. */
export interface IoredisSubscriber {
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  off(event: 'message', listener: (channel: string, message: string) => void): unknown
}

/** The part of a second client of `redis` (node-redis) that the store calls. */
export interface NodeRedisSubscriber {
  subscribe(channel: string, listener: (message: unknown, channel: unknown) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown, channel: unknown) => void): Promise<unknown>
}

export type RedisSubscriber = IoredisSubscriber | NodeRedisSubscriber

/** A connection that listens, whichever client it is of. */
interface Ear {
  /** Resolves once what is sent from now on is heard. */
  open(channel: string): Promise<unknown>
  close(channel: string): Promise<unknown>
  end(): void
}

export interface Wakes {
  wake(key: string, signal: AbortSignal): Promise<void>
  /** Ends all waits. */
  close(): void
}

interface Options {
  readonly subscriber: unknown
  readonly clustered: boolean
  readonly fullPrefix: FullPrefix
  read(key: string): Promise<{ readonly record: Rec | undefined; readonly now: number }>
}

/** @throws `invalid_option` for what is no client. */
export function createRedisWakes({ subscriber, clustered, fullPrefix, read }: Options): Wakes {
  const wakes = createWakes()
  let before = ''
  const ear = toEar(subscriber, clustered, (channel) => wakes.wake(channel.slice(before.length)))
  /** How many wait for a key. */
  const waiting = new Map<string, number>()
  /** The last thing that was asked of the ear about a key: the next comes after it. */
  const asked = new Map<string, Promise<unknown>>()

  function ask(key: string, act: () => Promise<unknown>): Promise<unknown> {
    const next = (asked.get(key) ?? Promise.resolve()).then(act, act)
    asked.set(key, next)
    const forget = (): void => {
      if (asked.get(key) === next) asked.delete(key)
    }
    next.then(forget, forget)
    return next
  }

  async function open(key: string): Promise<unknown> {
    before = await fullPrefix()
    return ear.open(before + key)
  }

  async function listen(key: string, over: AbortController): Promise<void> {
    // Another waiter's subscription that is on its way is waited for as well.
    await (waiting.get(key) === 1 ? ask(key, () => open(key)) : asked.get(key))
    if (over.signal.aborted) return
    // What changed before anything could be heard is seen.
    const { record, now } = await read(key)
    if (record === undefined || !isHeld(record, now)) over.abort()
  }

  return {
    async wake(key, signal) {
      if (signal.aborted) return
      const over = new AbortController()
      const end = (): void => over.abort()
      signal.addEventListener('abort', end, { once: true })
      waiting.set(key, (waiting.get(key) ?? 0) + 1)
      const woken = wakes.wait(key, over.signal)
      try {
        await Promise.race([woken, listen(key, over).then(() => woken)])
      } finally {
        signal.removeEventListener('abort', end)
        over.abort()
        const left = (waiting.get(key) ?? 1) - 1
        if (left > 0) waiting.set(key, left)
        else {
          waiting.delete(key)
          ask(key, async () => waiting.has(key) || ear.close(before + key)).catch(() => undefined)
        }
      }
    },
    close() {
      ear.end()
      wakes.wakeAll()
    },
  }
}

/** Somebody is at work on it, and there is something to wait for. */
function isHeld(record: Rec, now: number): boolean {
  return record.status === 'in_progress' && !isOver(record, now) && record.leaseUntil !== undefined
}

interface Ioredis {
  readonly options?: { readonly keyPrefix?: string | undefined }
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  ssubscribe(channel: string): Promise<unknown>
  sunsubscribe(channel: string): Promise<unknown>
  on(event: string, listener: (channel: unknown) => void): unknown
  off(event: string, listener: (channel: unknown) => void): unknown
}

type Listener = (message: unknown, channel: unknown) => void

interface NodeRedis {
  subscribe(channel: string, listener: Listener): Promise<unknown>
  unsubscribe(channel: string, listener: Listener): Promise<unknown>
  sSubscribe(channel: string, listener: Listener): Promise<unknown>
  sUnsubscribe(channel: string, listener: Listener): Promise<unknown>
}

function toEar(subscriber: unknown, sharded: boolean, heard: (channel: string) => void): Ear {
  if (has(subscriber, 'pSubscribe')) return nodeRedisEar(subscriber as unknown as NodeRedis, sharded, heard)
  if (has(subscriber, 'subscribe') && has(subscriber, 'on'))
    return ioredisEar(subscriber as unknown as Ioredis, sharded, heard)
  throw badOption('subscriber', subscriber, 'a second client of ioredis, iovalkey or redis (node-redis)')
}

function ioredisEar(client: Ioredis, sharded: boolean, heard: (channel: string) => void): Ear {
  const event = sharded ? 'smessage' : 'message'
  const listener = (channel: unknown): void => heard(toText(channel))
  let listening = false
  // Sharded channels get the prefix that the client puts before keys; others do not.
  const own = client.options?.keyPrefix ?? ''
  const bare = (channel: string): string => (channel.startsWith(own) ? channel.slice(own.length) : channel)
  return {
    open(channel) {
      if (!listening) client.on(event, listener)
      listening = true
      return sharded ? client.ssubscribe(bare(channel)) : client.subscribe(channel)
    },
    close: (channel) => (sharded ? client.sunsubscribe(bare(channel)) : client.unsubscribe(channel)),
    end: () => void client.off(event, listener),
  }
}

function nodeRedisEar(client: NodeRedis, sharded: boolean, heard: (channel: string) => void): Ear {
  let ended = false
  const listener: Listener = (_message, channel) => {
    if (!ended) heard(toText(channel))
  }
  return {
    open: (channel) => (sharded ? client.sSubscribe(channel, listener) : client.subscribe(channel, listener)),
    close: (channel) => (sharded ? client.sUnsubscribe(channel, listener) : client.unsubscribe(channel, listener)),
    end: () => {
      ended = true
    },
  }
}
