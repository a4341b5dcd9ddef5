import { openStore } from '../stores/open-store.js'
import { openSqlite } from '../stores/sqlite.js'
import type { SqliteUrl } from '../stores/store-url.js'
import { type Bench, instants, openedOf, scratchName } from './bench.js'

/** Keys of its own in the file: a clock set ahead would age everybody's, so rows are aged by a second connection. */
export async function sqliteBench(url: SqliteUrl): Promise<Bench> {
  const scratch = `${scratchName('-')}/`
  const first = await openStore(url)
  await first.close()
  const database = await openSqlite(url.path)
  const shifts = instants.map((column) => `${column} = ${column} - ?`).join(', ')
  const age = database.prepare(`UPDATE retrysafe_records SET ${shifts} WHERE key = ?`)
  const count = database.prepare('SELECT count(*) AS count FROM retrysafe_records WHERE substr(key, 1, ?) = ?')
  const remove = database.prepare('DELETE FROM retrysafe_records WHERE substr(key, 1, ?) = ?')
  let opened = 0
  return {
    scratch: `keys that begin with ${scratch}`,
    open: () => {
      opened++
      const own = `${scratch}${opened}/`
      return openedOf({
        scratch: own,
        another: () => openStore(url),
        age: async (key, ms) => {
          age.run(...instants.map(() => ms), key)
        },
        stored: async () => Number((count.get(own.length, own) as { count: number }).count),
        empty: async () => {
          remove.run(own.length, own)
        },
      })
    },
    facts: async () => {
      const { version } = database.prepare('SELECT sqlite_version() AS version').get() as { version: string }
      return { server: `SQLite ${version}`, remarks: [] }
    },
    clean: async () => {
      remove.run(scratch.length, scratch)
      database.close()
    },
  }
}
