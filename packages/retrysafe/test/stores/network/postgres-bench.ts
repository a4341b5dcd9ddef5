import { missing, postgresUrl } from '@retrysafe/engines'
import pg from 'pg'
import { postgresStore } from '../../../src/stores/postgres.js'
import type { Bench } from './bench.js'
import { openHandle } from './postgres-handle.js'

export const postgresBench: Bench = {
  name: 'PostgreSQL',
  url: postgresUrl,
  missing: () => missing('postgres'),
  open: openHandle,
  handle: 'test/stores/network/postgres-handle.ts',
  prepare: async ({ url, name }) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const store = postgresStore({ client, table: name })
    await store.migrate()
    await store.close()
    await client.end()
  },
  remove: async ({ url, name }) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`DROP TABLE IF EXISTS "${name}", "${name}_meta"`)
    await client.end()
  },
}
