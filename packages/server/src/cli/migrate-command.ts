import type { Command } from 'commander'
import { type IdempotencyStore, RetrysafeError } from 'retrysafe'
import { connectStore, isMigratable } from '../stores/open-store.js'
import { reasonOf } from '../stores/reason.js'
import { redact } from '../stores/redact.js'
import { checkPath } from '../stores/sqlite.js'
import type { StoreUrl } from '../stores/store-url.js'
import { codeOf, complain, explain } from './failure.js'
import { storeHelp } from './store-help.js'
import { readStoreUrl } from './store-option.js'

/** An index on a large table takes its time. */
const migrationMs = 60 * 60_000

/** `retrysafe migrate STORE_URL`: makes or upgrades what a store needs. */
export function addMigrateCommand(program: Command, finish: (code: number) => void): void {
  program
    .command('migrate')
    .summary('create or upgrade what a store needs')
    .description(
      'Creates the tables that a store keeps keys in, or brings them to this version. It may be repeated, and any number\n' +
        'may run at once. Run it before the proxy is started on a new database, and before a new version is.',
    )
    .argument('[store-url]', 'as for --store (or RETRYSAFE_STORE)')
    .option('--print', 'print the SQL, and change nothing')
    .addHelpText('after', `${storeHelp}${helpAfter}`)
    .action(async (text: string | undefined, options: { print?: boolean }) =>
      finish(await run(text, options.print ?? false)),
    )
}

const helpAfter = `
Examples:
  RETRYSAFE_STORE=postgres://owner:…@db.internal/shop retrysafe migrate
  retrysafe migrate postgres://db.internal/shop?schema=retrysafe --print > retrysafe.sql
`

async function run(text: string | undefined, printOnly: boolean): Promise<number> {
  let url: StoreUrl
  try {
    url = readStoreUrl(text, { flag: 'The store' })
    if (printOnly) {
      process.stdout.write(await sqlOf(url))
      return 0
    }
  } catch (error) {
    return complain([explain(error)], codeOf(error))
  }
  try {
    if (url.kind === 'sqlite') checkPath(url.path, false)
    const store = await connectStore(url, { statementMs: migrationMs })
    try {
      process.stdout.write(`${await migrate(store, url)}\n`)
      return 0
    } finally {
      await store.close().catch(() => {})
    }
  } catch (error) {
    return complain([`The store ${url.text} cannot be migrated: ${redact(reasonOf(error))}`], codeOf(error))
  }
}

async function migrate(store: IdempotencyStore, url: StoreUrl): Promise<string> {
  if (isMigratable(store)) {
    await store.migrate()
    await store.get('retrysafe-ready')
    return `${url.text} is ready`
  }
  await store.get('retrysafe-ready')
  return `${url.text} is ready: this store needs nothing created`
}

async function sqlOf(url: StoreUrl): Promise<string> {
  switch (url.kind) {
    case 'postgres':
      return (await import('retrysafe/postgres')).postgresSchema({ schema: url.schema, table: url.table })
    case 'mysql':
      return (await import('retrysafe/mysql')).mysqlSchema({ table: url.table })
    default:
      throw new RetrysafeError(
        'invalid_option',
        `--print has no SQL for ${url.text}: it is for postgres:// and mysql://. Run retrysafe migrate without it.`,
      )
  }
}
