import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import Database from 'libsql'
import { type Clock, type IdempotencyStore, systemClock } from 'retrysafe'
import { type OpenedStore, type OpenStore, runStoreCase, storeCases } from 'retrysafe/testkit'
import { complain, exitFailure, exitUsage, explain } from './failure.js'
import { openStore, type StoreUrl, storeUrl } from './store-url.js'

/** `retrysafe check STORE_URL`: the promises of the store contract, tried on a real store. */
export function addCheckCommand(program: Command, finish: (code: number) => void): void {
  program
    .command('check')
    .summary('try every promise of the store contract on a real store')
    .description(
      'Runs the store cases of retrysafe/testkit in a scratch scope of their own, prints a line for each, and deletes\n' +
        'what it made. Safe beside a store in use: it touches no other key.',
    )
    .argument('<store-url>', 'memory: or sqlite:PATH; a file is made where there is none')
    .option('--verbose', 'say why each promise matters')
    .action(async (text: string, options: { verbose?: boolean }) => {
      let url: StoreUrl
      try {
        url = storeUrl(text, 'The store')
      } catch (error) {
        finish(complain([explain(error)], exitUsage))
        return
      }
      finish(await check(url, options.verbose ?? false))
    })
}

async function check(url: StoreUrl, verbose: boolean): Promise<number> {
  const scratch = `retrysafe-check-${randomUUID()}/`
  let bench: Bench
  try {
    const store = await openStore(url)
    await store.close()
    bench = url.kind === 'memory' ? memoryBench(url, scratch) : sqliteBench(url, scratch)
  } catch (error) {
    return complain([explain(error)], exitFailure)
  }
  try {
    return await runAll(bench.open, verbose)
  } finally {
    bench.clean()
  }
}

async function runAll(open: OpenStore, verbose: boolean): Promise<number> {
  const counts = { held: 0, skipped: 0, broken: 0 }
  for (const storeCase of storeCases) {
    const result = await runStoreCase(storeCase, open)
    counts[result.status]++
    const note =
      result.status === 'skipped'
        ? ` (${result.reason})`
        : result.status === 'broken'
          ? `: ${explain(result.error)}`
          : ''
    print(`${result.status.padEnd(8)}${storeCase.name}${note}`)
    if (verbose || result.status === 'broken') print(`${' '.repeat(8)}otherwise: ${storeCase.why}`)
  }
  print(`${counts.held} held, ${counts.skipped} skipped, ${counts.broken} broken`)
  return counts.broken === 0 ? 0 : exitFailure
}

interface Bench {
  readonly open: OpenStore
  clean(): void
}

/** Nothing but the process itself: time is moved by its clock. */
function memoryBench(url: StoreUrl, scratch: string): Bench {
  const open = async (): Promise<OpenedStore> => {
    let aheadMs = 0
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
    const store = await openStore(url, { clock })
    return {
      store,
      scratch,
      age: async (_key, ms) => {
        aheadMs += ms
      },
      again: async () => store,
      close: () => store.close(),
    }
  }
  return { open, clean: () => {} }
}

const aged = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

/** The rows of a case are made older through a second connection: a clock set ahead would age everybody's keys. */
function sqliteBench(url: StoreUrl & { readonly kind: 'sqlite' }, scratch: string): Bench {
  const database = new Database(url.path, { timeout: 10_000 })
  const age = database.prepare(
    `UPDATE retrysafe_records SET ${aged.map((column) => `${column} = ${column} - $ms`).join(', ')} WHERE key = $key`,
  )
  const count = database.prepare('SELECT count(*) AS count FROM retrysafe_records WHERE substr(key, 1, ?) = ?')
  const remove = database.prepare('DELETE FROM retrysafe_records WHERE substr(key, 1, ?) = ?')
  let opened = 0
  const open = async (): Promise<OpenedStore> => {
    opened++
    const own = `${scratch}${opened}/`
    const stores: IdempotencyStore[] = [await openStore(url)]
    const another = async (): Promise<IdempotencyStore> => {
      const store = await openStore(url)
      stores.push(store)
      return store
    }
    return {
      store: stores[0] as IdempotencyStore,
      scratch: own,
      age: async (key, ms) => {
        age.run({ ms, key })
      },
      again: another,
      stored: async () => Number((count.get(own.length, own) as { count: number }).count),
      reopen: async () => {
        for (const store of stores.splice(0)) await store.close()
        return another()
      },
      close: async () => {
        for (const store of stores.splice(0)) await store.close()
      },
    }
  }
  return {
    open,
    clean: () => {
      remove.run(scratch.length, scratch)
      database.close()
    },
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
