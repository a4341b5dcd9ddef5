import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { sqliteStore } from 'retrysafe/sqlite'
import { type Grown, type Growth, makePrototype, prototypeKey, scramble } from './growth.js'
import type { Engine } from './machine.js'
import { bytesToDisk } from './sqlite.js'

export async function sqliteGrowth(counts: readonly number[], _engines: Engine[]): Promise<Growth> {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-bench-'))
  const grown: Grown[] = []
  for (const count of counts) {
    const database = new Database(join(folder, `${count}.db`))
    const store = sqliteStore({ database })
    await makePrototype(store)
    fill(database, count)
    const row = database.prepare('SELECT * FROM retrysafe_records WHERE key = ?')
    const select = async (key: string): Promise<void> => {
      if (row.get(key) === undefined) throw new Error(`${key} is lost`)
    }
    grown.push({ store, count, select })
  }
  return {
    engine: 'sqlite',
    grown,
    written: bytesToDisk() === undefined ? undefined : async () => bytesToDisk() ?? Number.NaN,
    close: async () => {
      for (const { store } of grown) await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A statement makes so many: its log holds all pages that it changes. */
const perStatement = 1_000_000

/** Waits for no disk and holds the index in memory; then all is as the store had set it. */
function fill(database: Database.Database, count: number): void {
  database.exec('PRAGMA synchronous = OFF')
  database.exec('PRAGMA cache_size = -2000000')
  const found = database.prepare("SELECT name FROM pragma_table_info('retrysafe_records') WHERE name <> 'id'").all()
  const columns = (found as { name: string }[]).map(({ name }) => name)
  const values = columns.map((name) => {
    if (name === 'key') return `printf('charge:%08x-0000-4000-8000-%012d', (i * ${scramble}) % 4294967296, i)`
    return name === 'expires_at' ? 'p.expires_at + i' : `p.${name}`
  })
  for (let first = 1; first < count; first += perStatement) {
    if (first > 1) console.log(`SQLite: ${first} are made`)
    const last = Math.min(first + perStatement, count) - 1
    database.exec(
      `INSERT INTO retrysafe_records (${columns.join(', ')})
       WITH RECURSIVE counter (i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM counter WHERE i < ${last})
       SELECT ${values.join(', ')} FROM counter CROSS JOIN retrysafe_records p WHERE p.key = '${prototypeKey}'`,
    )
  }
  database.exec('PRAGMA cache_size = -2000')
  database.exec('PRAGMA synchronous = FULL')
  database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all()
}
