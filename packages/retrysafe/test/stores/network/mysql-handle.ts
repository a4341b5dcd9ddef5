/* MariaDB through a pool of mysql2. */
import mysql from 'mysql2/promise'
import { mysqlStore } from '../../../src/stores/mysql.js'
import type { OpenHandle } from './bench.js'

const instants = ['lease_until', 'expires_at', 'created_at', 'updated_at', 'completed_at']

export const openHandle: OpenHandle = async ({ url, name }, { connections = 8 } = {}) => {
  const pool = mysql.createPool({ uri: url, connectionLimit: connections })
  const store = mysqlStore({ client: pool, table: name })
  const shifts = instants.map((column) => `${column} = ${column} - ?`)
  const age = `UPDATE \`${name}\` SET ${shifts.join(', ')}, version = version + 1 WHERE \`key\` = ?`
  return {
    store,
    age: async (key, ms) => {
      await pool.query(age, [...instants.map(() => ms), Buffer.from(key)])
    },
    business: async () => {
      const connection = await pool.getConnection()
      await connection.query('START TRANSACTION')
      await connection.query('SELECT SLEEP(0.002)')
      await connection.query('COMMIT')
      connection.release()
    },
    close: async () => {
      await store.close().catch(() => undefined)
      await pool.end()
    },
  }
}
