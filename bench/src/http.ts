import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { load } from './http-client.js'
import { compare, type Row } from './measure.js'

interface Variant {
  readonly name: string
  readonly server: string
  readonly key: (index: number) => string | undefined
}

interface Server {
  readonly port: number
  readonly child: ChildProcess
}

const connections = 32
const rounds = 20
const perRound = 1500
let sequence = 0
const fresh = (): string => `key-${sequence++}`
const replayKeys = 100
const replayed = (index: number): string => `replay-${index % replayKeys}`
const none = (): undefined => undefined

const variants: readonly Variant[] = [
  { name: 'bare node:http', server: 'bare', key: fresh },
  { name: 'retrysafe/node, fresh key', server: 'node', key: fresh },
  { name: 'retrysafe/node, replay', server: 'node', key: replayed },
  { name: 'retrysafe/node, no key', server: 'node', key: none },
]
const proxyVariants: readonly Variant[] = [
  { name: 'bare proxy', server: 'proxy bare', key: none },
  { name: 'proxy memory, fresh key', server: 'proxy memory', key: fresh },
  { name: 'proxy sqlite, fresh key', server: 'proxy sqlite', key: fresh },
  { name: 'proxy sqlite, replay', server: 'proxy sqlite', key: replayed },
]

/** By requests per second, and by CPU time of the server a request, which says more where the client is the limit. */
export async function http(print: (row: Row) => void): Promise<Row[]> {
  const upstream = await start('bare')
  const rows = [
    ...(await suite('http', variants, print)),
    ...(await suite('proxy', proxyVariants, print, upstream.port)),
  ]
  upstream.child.disconnect()
  return rows
}

async function suite(
  name: string,
  all: readonly Variant[],
  print: (row: Row) => void,
  upstreamPort = 0,
): Promise<Row[]> {
  const servers = new Map<string, Server>()
  for (const { server } of all) if (!servers.has(server)) servers.set(server, await start(server, upstreamPort))
  const perSecond = new Map<string, number[]>(all.map((variant) => [variant.name, []]))
  const perCpuSecond = new Map<string, number[]>(all.map((variant) => [variant.name, []]))
  // Each key that is replayed is completed first, by one request at a time.
  for (const { server, key } of all)
    if (key === replayed) await load({ port: servers.get(server)?.port ?? 0, connections: 1, count: replayKeys, key })
  for (let round = -2; round < rounds; round++)
    for (let turn = 0; turn < all.length; turn++) {
      const variant = all[(turn + round + all.length) % all.length]
      const server = servers.get(variant?.server ?? '')
      if (variant === undefined || server === undefined) continue
      const before = await cpuMs(server)
      const startedAt = performance.now()
      await load({ port: server.port, connections, count: perRound, key: variant.key })
      if (round < 0) continue // warming up
      perSecond.get(variant.name)?.push((perRound * 1000) / (performance.now() - startedAt))
      perCpuSecond.get(variant.name)?.push((perRound * 1000) / ((await cpuMs(server)) - before))
    }
  for (const { child } of servers.values()) child.disconnect()
  const baseline = all[0]?.name ?? ''
  const rows: Row[] = []
  for (const { name: subject } of all) {
    rows.push(compare(`${name}: requests per second`, subject, baseline, connections, perSecond))
    rows.push(compare(`${name}: requests per second of server CPU`, subject, baseline, connections, perCpuSecond))
  }
  for (const row of rows) print(row)
  return rows
}

async function start(name: string, upstreamPort = 0): Promise<Server> {
  const child = fork(fileURLToPath(new URL('http-servers.js', import.meta.url)), [name, String(upstreamPort)])
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port))
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)))
  })
  return { port, child }
}

async function cpuMs({ child }: Server): Promise<number> {
  const answer = new Promise<NodeJS.CpuUsage>((resolve) =>
    child.once('message', (usage) => resolve(usage as NodeJS.CpuUsage)),
  )
  child.send('cpu')
  const { user, system } = await answer
  return (user + system) / 1000
}
