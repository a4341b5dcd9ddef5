import { totalmem } from 'node:os'
import { startPostgres, stopEngines } from '@retrysafe/engines'
import pg from 'pg'
import { postgresStore } from 'retrysafe/postgres'
import { type Grown, type Growth, makePrototype, prototypeKey, scramble } from './growth.js'
import type { Engine } from './machine.js'
import { poolSize, postgresSettings, walWritten } from './postgres-raw.js'

/** A quarter of the memory is what PostgreSQL's documentation recommends; the log of the filling goes early. */
const settings = {
  ...postgresSettings,
  shared_buffers: `${Math.floor(totalmem() / 4 / 1024 ** 2)}MB`,
  max_wal_size: '2GB',
}
/** A statement makes so many, so that none runs for minutes. */
const perStatement = 1_000_000

export async function postgresGrowth(counts: readonly number[], engines: Engine[]): Promise<Growth> {
  const server = await startPostgres({ settings })
  const pool = new pg.Pool({ connectionString: server.url, max: poolSize })
  const version = await pool.query<{ server_version: string }>('SHOW server_version')
  engines.push({ name: 'PostgreSQL', version: version.rows[0]?.server_version ?? '' })
  const grown: Grown[] = []
  for (const count of counts) {
    const table = `keys_${count}`
    const store = postgresStore({ client: pool, table })
    await store.migrate()
    await makePrototype(store)
    await fill(server.url, table, count)
    const text = `SELECT * FROM ${table} WHERE key = $1`
    const select = async (key: string): Promise<void> => {
      if ((await pool.query({ name: table, text, values: [key] })).rowCount !== 1) throw new Error(`${key} is lost`)
    }
    grown.push({ store, count, select })
  }
  await pool.query('CHECKPOINT')
  return {
    engine: 'postgres',
    grown,
    written: () => walWritten(pool),
    close: async () => {
      for (const { store } of grown) await store.close()
      await pool.end()
      await stopEngines()
    },
  }
}

async function fill(url: string, table: string, count: number): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  // It takes part in no comparison, and nobody misses it.
  await client.query('SET synchronous_commit = off')
  const { rows } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 AND attidentity = ''
     AND attgenerated = '' AND NOT attisdropped ORDER BY attnum`,
  )
  const columns = rows.map(({ name }) => name)
  const key = `'charge:' || lpad(to_hex((i::int8 * ${scramble}) % 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(i::text, 12, '0')`
  const values = columns.map((name) => {
    if (name === 'key') return key
    return name === 'expires_at' ? 'p.expires_at + i' : `p.${name}`
  })
  for (let first = 1; first < count; first += perStatement) {
    if (first > 1) console.log(`${table}: ${first} are made`)
    const last = Math.min(first + perStatement, count) - 1
    await client.query(
      `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')}
       FROM (SELECT * FROM ${table} WHERE key = '${prototypeKey}') p, generate_series(${first}, ${last}) i`,
    )
  }
  await client.query(`VACUUM (FREEZE, ANALYZE) ${table}`)
  await client.end()
}
