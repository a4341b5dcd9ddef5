import type { KeyOf } from './http-client.js'
import { type ServerProcess, startServer } from './http-process.js'
import { compare, type Row, type Unit } from './measure.js'

/** What every request of a variant has for a key. */
type Keys = 'fresh key' | 'replay' | 'no key'

interface Variant {
  readonly name: string
  readonly layer: string
  readonly keys: Keys
}

interface Group {
  readonly name: string
  /** What every variant sustains on two cores that the client and others share. */
  readonly perSecond: number
  /** The first is what the others are compared with. */
  readonly variants: readonly Variant[]
}

export interface HttpRunOptions {
  /** Names of groups; without any, all of them. */
  readonly only?: readonly string[] | undefined
}

const connections = 16
const rounds = 20
const warmUpCount = 3000
const pacedMs = 250
const closedCount = 500
const replayKeys = 100
const maxEntries = 200_000

const everyKeys: readonly Keys[] = ['fresh key', 'replay', 'no key']
const layers = (...all: readonly [name: string, layer: string][]): Variant[] =>
  all.flatMap(([name, layer]) => everyKeys.map((keys) => ({ name: `${name}, ${keys}`, layer, keys })))
const bare = (name: string): Variant => ({ name, layer: 'bare', keys: 'fresh key' })

const expressIdempotency = ['express-idempotency', 'express-idempotency'] as const
const nodeIdempotency = ['@node-idempotency/core', '@node-idempotency/core'] as const
const groups: readonly Group[] = [
  {
    name: 'node',
    perSecond: 2000,
    variants: [
      bare('bare node:http'),
      ...layers(['retrysafe/node', 'retrysafe']),
      { name: 'the least possible, fresh key', layer: 'least', keys: 'fresh key' },
      { name: 'the least possible, replay', layer: 'least', keys: 'replay' },
    ],
  },
  {
    name: 'express',
    // No more because of one: a replay of express-idempotency costs a millisecond of CPU.
    perSecond: 800,
    variants: [
      bare('bare Express'),
      ...layers(['retrysafe/express', 'retrysafe'], [...expressIdempotency], [...nodeIdempotency]),
    ],
  },
  {
    name: 'fastify',
    perSecond: 2000,
    variants: [bare('bare Fastify'), ...layers(['retrysafe/fastify', 'retrysafe'], [...nodeIdempotency])],
  },
  { name: 'hono', perSecond: 2000, variants: [bare('bare Hono'), ...layers(['retrysafe/hono', 'retrysafe'])] },
  {
    name: 'fetch',
    perSecond: 2000,
    variants: [bare('bare fetch handler'), ...layers(['retrysafe/fetch', 'retrysafe'])],
  },
  {
    name: 'proxy',
    perSecond: 800,
    variants: [
      { name: 'proxy, no key', layer: 'memory', keys: 'no key' },
      { name: 'proxy with memory, fresh key', layer: 'memory', keys: 'fresh key' },
      { name: 'proxy with SQLite, fresh key', layer: 'sqlite', keys: 'fresh key' },
      { name: 'proxy with SQLite, replay', layer: 'sqlite', keys: 'replay' },
    ],
  },
]

/** What would be compared as well if it could be installed. */
const missing = ['hono-idempotency', '@node-idempotency/express', '@node-idempotency/fastify']

/**
 * Every variant in every round, in a turning order, each compared with the bare framework within the round: CPU time of
 * the server a request and the latency of 99 of 100 at one rate for all, and requests per second in a closed loop.
 *
 * CPU time is not taken from the closed loop. There the client waits for the server: a faster server is asked in
 * batches, while a slower one finds its client asleep for each answer and has to wake it, which the kernel books to the
 * server. At one rate of arrival all variants are woken, and wake, about as often.
 */
export async function http(print: (row: Row) => void, { only = [] }: HttpRunOptions = {}): Promise<Row[]> {
  const unknown = only.find((name) => !groups.some((group) => group.name === name))
  if (unknown !== undefined) throw new Error(`There is no ${unknown}: ${groups.map(({ name }) => name).join(', ')}.`)
  for (const name of missing) if (!(await isInstalled(name))) console.log(`Not compared: ${name} is not installed.`)
  const rows: Row[] = []
  for (const group of groups)
    if (only.length === 0 || only.includes(group.name)) rows.push(...(await runGroup(group, print)))
  return rows
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    await import(name)
    return true
  } catch {
    return false
  }
}

