import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addCheckCommand } from './check-command.js'
import { addDemoCommand } from './demo-command.js'
import { complain, exitFailure, exitUsage, explain } from './failure.js'
import { addKeysCommand } from './keys-command.js'
import { addProxyCommand } from './proxy-command.js'

/** Runs the command line and gives the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
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
  program.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'retrysafe: ')) })
  const finish = (given: number): void => {
    code = given
  }
  addProxyCommand(program, finish)
  addKeysCommand(program, finish)
  addCheckCommand(program, finish)
  addDemoCommand(program, finish)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage
    return complain([explain(error)], exitFailure)
  }
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
