import type { Cluster, Redis } from 'ioredis'
import { redisStore } from 'retrysafe/redis'
import { redisClient } from '../stores/redis.js'
import type { RedisUrl } from '../stores/store-url.js'
import { type Bench, type Facts, inTurn, openedOf, type Remark, scratchName } from './bench.js'

type Client = Redis | Cluster

/** Keys under a prefix of its own. */
export async function redisBench(url: RedisUrl): Promise<Bench> {
  const prefix = `${scratchName('-')}:`
  const side = await redisClient(url)
  const clients = inTurn(() => redisClient(url))
  let opened = 0
  return {
    scratch: `keys that begin with ${prefix}`,
    clean: async () => {
      try {
        await sweep(side, prefix)
      } finally {
        for (const client of [...(await clients.made()), side]) client.disconnect()
      }
    },
    facts: () => factsOf(side, url),
    open: () => {
      opened++
      const own = `${prefix}${opened}:`
      // To look for them would be to go through all that the server holds, once for every case.
      const begun = new Set<string>()
      return openedOf({
        scratch: 'check/',
        another: async () => {
          const store = redisStore({ client: await clients.next(), prefix: own })
          return {
            ...store,
            begin: (key, options) => {
              begun.add(own + key)
              return store.begin(key, options)
            },
          }
        },
        age: (key, ms) => age(side, own + key, ms),
        stored: async () => {
          let count = 0
          for (const key of begun) count += await side.exists(key)
          return count
        },
        empty: async () => {
          for (const key of begun) await side.unlink(key)
          begun.clear()
        },
      })
    },
  }
}

/**
 * Shifts every stored instant, and the end of the key itself, into the past. The lines of a record: lease and who holds
 * it, then its instants, then what it carries.
 */
async function age(side: Client, key: string, ms: number): Promise<void> {
  const text = await side.get(key)
  if (text === null) return
  const [head = '', times = '', ...rest] = text.split('\n')
  const shift = (instant: string | undefined): string => (instant ? String(Number(instant) - ms) : '')
  const fields = head.split('\t')
  fields[3] = shift(fields[3])
  const [expiresAt, updatedAt, until, retentionMs] = times.split('\t')
  const shifted = [shift(expiresAt), shift(updatedAt), shift(until), retentionMs].join('\t')
  const aged = [fields.join('\t'), shifted, ...rest].join('\n')
  if (expiresAt === '') await side.set(key, aged)
  else await side.set(key, aged, 'PXAT', Math.max(1, Number(expiresAt) - ms - 1))
}

/** Once, at the end, for what an interrupted case left. */
async function sweep(side: Client, prefix: string): Promise<void> {
  for (const node of mastersOf(side)) {
    let cursor = '0'
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1000)
      // One at a time: a cluster refuses keys of several slots together.
      for (const key of keys) await node.unlink(key)
      cursor = next
    } while (cursor !== '0')
  }
}

function mastersOf(side: Client): readonly Redis[] {
  return 'nodes' in side ? side.nodes('master') : [side]
}

async function factsOf(side: Client, url: RedisUrl): Promise<Facts> {
  const remarks: Remark[] = []
  let server = 'Redis of an unknown version'
  for (const node of mastersOf(side)) {
    const told = fieldsOf(await node.info())
    const valkey = told.get('valkey_version')
    server = valkey === undefined ? `Redis ${told.get('redis_version')}` : `Valkey ${valkey}`
    const found = [
      ...evictionOf(told),
      ...durabilityOf(told, await setting(node, 'appendfsync'), await setting(node, 'save')),
      ...replicationOf(told, url),
    ]
    // The nodes of a cluster are mostly alike.
    for (const one of found) if (!remarks.some((known) => known.setting === one.setting)) remarks.push(one)
  }
  return { server, remarks }
}

/** Hosted servers refuse CONFIG. */
async function setting(node: Redis, name: string): Promise<string | undefined> {
  try {
    const [, value] = (await node.config('GET', name)) as string[]
    return value
  } catch {
    return undefined
  }
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  const pairs = info.split(/\r?\n/).map((line) => /^([^#:]+):(.*)$/.exec(line))
  return new Map(pairs.filter((pair) => pair !== null).map(([, name = '', value = '']) => [name, value]))
}

function evictionOf(told: ReadonlyMap<string, string>): Remark[] {
  const policy = told.get('maxmemory_policy') ?? 'noeviction'
  if (policy === 'noeviction') return []
  return [
    {
      level: 'unsafe',
      setting: `maxmemory-policy=${policy}`,
      meaning: 'under memory pressure the server drops claims and responses: their retries run again. Set noeviction',
    },
  ]
}

/** How much a Redis keeps is chosen by who runs it: what can be lost is said, and no failure of the check. */
function durabilityOf(
  told: ReadonlyMap<string, string>,
  appendfsync: string | undefined,
  save: string | undefined,
): Remark[] {
  if (told.get('aof_enabled') !== '1') {
    const none = save === ''
    const meaning = none
      ? 'a restart of the server forgets every claim and response: their retries run again. Set appendonly yes'
      : 'a crash of the server forgets what came after the last snapshot: those retries run again. Set appendonly yes'
    return [{ level: 'weaker', setting: none ? 'appendonly=no, save=""' : 'appendonly=no', meaning }]
  }
  if (appendfsync === 'everysec')
    return [
      {
        level: 'weaker',
        setting: 'appendfsync=everysec',
        meaning: 'a crash of the machine forgets the last second: its retries run again',
      },
    ]
  if (appendfsync === 'no')
    return [
      {
        level: 'weaker',
        setting: 'appendfsync=no',
        meaning: 'a crash of the machine forgets the last half minute or more: its retries run again',
      },
    ]
  return []
}

function replicationOf(told: ReadonlyMap<string, string>, url: RedisUrl): Remark[] {
  if (url.mode === 'single' && Number(told.get('connected_slaves') ?? 0) === 0) return []
  const meaning = 'replication is asynchronous: a failover may forget the last claims, whose retries run again'
  return [{ level: 'weaker', setting: 'replicas', meaning }]
}