type Servers = ReadonlyMap<string, ServerProcess>

async function runGroup(group: Group, print: (row: Row) => void): Promise<Row[]> {
  const upstream =
    group.name === 'proxy' ? await startServer(['node', 'bare', String(maxEntries)], { connections }) : undefined
  // One a variant: garbage of fresh keys, and a heap full of them, are not to be booked to requests without a key.
  const servers = new Map<string, ServerProcess>()
  for (const { name, layer } of group.variants)
    servers.set(name, await startServer([group.name, layer, String(upstream?.port ?? maxEntries)], { connections }))
  for (const { name, keys } of group.variants) {
    const { client } = serverOf(servers, name)
    // Each key that is replayed is completed first.
    if (keys === 'replay') await client.closedLoop(replayKeys, keyOf(keys))
    await client.closedLoop(warmUpCount, keyOf(keys))
  }
  const figures = await runRounds(group, servers, upstream)
  for (const server of servers.values()) await server.close()
  await upstream?.close()
  const rows: Row[] = []
  for (const { title, unit, values } of figures)
    for (const { name } of group.variants)
      rows.push(compare(`${group.name}: ${title}`, name, group.variants[0]?.name ?? '', connections, values, unit))
  for (const row of rows) print(row)
  return rows
}

interface Figure {
  readonly title: string
  readonly unit: Unit
  readonly values: Map<string, number[]>
}

async function runRounds(
  { variants, perSecond }: Group,
  servers: Servers,
  upstream: ServerProcess | undefined,
): Promise<Figure[]> {
  const figure = (title: string, unit: Unit): Figure => ({
    title,
    unit,
    values: new Map(variants.map(({ name }) => [name, []])),
  })
  const at = `at ${perSecond.toLocaleString('en')} requests per second`
  const cpu = figure(`CPU time of the server a request, ${at}`, 'µs')
  const p99 = figure(`99 of 100 answered within, ${at}`, 'ms')
  const rate = figure('requests per second, closed loop', '/s')
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < variants.length; turn++) {
      const variant = variants[(turn + round) % variants.length]
      if (variant === undefined) continue
      const result = await runOnce(variant, serverOf(servers, variant.name), perSecond, upstream)
      cpu.values.get(variant.name)?.push(result.cpuMicros)
      p99.values.get(variant.name)?.push(result.p99)
      rate.values.get(variant.name)?.push(result.rate)
    }
  return [cpu, p99, rate]
}

async function runOnce(
  { name, keys }: Variant,
  server: ServerProcess,
  perSecond: number,
  upstream: ServerProcess | undefined,
): Promise<{ cpuMicros: number; p99: number; rate: number }> {
  const runsIn = upstream ?? server
  const pacedCount = (perSecond * pacedMs) / 1000
  const runsBefore = (await runsIn.usage()).runs
  const { cpuMicros: before } = await server.usage()
  const latencies = await server.client.paced(pacedCount, perSecond, keyOf(keys))
  const { cpuMicros: after } = await server.usage()
  const startedAt = performance.now()
  await server.client.closedLoop(closedCount, keyOf(keys))
  const rate = (closedCount * 1000) / (performance.now() - startedAt)
  const runs = (await runsIn.usage()).runs - runsBefore
  // A variant that is fast because it does something else would be no comparison.
  const expected = keys === 'replay' ? 0 : pacedCount + closedCount
  if (runs !== expected) throw new Error(`${name}: the handler ran ${runs} times, not ${expected}.`)
  const p99 = latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? 0
  return { cpuMicros: (after - before) / pacedCount, p99, rate }
}

let sequence = 0

function keyOf(keys: Keys): KeyOf {
  switch (keys) {
    case 'fresh key':
      return () => `key-${sequence++}`
    case 'replay':
      return (index) => `replay-${index % replayKeys}`
    case 'no key':
      return () => undefined
  }
}

function serverOf(servers: Servers, variant: string): ServerProcess {
  const server = servers.get(variant)
  if (server === undefined) throw new Error(`${variant} was not started.`)
  return server
}
