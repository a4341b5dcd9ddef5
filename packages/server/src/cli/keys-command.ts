import type { Command } from 'commander'
import {
  formatDuration,
  type IdempotencyRecord,
  type IdempotencyStore,
  type Inspectable,
  type ListedRecord,
  type ListQuery,
  RetrysafeError,
  systemClock,
} from 'retrysafe'
import { commandMs } from '../stores/connection.js'
import { openStore } from '../stores/open-store.js'
import { codeOf, complain, exitFailure, explain } from './failure.js'
import { variableOf } from './flags.js'
import { storeHelp } from './store-help.js'
import { readStoreUrl } from './store-option.js'
import { oneOf, wholeNumber } from './values.js'

type OperatorStore = IdempotencyStore & Inspectable
type Finish = (code: number) => void

interface CommonOptions {
  readonly store?: string
}

/** `retrysafe keys`: what operators do with keys. Payloads are shown by `get --show-response` alone. */
export function addKeysCommand(program: Command, finish: Finish): void {
  const keys = program
    .command('keys')
    .summary('look at keys, and settle them')
    .description(
      'For operators. KEY is the key as the store knows it and list prints it: space/scope/key, such as\n' +
        'proxy/cred:…/charge-42. Responses are never printed, except by get --show-response.',
    )
    .addHelpText('after', `${storeHelp}${helpAfter}`)
  addListCommand(keys, finish)
  addGetCommand(keys, finish)
  addFreeCommand(keys, finish)
  addDeleteCommand(keys, finish)
  addPurgeCommand(keys, finish)
}

const helpAfter = `
Examples:
  retrysafe keys list --store sqlite:retrysafe.db --status uncertain
  retrysafe keys get 'proxy/anonymous/charge-42' --store sqlite:retrysafe.db
  retrysafe keys free 'proxy/anonymous/charge-42' --attempt 1 --store sqlite:retrysafe.db
`

function addListCommand(keys: Command, finish: Finish): void {
  const command = subcommand(keys, 'list', 'list keys in the order of their bytes')
    .option('--status <status>', 'in_progress, completed or uncertain')
    .option('--prefix <text>', 'only keys that start with this, such as proxy/')
    .option('--limit <n>', 'how many at most', '100')
    .option('--json', 'one JSON object a line')
  command.action((options: CommonOptions & { status?: string; prefix?: string; limit: string; json?: boolean }) =>
    finishWith(finish, () => {
      const wanted = wholeNumber(1, 1_000_000)(options.limit, '--limit')
      const read = oneOf('in_progress', 'completed', 'uncertain')
      const status = options.status === undefined ? undefined : read(options.status, '--status')
      return withStore(options, async (store) => {
        let printed = 0
        for await (const record of recordsOf(store, { status, prefix: options.prefix }, wanted)) {
          print(options.json ? JSON.stringify(record) : describeListed(record))
          printed++
        }
        if (printed === 0 && !options.json) print('no keys')
        return 0
      })
    }),
  )
}

function addGetCommand(keys: Command, finish: Finish): void {
  const command = subcommand(keys, 'get', 'show what is known of a key').argument('<key>')
  command.option('--show-response', 'print the stored response too, which may hold personal data')
  command.action((key: string, options: CommonOptions & { showResponse?: boolean }) =>
    finishWith(finish, () =>
      withStore(options, async (store) => {
        const record = await store.get(key)
        if (record === undefined) return complain([`There is no key ${key}.`], exitFailure)
        print(JSON.stringify(shownRecord(record, options.showResponse ?? false), undefined, 2))
        return 0
      }),
    ),
  )
}

function addFreeCommand(keys: Command, finish: Finish): void {
  const command = subcommand(keys, 'free', 'end the claim of an attempt, so that a retry may run at once')
    .argument('<key>')
    .requiredOption('--attempt <n>', 'the attempt that holds the key, as list shows it')
  command.action((key: string, options: CommonOptions & { attempt: string }) =>
    finishWith(finish, () => {
      const attempt = wholeNumber(1, 999_999_999)(options.attempt, '--attempt')
      return withStore(options, async (store) => {
        if (await store.free(key, { attempt })) {
          print(`freed ${key}: attempt ${attempt} may no longer complete it`)
          return 0
        }
        return complain([`Attempt ${attempt} holds no claim of ${key}. See retrysafe keys get.`], exitFailure)
      })
    }),
  )
}

