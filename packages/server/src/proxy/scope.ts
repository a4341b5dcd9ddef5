import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RetrysafeError } from 'retrysafe'
import { credentialScope } from 'retrysafe/http'
import { valuesOf } from './headers.js'

export interface ScopeSettings {
  readonly allowAnonymous: boolean
  readonly scopeHeaders: readonly string[]
  readonly scopeCookie: string | undefined
  readonly identityHeader: string | undefined
}

/**
 * Whose key it is. The proxy stands before authentication, so it believes nobody: the scope is a digest of all whole
 * secrets of the request, and whoever does not know them is somebody else. Undefined: nobody can tell, nothing runs.
 */
export function scopeOf(settings: ScopeSettings): (request: IncomingMessage) => string | undefined {
  const identityHeader = settings.identityHeader?.toLowerCase()
  if (identityHeader !== undefined) return (request) => identityOf(valuesOf(request.rawHeaders, identityHeader))
  const options = {
    allowAnonymous: settings.allowAnonymous,
    extraHeaders: settings.scopeHeaders.map((name) => name.toLowerCase()),
    ...(settings.scopeCookie === undefined ? {} : { cookie: settings.scopeCookie }),
  }
  return (request) => {
    const found = credentialScope((name) => valuesOf(request.rawHeaders, name), options)
    if (found.status === 'scope') return found.scope
    throw new RetrysafeError('scope_required', found.reason)
  }
}

/** A header that came twice was not stripped from the client: neither line is believed. */
function identityOf(values: readonly string[]): string | undefined {
  const [value] = values
  if (value === undefined || values.length > 1 || value.trim() === '') return undefined
  const identity = value.trim()
  if (identity.length <= 200 && /^[\x20-\x7e]+$/.test(identity)) return `id:${identity}`
  return `id-digest:${createHash('sha256').update(identity, 'latin1').digest('base64url')}`
}
