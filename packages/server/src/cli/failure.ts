import { isRetrysafeError } from 'retrysafe'
import { redact } from '../stores/redact.js'

/** Wrong usage; nothing was done. */
export const exitUsage = 2
/** It was understood and could not be done. */
export const exitFailure = 1

/** One line to standard error for each problem, never with a password. Gives the exit code. */
export function complain(problems: readonly string[], code: number): number {
  for (const problem of problems) process.stderr.write(`retrysafe: ${redact(problem)}\n`)
  return code
}

/** The exit code of a failure: whether what was given was wrong, or it could not be done. */
export function codeOf(error: unknown): number {
  return isRetrysafeError(error, 'invalid_option') || isRetrysafeError(error, 'invalid_key') ? exitUsage : exitFailure
}

/** What went wrong, in one line that says what to do where that is known, and never a password. */
export function explain(error: unknown): string {
  return redact(explainWhole(error))
}

function explainWhole(error: unknown): string {
  if (isRetrysafeError(error)) return error.message
  const { code, port, syscall, message } = error as {
    code?: string
    port?: number
    syscall?: string
    message?: string
  }
  if (code === 'EADDRINUSE')
    return `Port ${port} is in use. Stop what listens there, or give another one (--port, --admin-port).`
  if (code === 'EACCES' && syscall === 'listen')
    return `Port ${port} may not be opened by this user. Give one above 1023 (--port, --admin-port).`
  if (code === 'EADDRNOTAVAIL' || (code === 'ENOTFOUND' && syscall === 'getaddrinfo'))
    return 'The address to listen on is not one of this machine. Check --host and --admin-host.'
  return (message ?? String(error)).split('\n')[0] ?? ''
}
