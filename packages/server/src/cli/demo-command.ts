import { mkdirSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { systemClock } from 'retrysafe'
import type { ProxyOptions, RunningProxy } from '../proxy/start.js'
import { openStore } from '../stores/open-store.js'
import type { StoreUrl } from '../stores/store-url.js'
import { addFlags, givenBy } from './command.js'
import { codeOf, complain, exitUsage, explain } from './failure.js'
import { type Flags, readSettings } from './flags.js'
import { nextSignal, untilStopped } from './proxy-command.js'
import { proxyFlags } from './proxy-flags.js'
import { conflicts, type ProxySettings } from './proxy-settings.js'

const demoStore = {
  kind: 'sqlite',
  text: 'sqlite:.retrysafe/demo.db',
  path: '.retrysafe/demo.db',
} as const satisfies StoreUrl

/** The proxy's flags with defaults that suit somebody who tries it. */
const demoFlags: Flags<ProxySettings> = {
  ...proxyFlags,
  upstream: { ...proxyFlags.upstream, help: 'your own service, instead of the bundled payments API' },
  host: { ...proxyFlags.host, fallback: '127.0.0.1', help: 'address to listen on (default: 127.0.0.1)' },
  store: { ...proxyFlags.store, fallback: demoStore, shown: demoStore.text },
  leaseMs: { ...proxyFlags.leaseMs, fallback: 10_000, shown: '10s' },
  log: { ...proxyFlags.log, fallback: 'lines', shown: 'lines' },
  drainMs: { ...proxyFlags.drainMs, fallback: 5000, shown: '5s' },
}

/** `retrysafe demo`: what `npm start` runs. */
export function addDemoCommand(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('demo')
    .summary('see it work: the proxy in front of a small payments API')
    .description(
      'Starts the proxy with a bundled payments API behind it and prints commands to try. Ports in use are met by the\n' +
        'next free ones, and --allow-anonymous is set. All flags of the proxy fit.',
    )
  addFlags(command, demoFlags)
  command.action(async () => finish(await runDemo(givenBy(command, demoFlags))))
}

async function runDemo(given: Parameters<typeof readSettings>[1]): Promise<number> {
  const read = readSettings<ProxySettings>(demoFlags, given, process.env)
  if ('problems' in read) return complain([...read.problems, 'See retrysafe demo --help.'], exitUsage)
  const settings = { ...read.settings, allowAnonymous: read.settings.identityHeader === undefined }
  const port = await freePort(settings.port, settings.host)
  const adminPort = settings.adminPort === 'off' ? 'off' : await freePort(settings.adminPort, settings.adminHost, port)
  const bundled =
    settings.upstream === undefined ? await listen((await import('../demo/payments.js')).paymentsApi()) : undefined
  const upstream = settings.upstream ?? new URL(`http://127.0.0.1:${bundled?.port}`)
  const options: ProxyOptions & ProxySettings = { ...settings, upstream, port, adminPort }
  try {
    const problems = conflicts(options)
    if (problems.length > 0) return complain(problems, exitUsage)
    if (settings.store === demoStore) mkdirSync(dirname(demoStore.path), { recursive: true })
    return await serve(options, settings.port, bundled !== undefined)
  } catch (error) {
    return complain([explain(error)], codeOf(error))
  } finally {
    bundled?.server.close()
    bundled?.server.closeAllConnections()
  }
}

async function serve(
  options: ProxyOptions & ProxySettings & { upstream: URL },
  askedPort: number,
  isBundled: boolean,
): Promise<number> {
  const { startProxy } = await import('../proxy/start.js')
  const { createLog } = await import('../telemetry/log.js')
  const { lossTeller } = await import('../telemetry/event-log.js')
  const { welcome } = await import('../demo/welcome.js')
  const log = createLog(options.log)
  const signal = nextSignal()
  const store = await openStore(options.store, { ready: true, onLost: lossTeller(log, systemClock.monotonic) })
  try {
    const proxy: RunningProxy = await startProxy(options, { store, log })
    const facts = {
      port: proxy.port,
      askedPort,
      adminPort: proxy.adminPort,
      upstream: options.upstream.origin,
      isBundled,
    }
    process.stdout.write(
      `${welcome({ ...facts, store: options.store.text, allowAnonymous: options.allowAnonymous })}\n`,
    )
    return await untilStopped(proxy, signal, options.drainMs, log)
  } finally {
    await store.close()
  }
}

/** How far to look for a free port. */
const maxPortsTried = 100

/** The port that was asked for, or the next free one. Whoever takes it in between is met by the error of listening. */
async function freePort(asked: number, host: string | undefined, taken?: number): Promise<number> {
  if (asked === 0) return 0
  for (let port = asked; port < asked + maxPortsTried && port <= 65_535; port++)
    if (port !== taken && (await isFree(port, host))) return port
  return asked
}

async function isFree(port: number, host: string | undefined): Promise<boolean> {
  const probe = createNetServer()
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject)
      probe.listen({ port, ...(host === undefined ? {} : { host }) }, resolve)
    })
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'EADDRINUSE'
  } finally {
    probe.close()
  }
}

async function listen(server: Server): Promise<{ server: Server; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}
