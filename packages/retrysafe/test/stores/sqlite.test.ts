import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type SqliteStore, sqliteStore } from '../../src/stores/sqlite.js'
import { simulatedClock } from '../../src/testkit/simulated-clock.js'
import type { OpenedStore } from '../../src/testkit/store-case.js'
import { runStoreCase, storeCases } from '../../src/testkit/store-cases.js'
import { type Client, clients, missingClients, type OpenHandle } from './sqlite-clients.js'

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-sqlite-'))
let files = 0
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fresh(): string {
  files++
  return join(folder, `${files}.db`)
}

for (const { name, reason } of missingClients) test(`everything on ${name}`, (context) => context.skip(reason))

for (const client of clients)
  describe(`on ${client.name}`, () => {
    describe('the store contract', () => {
      for (const storeCase of storeCases)
        test(storeCase.name, async (context) => {
          const result = await runStoreCase(storeCase, () => open(client))
          if (result.status === 'skipped') context.skip(result.reason)
          if (result.status === 'broken') throw result.error
          expect(result.status).toBe('held')
        })
    })
  })

async function open(client: Client): Promise<OpenedStore> {
  const path = fresh()
  const clock = simulatedClock()
  const handles: OpenHandle[] = []
  const stores: SqliteStore[] = []
  const handle = (): OpenHandle => {
    const opened = client.open(path)
    handles.push(opened)
    return opened
  }
  const another = (): SqliteStore => {
    const store = sqliteStore({ database: handle(), clock })
    stores.push(store)
    return store
  }
  const store = another()
  await store.migrate()
  const side = handle()
  const columns = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']
  const shifts = columns.map((column) => `${column} = ${column} - ?`)
  const shift = side.prepare(`UPDATE retrysafe_records SET ${shifts.join(', ')} WHERE key = ?`)
  return {
    store,
    scratch: 'case/',
    frozen: true,
    age: async (key, ms) => {
      shift.run(...columns.map(() => ms), key)
    },
    again: async () => another(),
    stored: async () => Number((side.prepare('SELECT count(*) AS n FROM retrysafe_records').get() as { n: number }).n),
    reopen: async () => {
      await store.close()
      return another()
    },
    close: async () => {
      for (const opened of stores) await opened.close()
      for (const opened of handles.splice(0)) opened.close()
    },
  }
}
