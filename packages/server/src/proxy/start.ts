import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Clock,
  createIdempotency,
  type Idempotency,
  type IdempotencyStore,
  type Random,
  systemClock,
} from 'retrysafe'
import { type HttpOptions, idempotent, operationOf } from 'retrysafe/node'
import { proveReady } from '../stores/open-store.js'
import { reasonOf } from '../stores/reason.js'
import { redact } from '../stores/redact.js'
import { eventTeller } from '../telemetry/event-log.js'
import { describeError, type Log } from '../telemetry/log.js'
import { type RequestWatch, watchRequest } from '../telemetry/request-log.js'
import { adminServer } from './admin.js'
import { type ForwardOptions, forwarder } from './forward.js'
import { purgeForever } from './purge.js'
import { type ScopeSettings, scopeOf } from './scope.js'
import { type ProxyServer, proxyServer } from './server.js'
import { openUpstream, type Upstream } from './upstream.js'

/** What a proxy needs to know; the command line reads it from flags. */
export interface ProxyOptions extends ScopeSettings {
  readonly upstream: URL
  readonly rewriteHost: boolean
  readonly connectTimeoutMs: number
  readonly upstreamConnections: number
  readonly port: number
  readonly host: string | undefined
  readonly trustForwarded: boolean
  readonly maxHeaderBytes: number
  readonly requestTimeoutMs: number
  readonly leaseMs: number
  readonly retentionMs: number
  readonly waitMs: number
  readonly maxRunMs: number
  readonly maxBodyBytes: number
  readonly maxStoredBytes: number
  readonly maxHeldBytes: number
  readonly requireKey: boolean
  readonly remember: 'definite' | 'success' | 'everything'
  readonly afterCrash: 'rerun' | 'uncertain'
  readonly notApplied: readonly number[] | undefined
  readonly corsOrigins: readonly string[]
  readonly adminPort: number | 'off'
  readonly adminHost: string
  readonly purgeEveryMs: number
}

/** What it is given to work with. The store is the caller's to close. */
export interface ProxyContext {
  readonly store: IdempotencyStore
  readonly log: Log
  readonly clock?: Clock
  readonly random?: Random
}

export interface RunningProxy {
  readonly port: number
  readonly adminPort: number | undefined
  /**
   * Stops listening, lets work in flight finish for at most `drainMs`, then cuts the rest off. `'left'`: claims had to
   * be left to their leases.
   */
  stop(drainMs: number): Promise<'drained' | 'left'>
}

/** Starts the proxy. Rejects where a port cannot be had, and leaves nothing open then. */
export async function startProxy(options: ProxyOptions, context: ProxyContext): Promise<RunningProxy> {
  const { store, log, clock = systemClock, random = Math.random } = context
  const upstream = openUpstream(options.upstream, {
    connectTimeoutMs: options.connectTimeoutMs,
    maxConnections: options.upstreamConnections,
    maxHeaderBytes: options.maxHeaderBytes,
  })
  const { leaseMs, retentionMs, maxRunMs, maxStoredBytes, afterCrash } = options
  const whenInProgress = options.waitMs === 0 ? ('reject' as const) : { waitMs: options.waitMs }
  const limits = { leaseMs, retentionMs, maxRunMs, maxStoredBytes, afterCrash, whenInProgress }
  const observe = eventTeller(log, clock.monotonic, afterCrash)
  const idempotency = createIdempotency({ store, ...limits, observe, clock, random })
  const proxy = assemble(options, upstream, idempotency, log, clock)
  const state = { draining: false }
  const admin = options.adminPort === 'off' ? undefined : adminServer({ notReady: readiness(store, state, clock) })
  const onError = (error: Error): void => log.warn('a connection was not taken', { error: describeError(error) })
  try {
    await listen(proxy.http, options.port, options.host, onError)
    if (admin !== undefined)
      await listen(admin, options.adminPort === 'off' ? 0 : options.adminPort, options.adminHost, onError)
  } catch (error) {
    proxy.http.close()
    await upstream.close()
    throw error
  }
  const purging = new AbortController()
  const purged = purgeForever({
    ...{ store, everyMs: options.purgeEveryMs, clock, random, signal: purging.signal },
    onPurged: (records) => log.info('purged records past their retention', { records }),
    onError: (error) => log.warn('purging failed and will be tried again', { error: describeError(error) }),
  })
  return {
    port: portOf(proxy.http),
    adminPort: admin === undefined ? undefined : portOf(admin),
    async stop(drainMs) {
      state.draining = true
      purging.abort()
      const outcome = await drain(proxy, idempotency, clock, drainMs)
      admin?.close()
      admin?.closeAllConnections()
      await upstream.close()
      await purged
      return outcome
    },
  }
}