function addDeleteCommand(keys: Command, finish: Finish): void {
  const command = subcommand(keys, 'delete', 'forget a key: a retry runs the operation again').argument('<key>')
  command.action((key: string, options: CommonOptions) =>
    finishWith(finish, () =>
      withStore(options, async (store) => {
        if (!(await store.delete(key))) return complain([`There is no key ${key}.`], exitFailure)
        print(`deleted ${key}`)
        return 0
      }),
    ),
  )
}

function addPurgeCommand(keys: Command, finish: Finish): void {
  const command = subcommand(keys, 'purge', 'delete every record past its retention')
  command.action((options: CommonOptions) =>
    finishWith(finish, () =>
      withStore(options, async (store) => {
        let total = 0
        for (let purged = batch; purged === batch; total += purged) purged = await store.purge({ limit: batch })
        print(`purged ${total} records`)
        return 0
      }),
    ),
  )
}

const batch = 1000

function subcommand(keys: Command, name: string, description: string): Command {
  const where = `the store, such as sqlite:retrysafe.db (or ${variableOf('store')})`
  return keys.command(name).description(description).option('--store <url>', where)
}

/** Options are read before anything is opened. */
async function finishWith(finish: Finish, run: () => Promise<number>): Promise<void> {
  try {
    finish(await run())
  } catch (error) {
    finish(complain([explain(error)], codeOf(error)))
  }
}

async function withStore(options: CommonOptions, act: (store: OperatorStore) => Promise<number>): Promise<number> {
  const url = readStoreUrl(options.store, { flag: '--store' })
  const store = await openStore(url, { mustExist: true, statementMs: commandMs })
  try {
    if (!isInspectable(store)) throw new RetrysafeError('unsupported', `The store ${url.text} cannot list keys.`)
    return await act(store)
  } finally {
    await store.close()
  }
}

function isInspectable(store: IdempotencyStore): store is OperatorStore {
  return 'list' in store && 'delete' in store && 'free' in store
}

async function* recordsOf(store: Inspectable, query: ListQuery, wanted: number): AsyncGenerator<ListedRecord> {
  let left = wanted
  let cursor: string | undefined
  do {
    const page = await store.list({ ...query, cursor, limit: Math.min(left, batch) })
    yield* page.records
    left -= page.records.length
    cursor = page.cursor
  } while (cursor !== undefined && left > 0)
}

function describeListed(record: ListedRecord): string {
  const now = systemClock.now()
  const until =
    record.status === 'completed'
      ? `kept ${describeUntil(record.expiresAt, now)}`
      : record.leaseUntil === undefined
        ? 'no lease'
        : `lease ${describeUntil(record.leaseUntil, now)}`
  const kind = record.kind === undefined ? '' : ` ${record.kind}`
  return `${record.key}\t${record.status}${kind}\tattempt ${record.attempt}\t${until}`
}

function describeUntil(end: Date | undefined, now: number): string {
  if (end === undefined) return 'until settled'
  const leftMs = end.getTime() - now
  return leftMs > 0 ? `for ${roughly(leftMs)}` : `ended ${roughly(-leftMs)} ago`
}

/** In the largest unit that tells enough: nobody reads 86380s. */
function roughly(ms: number): string {
  const unitMs = ms >= 2 * 3_600_000 ? 3_600_000 : ms >= 2 * 60_000 ? 60_000 : 1000
  return formatDuration(Math.round(ms / unitMs) * unitMs)
}

/** Everything but what the key carries. */
function shownRecord(record: IdempotencyRecord, showResponse: boolean): object {
  const { response, checkpoint, ...rest } = record
  return {
    ...rest,
    ...(response === undefined ? {} : { response: showResponse ? printable(response) : describeSize(response) }),
    ...(checkpoint === undefined
      ? {}
      : { checkpoint: showResponse ? printable(checkpoint) : describeSize(checkpoint) }),
  }
}

function printable(value: unknown): unknown {
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value
}

function describeSize(value: unknown): string {
  const bytes = value instanceof Uint8Array ? value.byteLength : Buffer.byteLength(JSON.stringify(value))
  return `${bytes} bytes (not shown)`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
