/* What one would send to PostgreSQL by hand, and how the engine is set up. */
import type pg from 'pg'
import { type Subject, subject } from './measure.js'
import {
  chargeOf,
  checkCharge,
  claiming,
  freshKey,
  leaseMs,
  makeReplayKeys,
  replaying,
  replayKey,
  retentionMs,
} from './store-subjects.js'

export const poolSize = 16
export const rawPostgres: string = `raw prepared statements, pool of ${poolSize}`

/** As durable as it is by default. No checkpoint falls into a run: who is hit by one would be chance. */
export const postgresSettings: Readonly<Record<string, string>> = {
  shared_buffers: '256MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
}

/** Bytes of the log so far. */
export async function walWritten(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes",
  )
  return Number(rows[0]?.bytes)
}

const createRaw = `CREATE TABLE raw (key text COLLATE "C" PRIMARY KEY, status int2 NOT NULL, token text,
  lease_until int8, expires_at int8, response bytea);
CREATE INDEX ON raw (expires_at)`
const insert = {
  name: 'insert',
  text: 'INSERT INTO raw VALUES ($1, 0, $2, $3, $4, NULL) ON CONFLICT DO NOTHING',
}
const update = { name: 'update', text: 'UPDATE raw SET status=1, response=$1, expires_at=$2 WHERE key=$3 AND status=0' }
const select = { name: 'select', text: 'SELECT * FROM raw WHERE key=$1' }

/** The bare statements, prepared by name. */
export async function rawSubjects(pool: pg.Pool): Promise<Subject[]> {
  const claim = async (key: string): Promise<void> => {
    const now = Date.now()
    const values = [key, crypto.randomUUID(), now + leaseMs, now + leaseMs + retentionMs]
    if ((await pool.query({ ...insert, values })).rowCount !== 1) throw new Error(`${key} is taken`)
  }
  const complete = async (key: string): Promise<void> => {
    const values = [Buffer.from(JSON.stringify(chargeOf(key))), Date.now() + retentionMs, key]
    if ((await pool.query({ ...update, values })).rowCount !== 1) throw new Error(`${key} is lost`)
  }
  await pool.query(createRaw)
  await makeReplayKeys((key) => claim(key).then(() => complete(key)))
  return [
    subject(claiming, rawPostgres, [rawPostgres], async () => {
      const key = freshKey()
      await claim(key)
      await complete(key)
    }),
    subject(replaying, rawPostgres, [rawPostgres], async (index) => {
      const key = replayKey(index)
      const { rows } = await pool.query<{ response: Buffer }>({ ...select, values: [key] })
      checkCharge(rawPostgres, key, JSON.parse(String(rows[0]?.response)))
    }),
  ]
}
