import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { redact } from '../stores/redact.js'
import { addCheckCommand } from './check-command.js'
import { addDemoCommand } from './demo-command.js'
import { codeOf, complain, exitUsage, explain } from './failure.js'
import { addKeysCommand } from './keys-command.js'
import { addMigrateCommand } from './migrate-command.js'
import { addProxyCommand } from './proxy-command.js'

/** Runs the command line and gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  hideArguments(argv)
  outliveReaders()
  let code = 0
  const program = new Command('retrysafe')
    .description(
      'Makes any operation safe to retry: one attempt at a time does the work, every retry gets its response.',
    )
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print help')
    .helpCommand(true)
    .showSuggestionAfterError(true)
    .exitOverride()
  program.configureHelp({ helpWidth: 120 })
  program.configureOutput({ outputError: (text, write) => write(redact(text).replace(/^error: /, 'retrysafe: ')) })
  const finish = (given: number): void => {
    code = given
  }
  addProxyCommand(program, finish)
  addKeysCommand(program, finish)
  addMigrateCommand(program, finish)
  addCheckCommand(program, finish)
  addDemoCommand(program, finish)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage
    return complain([explain(error)], codeOf(error))
  }
}

/** Every user of the machine can read the command line of a process: no password stays in it once it was read. */
function hideArguments(argv: readonly string[]): void {
  const shown = argv.map(redact)
  if (shown.some((text, index) => text !== argv[index])) process.title = ['retrysafe', ...shown].join(' ')
}

/** Who reads us may stop before the end, as `head` does: what was begun goes on all the same, and cleans up. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.off('error', onWriteError).on('error', onWriteError)
}

function onWriteError(error: Error & { code?: unknown }): void {
  if (error.code !== 'EPIPE') throw error
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
