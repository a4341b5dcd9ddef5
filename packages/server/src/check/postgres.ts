import type { Pool } from 'pg'
import { postgresStore } from 'retrysafe/postgres'
import { commandMs } from '../stores/connection.js'
import { postgresPool } from '../stores/postgres.js'
import type { PostgresUrl } from '../stores/store-url.js'
import { type Bench, type Facts, instants, inTurn, openedOf, type Remark, scratchName } from './bench.js'

/** A table of its own, in the schema of the URL. */
export async function postgresBench(url: PostgresUrl): Promise<Bench> {
  const table = scratchName('_')
  const { schema } = url
  const side = await postgresPool({ ...url, pool: 2 }, { statementMs: commandMs })
  const prefix = schema === undefined ? '' : `"${schema}".`
  const quoted = `${prefix}"${table}"`
  const pools = inTurn(() => postgresPool(url, { statementMs: commandMs }))
  const clean = async (): Promise<void> => {
    try {
      await side.query(`DROP TABLE IF EXISTS ${quoted}, ${prefix}"${table}_meta"`)
    } finally {
      for (const pool of [...(await pools.made()), side]) await pool.end()
    }
  }
  try {
    await postgresStore({ client: side, schema, table }).migrate()
  } catch (error) {
    await side.end()
    throw error
  }
  const shifts = instants.map((column) => `${column} = ${column} - $1`).join(', ')
  const under = 'substr(key, 1, length($1)) = $1'
  let opened = 0
  return {
    scratch: `the tables ${quoted} and ${prefix}"${table}_meta"`,
    clean,
    facts: () => factsOf(side),
    open: () => {
      opened++
      const own = `check/${opened}/`
      return openedOf({
        scratch: own,
        another: async () => postgresStore({ client: await pools.next(), schema, table }),
        age: async (key, ms) => {
          await side.query(`UPDATE ${quoted} SET ${shifts}, version = version + 1 WHERE key = $2`, [ms, key])
        },
        stored: async () => {
          const { rows } = await side.query<{ n: number }>(`SELECT count(*)::int4 AS n FROM ${quoted} WHERE ${under}`, [
            own,
          ])
          return rows[0]?.n ?? 0
        },
        empty: async () => {
          await side.query(`DELETE FROM ${quoted} WHERE ${under}`, [own])
        },
      })
    },
  }
}

const verdicts: readonly (Remark & { readonly name: string; readonly values: readonly string[] })[] = [
  {
    name: 'fsync',
    values: ['off'],
    level: 'unsafe',
    setting: 'fsync=off',
    meaning: 'a crash of the machine can lose acknowledged claims and responses, and the whole database with them',
  },
  {
    name: 'synchronous_commit',
    values: ['off'],
    level: 'unsafe',
    setting: 'synchronous_commit=off',
    meaning: 'a crash of the server forgets the last acknowledged claims: their retries run again',
  },
  {
    name: 'full_page_writes',
    values: ['off'],
    level: 'unsafe',
    setting: 'full_page_writes=off',
    meaning: 'a crash of the machine can leave torn pages behind, with records in them that cannot be read',
  },
]

async function factsOf(pool: Pool): Promise<Facts> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    "SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes')",
  )
  const settings = new Map(rows.map(({ name, setting }) => [name, setting]))
  const remarks = verdicts.filter(({ name, values }) => values.includes(settings.get(name) ?? ''))
  return {
    server: `PostgreSQL ${settings.get('server_version') ?? 'of an unknown version'}`,
    remarks: remarks.map(({ level, setting, meaning }) => ({ level, setting, meaning })),
  }
}
