import { badOption } from '../../contract/index.js'
import { sha1 } from '../shared/sha1.js'
import { toNumber, toText } from './replies.js'
import type { Script } from './scripts.js'

/** The part of `ioredis` and `iovalkey` that the store calls: a Redis or a Cluster, also through Sentinel. */
export interface IoredisClient {
  evalsha(sha: string, keyCount: number, ...rest: string[]): Promise<unknown>
  eval(script: string, keyCount: number, ...rest: string[]): Promise<unknown>
}

/** The part of `redis` (node-redis) that the store calls: a client, a pool, a cluster or a sentinel. */
export interface NodeRedisClient {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
}

export type RedisClient = IoredisClient | NodeRedisClient

/** One server that takes writes. */
export interface Master {
  scan(cursor: string, match: string, count: number): Promise<{ readonly cursor: string; readonly keys: unknown[] }>
  info(section: string): Promise<string>
}

/** What the store asks of a client, whichever it is. */
export interface Port {
  /** Keys live on several servers, so that a script takes one key. */
  readonly clustered: boolean
  /** A command is written as it is asked, or with all others of the same turn of the event loop. */
  readonly writing: 'eager' | 'gathering'
  /** Runs the script, which the server need not know yet. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>
  masters(): Promise<readonly Master[]>
  /** How many replicas have what this connection wrote; undefined where the client has no one connection. */
  readonly wait: ((count: number, timeoutMs: number) => Promise<number>) | undefined
}

/** @throws `invalid_option` for what is no client. */
export function toPort(client: unknown): Port {
  if (has(client, 'evalSha') && has(client, 'eval')) return nodeRedisPort(client as unknown as NodeRedis)
  if (has(client, 'evalsha') && has(client, 'eval')) return ioredisPort(client as unknown as Ioredis)
  throw badOption('client', client, 'a client of ioredis, iovalkey or redis (node-redis)')
}

interface Ioredis extends IoredisClient {
  readonly isCluster?: boolean
  readonly options?: { readonly enableAutoPipelining?: boolean }
  scan(cursor: string, ...rest: (string | number)[]): Promise<[unknown, unknown[]]>
  info(section: string): Promise<unknown>
  wait(count: number, timeoutMs: number): Promise<unknown>
  nodes(role: 'master'): Ioredis[]
}

function ioredisPort(client: Ioredis): Port {
  const clustered = client.isCluster === true
  const master = (node: Ioredis): Master => ({
    scan: async (cursor, match, count) => {
      const [next, keys] = await node.scan(cursor, 'MATCH', match, 'COUNT', count)
      return { cursor: toText(next), keys }
    },
    info: async (section) => toText(await node.info(section)),
  })
  return {
    clustered,
    writing: client.options?.enableAutoPipelining === true ? 'gathering' : 'eager',
    run: (script, keys, args) =>
      known(
        () => client.evalsha(shaOf(script), keys.length, ...keys, ...args),
        () => client.eval(script.text, keys.length, ...keys, ...args),
      ),
    masters: async () => (clustered ? client.nodes('master') : [client]).map(master),
    wait: clustered ? undefined : async (count, timeoutMs) => toNumber(await client.wait(count, timeoutMs)),
  }
}

interface NodeRedis extends NodeRedisClient {
  scan(cursor: string, options: object): Promise<{ cursor: unknown; keys: unknown[] }>
  info(section: string): Promise<unknown>
  wait(count: number, timeoutMs: number): Promise<unknown>
  readonly masters: readonly unknown[]
  nodeClient(node: unknown): NodeRedis | Promise<NodeRedis>
}

function nodeRedisPort(client: NodeRedis): Port {
  const clustered = has(client, 'nodeClient')
  const master = (node: NodeRedis): Master => ({
    scan: async (cursor, match, count) => {
      const page = await node.scan(cursor, { MATCH: match, COUNT: count })
      return { cursor: toText(page.cursor), keys: page.keys }
    },
    info: async (section) => toText(await node.info(section)),
  })
  // A pool and a sentinel hand every call to whichever connection is free.
  const single = !clustered && !has(client, 'acquire') && !has(client, 'execute')
  return {
    clustered,
    writing: 'gathering',
    run: (script, keys, args) => {
      const options = { keys: [...keys], arguments: [...args] }
      return known(
        () => client.evalSha(shaOf(script), options),
        () => client.eval(script.text, options),
      )
    },
    masters: async () => {
      const nodes = clustered ? await Promise.all(client.masters.map((node) => client.nodeClient(node))) : [client]
      return nodes.map(master)
    },
    wait: single ? async (count, timeoutMs) => toNumber(await client.wait(count, timeoutMs)) : undefined,
  }
}

/** A server that does not know the script has run nothing: a new one, a restarted one, or one after SCRIPT FLUSH. */
async function known(bySha: () => Promise<unknown>, whole: () => Promise<unknown>): Promise<unknown> {
  try {
    return await bySha()
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return whole()
    throw error
  }
}

const shas = new WeakMap<Script, string>()

function shaOf(script: Script): string {
  let sha = shas.get(script)
  if (sha === undefined) {
    sha = sha1(script.text)
    shas.set(script, sha)
  }
  return sha
}

/** Clients are told apart by their methods: their classes are not known here. */
export function has(value: unknown, method: string): boolean {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as Record<string, unknown>)[method] === 'function'
  )
}
