import { startPostgres, stopEngines } from '@retrysafe/engines'
import pg from 'pg'
import { postgresStore } from 'retrysafe/postgres'
import { type Engine, versionOf } from './machine.js'
import { measure, paceOf, type Row } from './measure.js'
import { pgbenchSubject } from './pgbench.js'
import { poolSize, postgresSettings, rawPostgres, rawSubjects, walWritten } from './postgres-raw.js'
import type { RunOptions } from './run-options.js'
import { bothOf, seed } from './store-subjects.js'

/** `postgresStore` with and without coalescing, beside the bare statements from this process and from pgbench. */
export async function postgres(print: (row: Row) => void, { quick }: RunOptions, engines: Engine[]): Promise<Row[]> {
  const server = await startPostgres({ settings: postgresSettings })
  const pools: pg.Pool[] = []
  const pool = (max = poolSize): pg.Pool => {
    const made = new pg.Pool({ connectionString: server.url, max })
    pools.push(made)
    return made
  }
  const admin = pool(1)
  const version = await admin.query<{ server_version: string }>('SHOW server_version')
  engines.push({ name: 'PostgreSQL', version: version.rows[0]?.server_version ?? '' }, versionOf('pg'))
  const together = postgresStore({ client: pool(), table: 'together' })
  const single = postgresStore({ client: pool(), table: 'single', coalesce: false })
  for (const store of [together, single]) {
    await store.migrate()
    await seed(store)
  }
  const against = { claim: [rawPostgres], replay: [rawPostgres] }
  const subjects = [
    ...(await rawSubjects(pool())),
    ...(await pgbenchSubject(server, admin)),
    ...bothOf('postgresStore, coalesce: false', single, against),
    ...bothOf('postgresStore', together, against),
  ]
  const written = (): Promise<number> => walWritten(admin)
  const rows = await measure({ suite: 'postgres', subjects, ...paceOf(quick), written }, print)
  for (const store of [together, single]) await store.close()
  for (const one of pools) await one.end()
  await stopEngines()
  return rows
}
