import { startMariadb, stopEngines } from '@retrysafe/engines'
import { createPool, type Pool, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import { mysqlStore } from 'retrysafe/mysql'
import { type Engine, versionOf } from './machine.js'
import { measure, paceOf, type Row, type Subject, subject } from './measure.js'
import type { RunOptions } from './run-options.js'
import {
  bothOf,
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  leaseMs,
  makeReplayKeys,
  replaying,
  replayKey,
  retentionMs,
  seed,
} from './store-subjects.js'

const poolSize = 16
const raw = `raw prepared statements, pool of ${poolSize}`

/** As durable as it is by default, with room for what a run writes. */
const settings: Readonly<Record<string, string>> = {
  'innodb-buffer-pool-size': '512M',
  'innodb-log-file-size': '1G',
}

const createRaw = `CREATE TABLE raw_keys (k VARBINARY(255) PRIMARY KEY, status TINYINT NOT NULL, token CHAR(36),
  lease_until BIGINT, expires_at BIGINT, response LONGBLOB, KEY (expires_at)) ENGINE=InnoDB`
const insert = 'INSERT INTO raw_keys VALUES (?, 0, ?, ?, ?, NULL)'
const update = 'UPDATE raw_keys SET status=1, response=?, expires_at=? WHERE k=? AND status=0'
const select = 'SELECT * FROM raw_keys WHERE k=?'

async function rawSubjects(pool: Pool): Promise<Subject[]> {
  const claim = async (key: string): Promise<void> => {
    const now = Date.now()
    const values = [key, crypto.randomUUID(), now + leaseMs, now + leaseMs + retentionMs]
    // A duplicate is an error, which nobody here is to meet.
    const [{ affectedRows }] = await pool.execute<ResultSetHeader>(insert, values)
    if (affectedRows !== 1) throw new Error(`${key} is taken`)
  }
  const complete = async (key: string): Promise<void> => {
    const values = [Buffer.from(JSON.stringify(chargeOf(key))), Date.now() + retentionMs, key]
    const [{ affectedRows }] = await pool.execute<ResultSetHeader>(update, values)
    if (affectedRows !== 1) throw new Error(`${key} is lost`)
  }
  await pool.query(createRaw)
  await makeReplayKeys((key) => claim(key).then(() => complete(key)))
  return [
    subject(claiming, raw, [raw], async () => {
      const key = freshKey()
      await claim(key)
      await complete(key)
    }),
    subject(replaying, raw, [raw], async (index) => {
      const key = replayKey(index)
      const [rows] = await pool.execute<RowDataPacket[]>(select, [key])
      checkCharge(raw, key, JSON.parse(String(rows[0]?.response)))
    }),
  ]
}

/** `mysqlStore` with and without coalescing, beside the bare statements. */
export async function mysql(print: (row: Row) => void, { quick }: RunOptions, engines: Engine[]): Promise<Row[]> {
  const server = await startMariadb({ settings })
  const pools: Pool[] = []
  const pool = (): Pool => {
    const made = createPool({ uri: server.url, connectionLimit: poolSize })
    pools.push(made)
    return made
  }
  const admin = pool()
  const [found] = await admin.query<RowDataPacket[]>('SELECT version() AS version')
  engines.push({ name: 'MariaDB', version: String(found[0]?.version) }, versionOf('mysql2'))
  const together = mysqlStore({ client: pool(), table: 'together' })
  const single = mysqlStore({ client: pool(), table: 'single', coalesce: false })
  for (const store of [together, single]) {
    await store.migrate()
    await seed(store)
  }
  const against = { claim: [raw], replay: [raw] }
  const subjects = [
    ...(await rawSubjects(pool())),
    ...bothOf('mysqlStore, coalesce: false', single, against),
    ...bothOf('mysqlStore', together, against),
  ]
  const written = async (): Promise<number> => {
    const [status] = await admin.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'")
    return Number(status[0]?.Value)
  }
  const rows = await measure({ suite: 'mysql', subjects, ...paceOf(quick), written }, print)
  for (const store of [together, single]) await store.close()
  for (const one of pools) await one.end()
  await stopEngines()
  return rows
}