function assemble(
  options: ProxyOptions,
  upstream: Upstream,
  idempotency: Idempotency,
  log: Log,
  clock: Clock,
): ProxyServer {
  const watches = new WeakMap<IncomingMessage, RequestWatch>()
  const forward: ForwardOptions = {
    upstream,
    rewriteHost: options.rewriteHost,
    trustForwarded: options.trustForwarded,
    maxRunMs: options.maxRunMs,
    operationOf,
    onRun: (req, attempt) => watches.get(req)?.ran(attempt),
    onFailure: (req, error) =>
      log.warn('the upstream gave no answer', { method: req.method, error: describeError(error) }),
  }
  const handle = idempotent(adapterOptions(options, idempotency))(forwarder(forward))
  const handler = (req: IncomingMessage, res: ServerResponse): void => {
    if (req.headers['idempotency-key'] !== undefined && (req.method === 'POST' || req.method === 'PATCH'))
      watches.set(req, watchRequest(req, res, clock.monotonic, log.request))
    handle(req, res)
  }
  const { maxHeaderBytes, requestTimeoutMs } = options
  return proxyServer({ handler, forward, maxHeaderBytes, requestTimeoutMs })
}

function adapterOptions(options: ProxyOptions, idempotency: Idempotency): HttpOptions<IncomingMessage> {
  const { notApplied, requireKey, remember, maxBodyBytes, maxStoredBytes, maxHeldBytes, corsOrigins } = options
  const plain =
    options.identityHeader === undefined && options.scopeCookie === undefined && options.scopeHeaders.length === 0
  return {
    ...{ idempotency, role: 'gateway', requireKey, remember, maxBodyBytes, maxStoredBytes, maxHeldBytes, corsOrigins },
    // The adapter's own scope is the digest of all credentials, and its refusals say best what is missing.
    ...(plain ? { allowAnonymous: options.allowAnonymous } : { scope: scopeOf(options) }),
    ...(notApplied === undefined ? {} : { notApplied: ({ status }) => notApplied.includes(status) }),
  }
}

/** Probes come often and from several sides: the store is asked once for all that come together. */
function readiness(
  store: IdempotencyStore,
  state: { readonly draining: boolean },
  clock: Clock,
): () => Promise<string | undefined> {
  let asking: Promise<string | undefined> | undefined
  return async () => {
    if (state.draining) return 'draining'
    asking ??= whyNotReady(store, clock).finally(() => {
      asking = undefined
    })
    const reason = await asking
    return state.draining ? 'draining' : reason
  }
}

async function whyNotReady(store: IdempotencyStore, clock: Clock): Promise<string | undefined> {
  const patience = new AbortController()
  const late = clock.sleep(readyTimeoutMs, patience.signal, true).then(() => 'the store does not answer')
  const asked = proveReady(store).then(
    () => undefined,
    (error: unknown) => `the store is not ready: ${redact(reasonOf(error))}`,
  )
  const reason = await Promise.race([asked, late])
  patience.abort()
  return reason
}

const readyTimeoutMs = 5000

async function drain(
  proxy: ProxyServer,
  idempotency: Idempotency,
  clock: Clock,
  drainMs: number,
): Promise<'drained' | 'left'> {
  const patience = new AbortController()
  const late = clock.sleep(drainMs, patience.signal).then(() => 'late' as const)
  // The work of a client that left goes on behind a closed server.
  const finished = proxy
    .close(clock, patience.signal)
    .then(() => idempotency.drain())
    .then(() => 'drained' as const)
  const outcome = await Promise.race([finished, late])
  patience.abort()
  if (outcome === 'drained') return outcome
  proxy.cut()
  // Requests without a key leave no claims behind.
  return Promise.race([idempotency.drain().then(() => 'drained' as const), clock.sleep(0).then(() => 'left' as const)])
}

/** `onError` is told of what goes wrong later: a failing `accept` must not end the process. */
function listen(
  server: Server,
  port: number,
  host: string | undefined,
  onError: (error: Error) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject)
      server.on('error', onError)
      resolve()
    })
  })
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
