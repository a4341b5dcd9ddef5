import { pino } from 'pino'
import { redact } from '../stores/redact.js'
import type { RequestLine } from './request-log.js'

/** What the server says. JSON for machines, lines for people; both to standard output. */
export interface Log {
  request(line: RequestLine): void
  info(message: string, about?: Readonly<Record<string, unknown>>): void
  warn(message: string, about?: Readonly<Record<string, unknown>>): void
}

export function createLog(format: 'json' | 'lines' | 'off'): Log {
  if (format === 'off') return { request: () => {}, info: () => {}, warn: () => {} }
  return format === 'json' ? jsonLog() : lineLog((line) => process.stdout.write(`${line}\n`))
}

function jsonLog(): Log {
  const logger = pino({
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  })
  return {
    request: ({ outcome, ...rest }) => logger.info(rest, outcome),
    info: (message, about = {}) => logger.info(about, message),
    warn: (message, about = {}) => logger.warn(about, message),
  }
}

function lineLog(print: (line: string) => void): Log {
  return {
    request: (line) => print(`  ${describeRequest(line)}`),
    info: (message) => print(`  ${message}`),
    warn: (message, about = {}) => print(`  ! ${message}${describeAbout(about)}`),
  }
}

function describeRequest(line: RequestLine): string {
  const { outcome, code, attempt, method, path, status, key, durationMs } = line
  const what = code === undefined ? outcome : `${outcome} (${code})`
  const again = attempt !== undefined && attempt > 1 ? `, attempt ${attempt}` : ''
  return `${what.padEnd(19)} ${status ?? '---'}  ${method} ${path}  key ${key}  ${durationMs} ms${again}`
}

function describeAbout(about: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(about).map(([name, value]) => `${name} ${String(value)}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

const quietMs = 10_000

/** Lets one call through and then none for 10 s: what befalls many requests at once is worth one line. */
export function seldom<T>(monotonic: () => number, tell: (about: T) => void): (about: T) => void {
  let quietUntil = Number.NEGATIVE_INFINITY
  return (about) => {
    const now = monotonic()
    if (now < quietUntil) return
    quietUntil = now + quietMs
    tell(about)
  }
}

/** What of an error may be written down: its code and message without passwords, never the objects that it carries. */
export function describeError(error: unknown): string {
  return redact(describeWhole(error))
}

function describeWhole(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = (error as { code?: unknown }).code
  const cause = error.cause instanceof Error ? `: ${describeWhole(error.cause)}` : ''
  return `${typeof code === 'string' ? `${code}: ` : ''}${error.message}${cause}`
}
