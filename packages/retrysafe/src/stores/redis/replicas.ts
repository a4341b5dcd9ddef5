import { badOption, type Limit, type Rec, RetrysafeError, readInteger } from '../../contract/index.js'
import type { Port } from './client.js'
import type { RedisCalls } from './table.js'

/** How many replicas must have a write before it is acknowledged, and how long they are waited for. */
export interface ReplicasAsk {
  readonly count: number
  readonly timeoutMs: number
}

const countLimit: Limit = { default: 1, min: 1, max: 16 }
/** Redis holds up all that the connection has sent meanwhile. */
const timeoutLimit: Limit = { default: 1000, min: 1, max: 60_000 }

/** @throws `invalid_option`. */
export function readReplicas(value: unknown, port: Port): ReplicasAsk | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null)
    throw badOption('waitForReplicas', value, 'an object of count and timeoutMs')
  if (port.wait === undefined)
    throw badOption(
      'waitForReplicas',
      value,
      'left out with a Cluster, a pool or a sentinel of node-redis: WAIT tells of one connection only',
    )
  const { count, timeoutMs } = value as { count?: unknown; timeoutMs?: unknown }
  return {
    count: readInteger('waitForReplicas.count', count, countLimit),
    timeoutMs: readInteger('waitForReplicas.timeoutMs', timeoutMs, timeoutLimit),
  }
}

/**
 * The same calls, which acknowledge a claim and whatever changed a key only once so many replicas have it. WAIT tells of
 * all that the master had written when the connection's last command ran, so a call that is repeated proves it as well.
 */
export function withReplicas(calls: RedisCalls, port: Port, ask: ReplicasAsk, where: string): RedisCalls {
  const { wait } = port
  if (wait === undefined) return calls
  const waitTogether = shared(() => wait(ask.count, ask.timeoutMs))

  async function acknowledge(key: string, stands: (record: Rec | undefined) => boolean): Promise<void> {
    const acknowledged = await waitTogether()
    if (acknowledged < ask.count) throw tooFew(where, acknowledged, ask)
    // The client may have found another master in between, which was asked then and may lack the write.
    if (!stands((await calls.read(key)).record)) throw overtaken(where)
  }

  return {
    ...calls,
    begin: async (key, begun) => {
      const outcome = await calls.begin(key, begun)
      if (outcome.status === 'new') await acknowledge(key, (record) => record?.token === outcome.token)
      return outcome
    },
    complete: async (key, completed) => {
      const refused = await calls.complete(key, completed)
      if (refused === undefined) await acknowledge(key, (record) => record?.status === 'completed')
      return refused
    },
    renew: async (key, renewed) => {
      const refused = await calls.renew(key, renewed)
      if (refused === undefined) await acknowledge(key, (record) => record?.token === renewed.token)
      return refused
    },
    release: async (key, token) => {
      const refused = await calls.release(key, token)
      if (refused === undefined) await acknowledge(key, (record) => record?.token !== token)
      return refused
    },
  }
}

/**
 * One WAIT at a time, for all that was answered before it is sent: the connection stands still for as long as it lasts,
 * so one for each call would hold up the last by as many timeouts as there are calls.
 */
function shared(wait: () => Promise<number>): () => Promise<number> {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<number> | undefined
  return () => {
    if (next === undefined) {
      const send = (): Promise<number> => {
        next = undefined
        return wait()
      }
      next = last.then(send, send)
      last = next
    }
    return next
  }
}

function tooFew(where: string, acknowledged: number, { count, timeoutMs }: ReplicasAsk): RetrysafeError {
  return new RetrysafeError(
    'store_unavailable',
    `${where}: ${acknowledged} of ${count} replicas acknowledged the write within ${timeoutMs} ms. It stands on the ` +
      'master, and a failover may lose it. Ask again with the same key and token.',
  )
}

function overtaken(where: string): RetrysafeError {
  return new RetrysafeError(
    'store_unavailable',
    `${where}: the write was answered and is no longer there, as after a failover. Ask again with the same key and token.`,
  )
}
