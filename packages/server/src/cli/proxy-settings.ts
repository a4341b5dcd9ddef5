import type { StoreUrl } from '../stores/store-url.js'
import type { OperationSettings } from './operation-flags.js'

/** What `retrysafe proxy` can be told. */
export interface ProxySettings extends OperationSettings {
  upstream: URL | undefined
  rewriteHost: boolean
  connectTimeoutMs: number
  upstreamConnections: number
  port: number
  host: string | undefined
  trustForwarded: boolean
  maxHeaderBytes: number
  requestTimeoutMs: number
  store: StoreUrl
  leaseMs: number
  retentionMs: number
  waitMs: number
  maxRunMs: number
  maxBodyBytes: number
  maxStoredBytes: number
  maxHeldBytes: number
  requireKey: boolean
  remember: 'definite' | 'success' | 'everything'
  afterCrash: 'rerun' | 'uncertain'
  notApplied: readonly number[] | undefined
  allowAnonymous: boolean
  scopeHeaders: readonly string[]
  scopeCookie: string | undefined
  identityHeader: string | undefined
  corsOrigins: readonly string[]
}

/** What is wrong between flags, a sentence each. */
export function conflicts(settings: ProxySettings): readonly string[] {
  const problems: string[] = []
  if (settings.upstream === undefined)
    problems.push('--upstream is missing: give the address of your service, such as --upstream http://localhost:3000.')
  else if (isOwnAddress(settings.upstream, settings.port))
    problems.push(`--upstream ${settings.upstream.origin} is this proxy itself: give another --port, or your service.`)
  if (settings.identityHeader !== undefined) {
    const others = [
      ...(settings.scopeHeaders.length > 0 ? ['--scope-header'] : []),
      ...(settings.scopeCookie === undefined ? [] : ['--scope-cookie']),
      ...(settings.allowAnonymous ? ['--allow-anonymous'] : []),
    ]
    for (const other of others)
      problems.push(`${other} says nothing beside --identity-header, which alone is the scope: leave one of them out.`)
  }
  return problems
}

function isOwnAddress(url: URL, ownPort: number): boolean {
  const usual = url.protocol === 'https:' ? 443 : 80
  const upstreamPort = url.port === '' ? usual : Number(url.port)
  return upstreamPort === ownPort && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
}
