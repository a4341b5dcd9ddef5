import type { CheckWatch } from './run.js'

/** What tells how far it is. */
export interface Progress extends CheckWatch {
  /** Takes the line away that stands there for the moment. */
  clear(): void
}

interface Terminal {
  write(text: string): unknown
  readonly columns?: number
}

/** One line that changes, on a terminal; what broke stays. */
export function terminalProgress(terminal: Terminal): Progress {
  const clear = (): void => {
    terminal.write('\r\x1b[2K')
  }
  return {
    clear,
    began: (number, total, { name }) => {
      const line = `${String(number).padStart(String(total).length)}/${total}  ${name}`
      clear()
      terminal.write(line.slice(0, Math.max(10, (terminal.columns ?? 80) - 1)))
    },
    ended: ({ name, status, note }) => {
      if (status !== 'broken') return
      clear()
      terminal.write(`broken  ${name}: ${note}\n`)
    },
  }
}

/** A line for every case. */
export function lineProgress(print: (line: string) => void, verbose: boolean): Progress {
  return {
    clear: () => {},
    began: () => {},
    ended: ({ name, status, note, why }) => {
      const said = note === undefined ? '' : status === 'skipped' ? ` (${note})` : `: ${note}`
      print(`${status.padEnd(8)}${name}${said}`)
      if (verbose) print(`${' '.repeat(8)}otherwise: ${why}`)
    },
  }
}

/** For `--json`, where nothing else may be printed. */
export const noProgress: Progress = { clear: () => {}, began: () => {}, ended: () => {} }
