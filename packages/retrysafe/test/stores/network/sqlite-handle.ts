/* SQLite beside the stores on a network: several processes share its file, so most suites fit. */
import { type SqliteDatabase, sqliteStore } from '../../../src/stores/sqlite.js'
import type { OpenHandle } from './bench.js'

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

export const openHandle: OpenHandle = async ({ url }) => {
  // libsql is there on every version of Node that the tests run on.
  const { default: Database } = (await import('libsql')) as unknown as {
    default: new (path: string) => SqliteDatabase & { close(): void }
  }
  const database = new Database(url)
  const side = new Database(url)
  const store = sqliteStore({ database })
  await store.migrate()
  const shifts = instants.map((column) => `${column} = ${column} - ?`).join(', ')
  return {
    store,
    age: async (key, ms) => {
      side.prepare(`UPDATE retrysafe_records SET ${shifts} WHERE key = ?`).run(...instants.map(() => ms), key)
    },
    close: async () => {
      await store.close()
      side.close()
      database.close()
    },
  }
}
