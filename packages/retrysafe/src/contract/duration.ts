import { RetrysafeError } from './errors.js'

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a duration as people write it: `500ms`, `30s`, `15m`, `24h`, `7d`; `0` needs no unit. Gives milliseconds.
 *
 * @throws `invalid_option` for anything else; the message names `name`.
 * @example
 * ```ts
 * import { parseDuration } from 'retrysafe'
 *
 * const leaseMs = parseDuration('30s', '--lease') // 30_000
 * ```
 */
export function parseDuration(text: string, name = 'duration'): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim())
  const unit = unitsMs[match?.[2] ?? '']
  const ms = match === null || unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit)
  if (text.trim() === '0') return 0
  if (Number.isSafeInteger(ms)) return ms
  throw new RetrysafeError(
    'invalid_option',
    `${name} is ${JSON.stringify(text)}: write a number with its unit, such as 500ms, 30s, 15m, 24h or 7d.`,
  )
}

/** Writes milliseconds in the largest unit that keeps them whole: `30s`, `24h`. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const size = unitsMs[unit] ?? 1
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
