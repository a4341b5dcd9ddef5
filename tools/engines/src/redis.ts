import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Found, findProgram, type Located, locate } from './programs.js'
import { eventually, type Recipe, type Server, startServer } from './server.js'
import { redisCommand } from './wire.js'

/** The name that the sentinels know the master by. */
export const sentinelName = 'main'

/** The shared one keeps nothing on disk. */
export const forgetful: Readonly<Record<string, string>> = { appendonly: 'no' }

const durable: Readonly<Record<string, string>> = { appendonly: 'yes', appendfsync: 'always' }
const nodes = 3
const slots = 16_384

/** Where `redis-server` is. */
export type RedisProgram = Located<string>

let found: Promise<Found<RedisProgram>> | undefined

/** Looks for Redis, once. */
export function findRedis(): Promise<Found<RedisProgram>> {
  found ??= locate({
    name: 'redis-server',
    installed: () => findProgram('redis-server'),
    packages: ['redis-server'],
    container: { image: 'redis:7', programs: 'redis-server' },
  })
  return found
}

/** Starts a Redis of one's own. */
export function startRedis(program: RedisProgram, settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  return startServer(recipe(program, { ...durable, ...settings }))
}

function recipe(program: RedisProgram, settings: Readonly<Record<string, string>>): Recipe {
  const flags = Object.entries({ bind: '127.0.0.1', save: '', ...settings }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ])
  return {
    name: 'redis',
    image: program.image,
    url: (port) => `redis://127.0.0.1:${port}`,
    command: ({ folder, port }) => [program.programs, '--port', String(port), '--dir', folder, ...flags],
    answers: (port) => redisCommand(port, 'PING'),
  }
}

/** Starts a cluster of three masters without replicas and resolves when it serves every slot. */
export async function startRedisCluster(
  program: RedisProgram,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server[]> {
  const cluster = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000', ...durable, ...settings }
  const servers = await Promise.all(Array.from({ length: nodes }, () => startServer(recipe(program, cluster))))
  for (const [index, { port }] of servers.entries()) {
    const first = Math.floor((slots * index) / nodes)
    const last = Math.floor((slots * (index + 1)) / nodes) - 1
    await redisCommand(port, 'CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
    await redisCommand(port, 'CLUSTER', 'ADDSLOTSRANGE', first, last)
  }
  const [first, ...others] = servers
  if (first === undefined) return servers
  for (const { port } of others) await redisCommand(port, 'CLUSTER', 'MEET', '127.0.0.1', first.port)
  await Promise.all(servers.map(({ port }) => eventually('the cluster is whole', () => isWhole(port))))
  return servers
}

async function isWhole(port: number): Promise<boolean> {
  const info = await redisCommand(port, 'CLUSTER', 'INFO')
  const facts = [
    'cluster_state:ok',
    `cluster_slots_ok:${slots}`,
    `cluster_known_nodes:${nodes}`,
    `cluster_size:${nodes}`,
  ]
  return facts.every((fact) => info.includes(`${fact}\r\n`))
}

/** A master with a replica, watched by three sentinels. */
export interface Watched {
  readonly master: Server
  readonly replica: Server
  readonly sentinels: readonly Server[]
}

/** Starts a master, its replica and three sentinels and resolves when these know of all. */
export async function startRedisSentinel(
  program: RedisProgram,
  settings: Readonly<Record<string, string>> = {},
): Promise<Watched> {
  // A master waits for other replicas before it sends its data, five seconds by default.
  const eager = { 'repl-diskless-sync-delay': '0', ...settings }
  const master = await startRedis(program, eager)
  const following = { ...eager, replicaof: `127.0.0.1 ${master.port}` }
  const replica = await startServer(recipe(program, { ...durable, ...following }))
  // A sentinel asks a master for its replicas at once and then not for ten seconds, so the replica is there before it.
  await eventually('the replica is in step', async () => {
    return (await redisCommand(replica.port, 'INFO', 'replication')).includes('master_link_status:up')
  })
  const sentinels = await Promise.all(Array.from({ length: nodes }, () => startServer(sentinel(program, master.port))))
  const facts = ['status=ok', 'slaves=1', `sentinels=${nodes}`]
  for (const { port } of sentinels)
    await eventually('the sentinels know of each other and of the replica', async () => {
      const info = await redisCommand(port, 'INFO', 'sentinel')
      return facts.every((fact) => info.includes(fact))
    })
  return { master, replica, sentinels }
}

function sentinel(program: RedisProgram, masterPort: number): Recipe {
  const rules = [
    `monitor ${sentinelName} 127.0.0.1 ${masterPort} 2`,
    `down-after-milliseconds ${sentinelName} 1000`,
    `failover-timeout ${sentinelName} 3000`,
  ]
  return {
    name: 'redis-sentinel',
    image: program.image,
    url: (port) => `redis://127.0.0.1:${port}`,
    prepare({ folder, user }) {
      // Sentinels write what they have learned into their own configuration.
      const file = join(folder, 'sentinel.conf')
      writeFileSync(file, rules.map((rule) => `sentinel ${rule}\n`).join(''))
      if (user !== undefined) chownSync(file, user.uid, user.gid)
    },
    command: ({ folder, port }) => [
      program.programs,
      join(folder, 'sentinel.conf'),
      '--sentinel',
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
    ],
    answers: (port) => redisCommand(port, 'PING'),
  }
}
