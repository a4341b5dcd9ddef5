import { parseDuration, RetrysafeError } from 'retrysafe'
import { redact } from '../stores/redact.js'

/** Reads one value of a flag. Throws `invalid_option` with a sentence that names the flag and says what would do. */
export type Reader<T> = (text: string, name: string) => T

/** The error for a value that does not do. It may be a URL with a password, meant for another flag. */
export function badValue(name: string, text: string, wanted: string): RetrysafeError {
  // Before it is cut: without its end nothing tells a password.
  const whole = redact(text.replace(/:\/\/.*@/s, '://…@'))
  const shown = whole.length > 60 ? `${whole.slice(0, 60)}…` : whole
  return new RetrysafeError('invalid_option', `${name} is ${JSON.stringify(shown)}: write ${wanted}.`)
}

/** `500ms`, `30s`, `15m`, `24h`, within limits. */
export function duration(minMs: number, maxMs: number, range: string): Reader<number> {
  return (text, name) => {
    const ms = parseDuration(text, name)
    if (ms < minMs || ms > maxMs) throw badValue(name, text, `a duration ${range}`)
    return ms
  }
}

const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
}

/** `64KiB`, `10MiB`, `1GiB`, within limits. */
export function size(minBytes: number, maxBytes: number, range: string): Reader<number> {
  return (text, name) => {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim())
    const unit = units[match?.[2]?.toLowerCase() ?? '']
    const bytes = text.trim() === '0' ? 0 : match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit
    if (!Number.isSafeInteger(bytes)) throw badValue(name, text, 'a size with its unit, such as 64KiB, 10MiB or 1GiB')
    if (bytes < minBytes || bytes > maxBytes) throw badValue(name, text, `a size ${range}`)
    return bytes
  }
}

export function wholeNumber(min: number, max: number): Reader<number> {
  return (text, name) => {
    const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) throw badValue(name, text, `a whole number from ${min} to ${max}`)
    return value
  }
}

export function oneOf<T extends string>(...choices: readonly T[]): Reader<T> {
  return (text, name) => {
    const found = choices.find((choice) => choice === text)
    if (found === undefined) throw badValue(name, text, choices.join(' or '))
    return found
  }
}

/** For environment variables of switches; on the command line a switch has no value. */
export const yesOrNo: Reader<boolean> = (text, name) => {
  if (/^(1|true|yes|on)$/i.test(text)) return true
  if (/^(0|false|no|off)$/i.test(text)) return false
  throw badValue(name, text, 'true or false')
}

export const text: Reader<string> = (given) => given

/** A TCP port; 0 takes a free one. */
export const port: Reader<number> = wholeNumber(0, 65_535)

export const portOrOff: Reader<number | 'off'> = (given, name) => {
  if (given === 'off') return 'off'
  if (!/^\d{1,5}$/.test(given) || Number(given) > 65_535)
    throw badValue(name, given, 'a port from 0 to 65535, or off to have none')
  return Number(given)
}

/** The address of the service behind the proxy. */
export const upstreamUrl: Reader<URL> = (given, name) => {
  const wanted = 'the address of your service, such as http://localhost:3000 or https://payments.internal/api'
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw badValue(name, given, wanted)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw badValue(name, given, `${wanted}, without a user, a query or a fragment`)
  return url
}

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

export const headerName: Reader<string> = (given, name) => {
  if (!token.test(given)) throw badValue(name, given, 'the name of a request header, such as X-Tenant')
  return given.toLowerCase()
}

export const cookieName: Reader<string> = (given, name) => {
  if (!token.test(given)) throw badValue(name, given, 'the name of a cookie, such as session')
  return given
}

export const originValue: Reader<string> = (given, name) => {
  if (given === '*') return given
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || url.origin === 'null' || url.origin !== given)
    throw badValue(name, given, 'an origin, such as https://shop.example (no path, no slash at its end), or *')
  return given
}

export const statuses: Reader<readonly number[]> = (given, name) => {
  const codes = given.split(',').map((part) => part.trim())
  if (codes.some((code) => !/^[3-5]\d\d$/.test(code)))
    throw badValue(name, given, 'status codes from 300 to 599 with commas between them, such as 401,403,429')
  return codes.map(Number)
}
