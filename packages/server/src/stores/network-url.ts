import { RetrysafeError } from 'retrysafe'
import { keepSecret } from './redact.js'
import type { Host } from './store-url.js'

/** A URL with a server in it, taken apart. */
export interface NetworkUrl {
  readonly scheme: string
  /** Decoded. */
  readonly user: string
  readonly password: string
  readonly hosts: readonly Host[]
  /** Decoded, without its slash. */
  readonly path: string
  readonly query: ReadonlyMap<string, string>
  /** As it may be printed. */
  readonly text: string
}

/**
 * Takes a URL apart. The platform's parser will not do: it knows no list of hosts, and takes `u:1/2@host` for the host
 * `u`, which would then be printed.
 */
export function networkUrl(given: string, name: string): NetworkUrl {
  const match = /^([a-z]+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(given)
  const [, scheme = '', userinfo, hostList = '', path = '', query = ''] = match ?? []
  if (match === null || path.includes('@') || query.includes('@') || /\s/.test(given))
    throw bad(
      name,
      'is not a URL of a store. Characters of a user or password that mean something in a URL (@ / ? # : % and space) ' +
        `are written percent-encoded, ${encoding}`,
    )
  const colon = userinfo?.indexOf(':') ?? -1
  const user = decode(colon === -1 ? (userinfo ?? '') : (userinfo ?? '').slice(0, colon), 'the user', name)
  const rawPassword = colon === -1 ? '' : (userinfo ?? '').slice(colon + 1)
  const password = decode(rawPassword, 'the password', name)
  keepSecret(password)
  keepSecret(rawPassword)
  const shownPath = path === '' ? '' : `/${path}`
  const shownQuery = query === '' ? '' : `?${query}`
  return {
    scheme: scheme.toLowerCase(),
    user,
    password,
    hosts: hostList === '' ? [] : hostList.split(',').map((one) => hostOf(one, name)),
    path: decode(path, 'the path', name),
    query: queryOf(query, name),
    text: `${scheme}://${userinfo === undefined ? '' : '…@'}${hostList}${shownPath}${shownQuery}`,
  }
}

const encoding = 'such as %40 for @ and %2F for /.'

function hostOf(text: string, name: string): Host {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i.exec(text.trim()) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port ?? 1) > 65_535 || Number(port ?? 1) === 0)
    throw bad(
      name,
      'has a host that is none: write HOST or HOST:PORT after the slashes, or USER:PASSWORD@HOST:PORT with what is not a ' +
        `letter or digit percent-encoded, ${encoding}`,
    )
  return { host, port: port === undefined ? undefined : Number(port) }
}

/** Parameters by name; each once. */
export function queryOf(query: string, name: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of new URLSearchParams(query)) {
    if (found.has(key)) throw bad(name, `has the parameter ${JSON.stringify(key)} twice: give it once.`)
    found.set(key, value)
  }
  return found
}

/** Refuses parameters that mean nothing here, by name. Values are not repeated: they may be secret. */
export function knowParameters(query: ReadonlyMap<string, string>, known: readonly string[], name: string): void {
  const stray = [...query.keys()].filter((key) => !known.includes(key))
  if (stray.length === 0) return
  const named = stray.map((key) => JSON.stringify(key.slice(0, 40))).join(', ')
  throw bad(name, `has a parameter that is not known here: ${named}. Known are ${known.join(', ')}.`)
}

function decode(text: string, what: string, name: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw bad(name, `has a % in ${what} that encodes nothing: write a percent sign as %25.`)
  }
}

/** The error for a store's URL that does not do; it never repeats the URL. */
export function bad(name: string, problem: string): RetrysafeError {
  return new RetrysafeError('invalid_option', `${name} ${problem}`)
}
