import type { Command } from 'commander'
import { systemClock } from 'retrysafe'
import type { RunningProxy } from '../proxy/start.js'
import { openStore } from '../stores/open-store.js'
import type { Log } from '../telemetry/log.js'
import { addFlags, describeVariables, givenBy } from './command.js'
import { codeOf, complain, exitFailure, exitUsage, explain } from './failure.js'
import { readSettings } from './flags.js'
import { proxyFlags } from './proxy-flags.js'
import { conflicts, type ProxySettings } from './proxy-settings.js'
import { storeHelp } from './store-help.js'

/** `retrysafe proxy`. `finish` is told the exit code. */
export function addProxyCommand(program: Command, finish: (code: number) => void): void {
  const command = program
    .command('proxy')
    .summary('put idempotency keys in front of any HTTP service')
    .description(
      'A reverse proxy. POST and PATCH requests with an Idempotency-Key run once at your service; a retry gets the\n' +
        'response of the first, byte for byte. Everything else passes through.',
    )
  addFlags(command, proxyFlags)
  command.addHelpText('after', helpAfter())
  command.action(async () => finish(await runProxy(givenBy(command, proxyFlags))))
}

function helpAfter(): string {
  return `
Examples:
  retrysafe proxy --upstream http://localhost:3000
  retrysafe proxy --upstream http://localhost:3000 --store sqlite:/var/lib/retrysafe/keys.db --require-key
  retrysafe proxy --upstream https://payments.internal --rewrite-host --scope-cookie session --wait 10s
  RETRYSAFE_UPSTREAM=http://localhost:3000 RETRYSAFE_STORE=postgres://app:…@db.internal/shop retrysafe proxy

Whose key it is:
  A key belongs to the credentials of its request (Authorization, API keys): another user's equal key is another key.
  Requests with a key and without credentials are refused, unless --allow-anonymous lets them share one scope.

What a retry meets:
  after the response: the same response, with Idempotent-Replayed: true
  while it runs: 409 with Retry-After, or the response, if that comes within --wait
  with another body or path: 422
  after a crash of this proxy, or when your service broke off without an answer: 409 until the lease ends, then
    --after-crash decides: rerun sends the request again; uncertain answers 409 until somebody settles the key
    (retrysafe keys list --status uncertain)
${storeHelp}
Environment (the flag wins, then the variable, then the default; an empty variable is unset; lists have commas):
${describeVariables(proxyFlags)}

Durations: 500ms, 30s, 15m, 24h, 7d. Sizes: 64KiB, 10MiB, 1GiB.
Exit codes: 0 stopped and drained, 1 failed or claims were left to their leases, 2 wrong usage.
`
}

async function runProxy(given: Parameters<typeof readSettings>[1]): Promise<number> {
  const read = readSettings<ProxySettings>(proxyFlags, given, process.env)
  if ('problems' in read) return complain([...read.problems, 'See retrysafe proxy --help.'], exitUsage)
  const { settings } = read
  const problems = conflicts(settings)
  const { upstream } = settings
  if (problems.length > 0 || upstream === undefined)
    return complain([...problems, 'See retrysafe proxy --help.'], exitUsage)
  // Other commands do without all this, and begin sooner.
  const { startProxy } = await import('../proxy/start.js')
  const { createLog } = await import('../telemetry/log.js')
  const { lossTeller } = await import('../telemetry/event-log.js')
  const log = createLog(settings.log)
  const signal = nextSignal()
  try {
    const onLost = lossTeller(log, systemClock.monotonic)
    const store = await openStore(settings.store, { ready: true, onLost })
    try {
      const proxy = await startProxy({ ...settings, upstream }, { store, log })
      announce(log, proxy, { ...settings, upstream })
      return await untilStopped(proxy, signal, settings.drainMs, log)
    } finally {
      await store.close()
    }
  } catch (error) {
    return complain([explain(error)], codeOf(error))
  }
}

function announce(log: Log, proxy: RunningProxy, settings: ProxySettings & { upstream: URL }): void {
  const { port, adminPort } = proxy
  log.info('listening', {
    port,
    ...(adminPort === undefined ? {} : { adminPort }),
    upstream: settings.upstream.href,
    store: settings.store.text,
  })
}

/** Stops the proxy on that signal, and resolves with the exit code. */
export async function untilStopped(
  proxy: RunningProxy,
  signal: Promise<string>,
  drainMs: number,
  log: Log,
): Promise<number> {
  log.info('stopping: work in flight may finish', { signal: await signal, drainMs })
  const outcome = await proxy.stop(drainMs)
  if (outcome === 'left') log.warn('claims were left to their leases')
  log.info('stopped', { outcome })
  return outcome === 'drained' ? 0 : exitFailure
}

/** SIGTERM or SIGINT, from now on: one that comes before the proxy listens stops it as soon as it does. */
export function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    const hurry = (): void => process.exit(exitFailure)
    const stop = (signal: string): void => {
      process.off('SIGTERM', stop)
      process.off('SIGINT', stop)
      // A second one does not wait for anything.
      process.once('SIGTERM', hurry)
      process.once('SIGINT', hurry)
      resolve(signal)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
