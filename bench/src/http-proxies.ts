import { join } from 'node:path'
import { type Log, type ProxyOptions, startProxy } from '@retrysafe/server'
import type { IdempotencyStore } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { sqliteStore } from 'retrysafe/sqlite'

/** The proxy over a store; `bare` is asked without keys, which is the same stack as a bare reverse proxy. */
export async function startBenchProxy(layer: string, upstreamPort: number, scratch: string): Promise<number> {
  const store: IdempotencyStore =
    layer === 'sqlite'
      ? sqliteStore({ path: join(scratch, 'proxy.db') })
      : memoryStore({ whenFull: 'evict', maxEntries: 200_000 })
  const running = await startProxy(
    { ...options, upstream: new URL(`http://127.0.0.1:${upstreamPort}`) },
    { store, log },
  )
  return running.port
}

const silent = (): void => {}
const log: Log = { info: silent, warn: silent, request: silent }
const mib = 1024 * 1024

/** The command line's defaults. */
const options: Omit<ProxyOptions, 'upstream'> = {
  rewriteHost: false,
  connectTimeoutMs: 10_000,
  upstreamConnections: 256,
  port: 0,
  host: '127.0.0.1',
  trustForwarded: false,
  maxHeaderBytes: 16 * 1024,
  requestTimeoutMs: 300_000,
  leaseMs: 30_000,
  retentionMs: 86_400_000,
  waitMs: 0,
  maxRunMs: 900_000,
  maxBodyBytes: 10 * mib,
  maxStoredBytes: 10 * mib,
  maxHeldBytes: 256 * mib,
  requireKey: false,
  remember: 'definite',
  afterCrash: 'rerun',
  notApplied: undefined,
  corsOrigins: [],
  adminPort: 'off',
  adminHost: '127.0.0.1',
  purgeEveryMs: 60_000,
  allowAnonymous: false,
  scopeHeaders: [],
  scopeCookie: undefined,
  identityHeader: undefined,
}
