/* Stores, and the clients that the SQLite store takes: libsql and better-sqlite3. */
import BetterSqlite3 from 'better-sqlite3'
import Libsql from 'libsql'
import { createIdempotency, type IdempotencyStore, type Inspectable, type Migratable } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { sqliteStore } from 'retrysafe/sqlite'

export const stores: (IdempotencyStore & Inspectable)[] = [
  memoryStore(),
  memoryStore({ maxEntries: 10, maxBytes: 1024, whenFull: 'refuse' }),
  sqliteStore({ path: 'retrysafe.db' }),
  sqliteStore({ database: new Libsql(':memory:') }),
  sqliteStore({ database: new BetterSqlite3(':memory:') }),
]
export const migratable: Migratable = sqliteStore({ path: 'retrysafe.db' })
export const idempotency = createIdempotency({ store: memoryStore() })

// @ts-expect-error A database is opened by us or by you, not by both.
sqliteStore({ path: 'retrysafe.db', database: new Libsql(':memory:') })
// @ts-expect-error It is one of the two.
sqliteStore({})
// @ts-expect-error A path alone goes under its name.
sqliteStore('retrysafe.db')
// @ts-expect-error There are two answers to a full store.
memoryStore({ whenFull: 'grow' })
