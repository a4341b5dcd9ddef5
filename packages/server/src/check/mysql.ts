import type { Pool, RowDataPacket } from 'mysql2/promise'
import { mysqlStore } from 'retrysafe/mysql'
import { commandMs } from '../stores/connection.js'
import { mysqlPool } from '../stores/mysql.js'
import type { MysqlUrl } from '../stores/store-url.js'
import { type Bench, type Facts, instants, inTurn, openedOf, type Remark, scratchName } from './bench.js'

/** A table of its own, in the database of the URL. */
export async function mysqlBench(url: MysqlUrl): Promise<Bench> {
  const table = scratchName('_')
  const { pool: side, end } = await mysqlPool({ ...url, pool: 2 })
  const pools = inTurn(() => mysqlPool(url, { statementMs: commandMs }))
  try {
    await mysqlStore({ client: side, table }).migrate()
  } catch (error) {
    await end()
    throw error
  }
  const shifts = instants.map((column) => `${column} = ${column} - ?`).join(', ')
  const under = 'LEFT(`key`, LENGTH(?)) = ?'
  let opened = 0
  return {
    scratch: `the table \`${table}\``,
    clean: async () => {
      try {
        await side.query(`DROP TABLE IF EXISTS \`${table}\``)
      } finally {
        for (const pool of await pools.made()) await pool.end()
        await end()
      }
    },
    facts: () => factsOf(side),
    open: () => {
      opened++
      const own = Buffer.from(`check/${opened}/`)
      return openedOf({
        scratch: own.toString(),
        another: async () => mysqlStore({ client: (await pools.next()).client, table }),
        age: async (key, ms) => {
          const values = [...instants.map(() => ms), Buffer.from(key)]
          await side.query(`UPDATE \`${table}\` SET ${shifts}, version = version + 1 WHERE \`key\` = ?`, values)
        },
        stored: async () => {
          const [rows] = await side.query<RowDataPacket[]>(`SELECT COUNT(*) AS n FROM \`${table}\` WHERE ${under}`, [
            own,
            own,
          ])
          return Number(rows[0]?.n)
        },
        empty: async () => {
          await side.query(`DELETE FROM \`${table}\` WHERE ${under}`, [own, own])
        },
      })
    },
  }
}

async function factsOf(pool: Pool): Promise<Facts> {
  const names = ['innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'innodb_doublewrite']
  const [rows] = await pool.query<RowDataPacket[]>('SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)', [names])
  const settings = new Map(rows.map((row) => [String(row.Variable_name), String(row.Value)]))
  const [versions] = await pool.query<RowDataPacket[]>('SELECT VERSION() AS version')
  const version = String(versions[0]?.version)
  return { server: `${/mariadb/i.test(version) ? 'MariaDB' : 'MySQL'} ${version}`, remarks: remarksOf(settings) }
}

function remarksOf(settings: ReadonlyMap<string, string>): Remark[] {
  const remarks: Remark[] = []
  const flush = settings.get('innodb_flush_log_at_trx_commit') ?? '1'
  if (flush !== '1' && flush !== '3')
    remarks.push({
      level: 'unsafe',
      setting: `innodb_flush_log_at_trx_commit=${flush}`,
      meaning: `a crash of the ${flush === '0' ? 'server' : 'machine'} forgets the last acknowledged claims: their retries run again`,
    })
  if (/^(off|0)$/i.test(settings.get('innodb_doublewrite') ?? ''))
    remarks.push({
      level: 'unsafe',
      setting: 'innodb_doublewrite=OFF',
      meaning: 'a crash of the machine can leave torn pages behind, with records in them that cannot be read',
    })
  const binlog = settings.get('sync_binlog') ?? '1'
  if (binlog !== '1' && /^(on|1)$/i.test(settings.get('log_bin') ?? ''))
    remarks.push({
      level: 'weaker',
      setting: `sync_binlog=${binlog}`,
      meaning:
        'after a crash of the machine replicas, and a server restored from the binary log, may lack the last claims',
    })
  return remarks
}
