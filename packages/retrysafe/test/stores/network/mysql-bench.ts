import { missing, mysqlUrl } from '@retrysafe/engines'
import mysql from 'mysql2/promise'
import { mysqlStore } from '../../../src/stores/mysql.js'
import type { Bench } from './bench.js'
import { openHandle } from './mysql-handle.js'

export const mysqlBench: Bench = {
  name: 'MariaDB',
  url: mysqlUrl,
  missing: () => missing('mysql'),
  open: openHandle,
  handle: 'test/stores/network/mysql-handle.ts',
  prepare: async ({ url, name }) => {
    const client = await mysql.createConnection({ uri: url })
    const store = mysqlStore({ client, table: name })
    await store.migrate()
    await store.close()
    await client.end()
  },
  remove: async ({ url, name }) => {
    const client = await mysql.createConnection({ uri: url })
    await client.query(`DROP TABLE IF EXISTS \`${name}\``)
    await client.end()
  },
}
