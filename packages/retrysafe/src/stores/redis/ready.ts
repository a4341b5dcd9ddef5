import { RetrysafeError } from '../../contract/index.js'
import type { Master, Port } from './client.js'
import type { ReplicasAsk } from './replicas.js'

/** PXAT came with it. */
const leastVersion = [6, 2] as const

/** A store that can say whether what it stands on is set so that its promises hold. */
export interface Checkable {
  /** Resolves where it is; rejects with `unsupported` where a setting must change, else with `store_unavailable`. */
  checkReady(): Promise<void>
}

/** Asks every master: its version, whether it evicts keys, and how many replicas it has where some are waited for. */
export async function checkMasters(port: Port, where: string, replicas: ReplicasAsk | undefined): Promise<void> {
  const masters = await port.masters()
  if (masters.length === 0)
    throw new RetrysafeError('store_unavailable', `${where}: the client knows no master of the Cluster yet.`)
  for (const master of masters) await checkMaster(master, where, replicas)
}

async function checkMaster(master: Master, where: string, replicas: ReplicasAsk | undefined): Promise<void> {
  // Section by section: managed services may refuse `INFO all`, and old ones take one section at a time.
  const server = await factsOf(master, 'server')
  const version = server.get('redis_version') ?? ''
  if (!isRecent(version))
    throw unsupported(`${where} is of version ${version || 'unknown'}; the store needs ${leastVersion.join('.')}.`)
  const replication = await factsOf(master, 'replication')
  if ((replication.get('role') ?? 'master') !== 'master')
    throw new RetrysafeError(
      'store_unavailable',
      `${where}: the client is connected to a replica, which takes no writes. Connect it to the master.`,
    )
  const memory = await factsOf(master, 'memory')
  const policy = memory.get('maxmemory_policy')
  if (policy !== 'noeviction')
    throw unsupported(
      `${where} has maxmemory-policy ${policy ?? 'unknown'}: it may evict keys, and work of an evicted key runs again. ` +
        'Set it by `CONFIG SET maxmemory-policy noeviction` and in its configuration; on a managed service, in its ' +
        'parameter group.',
    )
  const connected = Number(replication.get('connected_slaves') ?? 0)
  if (replicas !== undefined && connected < replicas.count)
    throw new RetrysafeError(
      'store_unavailable',
      `${where} has ${connected} replicas connected, and waitForReplicas asks for ${replicas.count}.`,
    )
}

async function factsOf(master: Master, section: string): Promise<ReadonlyMap<string, string>> {
  const lines = (await master.info(section)).split('\n')
  return new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    }),
  )
}

function isRecent(version: string): boolean {
  const [major = Number.NaN, minor = Number.NaN] = version.split('.').map(Number)
  return major > leastVersion[0] || (major === leastVersion[0] && minor >= leastVersion[1])
}

function unsupported(message: string): RetrysafeError {
  return new RetrysafeError('unsupported', message)
}
