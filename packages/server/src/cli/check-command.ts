import type { Command } from 'commander'
import type { Bench } from '../check/bench.js'
import { lineProgress, noProgress, type Progress, terminalProgress } from '../check/progress.js'
import type { CheckReport } from '../check/run.js'
import { describeCheck, jsonOfCheck, verdictOf } from '../check/verdict.js'
import { reasonOf } from '../stores/reason.js'
import { redact } from '../stores/redact.js'
import type { StoreUrl } from '../stores/store-url.js'
import { codeOf, complain, exitFailure, exitUsage, explain } from './failure.js'
import { storeHelp } from './store-help.js'
import { readStoreUrl } from './store-option.js'

interface CheckOptions {
  readonly json?: boolean
  readonly verbose?: boolean
}

/** `retrysafe check STORE_URL`: the promises of the store contract, tried on a real store. */
export function addCheckCommand(program: Command, finish: (code: number) => void): void {
  program
    .command('check')
    .summary('try every promise of the store contract on a real store')
    .description(
      'Runs the store cases of retrysafe/testkit on a store, and looks for settings of its server that weaken what it\n' +
        'promises. In a database it makes a table of its own and drops it; elsewhere it uses keys of its own and deletes\n' +
        'them, after Ctrl+C too. Safe beside a store in use: it touches no other key.',
    )
    .argument('[store-url]', 'as for --store (or RETRYSAFE_STORE); a SQLite file is made where there is none')
    .option('--json', 'one JSON document on standard output, and nothing else')
    .option('--verbose', 'a line for every case, with why it matters')
    .addHelpText('after', `${storeHelp}${helpAfter}`)
    .action(async (text: string | undefined, options: CheckOptions) => finish(await runOn(text, options)))
}

const helpAfter = `
Examples:
  retrysafe check sqlite:/var/lib/retrysafe/keys.db
  RETRYSAFE_STORE=postgres://app:…@db.internal/shop retrysafe check
  retrysafe check 'redis://cache.internal/0?prefix=shop:' --json

Exit codes: 0 sound, 1 something broke, a setting is unsafe or it was interrupted, 2 wrong usage.
`

async function runOn(text: string | undefined, options: CheckOptions): Promise<number> {
  let url: StoreUrl
  try {
    url = readStoreUrl(text, { flag: 'The store', memory: true })
  } catch (error) {
    return complain([explain(error)], exitUsage)
  }
  const stop = new AbortController()
  const onSignal = (): void => {
    // A second signal does not wait for anything.
    if (stop.signal.aborted) process.exit(exitFailure)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    return await check(url, options, stop.signal)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

async function check(url: StoreUrl, options: CheckOptions, signal: AbortSignal): Promise<number> {
  const progress = progressOf(options)
  // Other commands do without the cases, and begin sooner.
  const [{ benchOf }, { runCheck }] = await Promise.all([import('../check/benches.js'), import('../check/run.js')])
  let bench: Bench
  try {
    bench = await benchOf(url)
  } catch (error) {
    return tell(undefined, url, options, [cannot(url, error)], codeOf(error))
  }
  let report: CheckReport | undefined
  const problems: string[] = []
  try {
    report = await runCheck(bench, progress, signal)
  } catch (error) {
    problems.push(cannot(url, error))
  }
  progress.clear()
  try {
    await bench.clean()
  } catch (error) {
    problems.push(`${bench.scratch} could not be removed: ${redact(reasonOf(error))} Remove it yourself.`)
  }
  const isSound = problems.length === 0 && report !== undefined && verdictOf(report) === 'sound'
  return tell(report, url, options, problems, isSound ? 0 : exitFailure)
}

function cannot(url: StoreUrl, error: unknown): string {
  return `The store ${url.text} cannot be checked: ${redact(reasonOf(error))}`
}

function progressOf({ json, verbose }: CheckOptions): Progress {
  if (json) return noProgress
  if (process.stdout.isTTY && !verbose) return terminalProgress(process.stdout)
  return lineProgress(print, verbose ?? false)
}

/** Prints what was found, and what went wrong. Gives the exit code. */
function tell(
  report: CheckReport | undefined,
  url: StoreUrl,
  { json }: CheckOptions,
  problems: readonly string[],
  code: number,
): number {
  const about = { store: url.text, problems }
  if (json) print(JSON.stringify(jsonOfCheck(report, about), undefined, 2))
  else if (report !== undefined) for (const line of describeCheck(report, about)) print(line)
  return complain(problems, code)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
