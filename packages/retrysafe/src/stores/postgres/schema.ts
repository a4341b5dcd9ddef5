import { badOption, RetrysafeError } from '../../contract/index.js'
import type { Send } from './client.js'
import { stateOf } from './errors.js'

/** Of the tables. Those of a later one are refused. */
export const schemaVersion = 1
/** Of what stands in a record. Those of earlier ones are read for ever. */
export const recordFormat = 1

/** Bytes of a name: PostgreSQL cuts longer ones, and two could become one. */
const maxNameBytes = 63
const suffixes = { meta: '_meta', expiry: '_expiry', wake: '_wake' } as const

export interface PostgresNames {
  /** Quoted, with the schema where one was given. */
  readonly records: string
  readonly meta: string
  readonly schema: string | undefined
  readonly expiryIndex: string
  /** Not quoted. */
  readonly channel: string
  /** The table, in words for messages. */
  readonly where: string
}

export function namesOf(options: { schema?: string | undefined; table?: string | undefined }): PostgresNames {
  const { schema, table = 'retrysafe_records' } = options
  const longest = Math.max(...Object.values(suffixes).map(({ length }) => length))
  checkName('table', table, maxNameBytes - longest)
  if (schema !== undefined) checkName('schema', schema, maxNameBytes)
  const prefix = schema === undefined ? '' : `"${schema}".`
  return {
    records: `${prefix}"${table}"`,
    meta: `${prefix}"${table}${suffixes.meta}"`,
    schema: schema === undefined ? undefined : `"${schema}"`,
    expiryIndex: `"${table}${suffixes.expiry}"`,
    channel: `${table}${suffixes.wake}`,
    where: `PostgreSQL table ${prefix}"${table}"`,
  }
}

function checkName(option: string, name: unknown, maxBytes: number): void {
  if (typeof name === 'string' && /^[\p{L}_][\p{L}\p{N}_-]*$/u.test(name) && utf8.encode(name).length <= maxBytes)
    return
  throw badOption(option, name, `1 to ${maxBytes} bytes of letters, digits, _ and -, the first a letter or _`)
}

const utf8 = new TextEncoder()

export interface PostgresSchemaOptions {
  /** Default: what the connection's `search_path` says. */
  schema?: string | undefined
  /** Default `'retrysafe_records'`. */
  table?: string | undefined
}

/**
 * The SQL that makes the store's tables, for those who run migrations of their own: what `migrate()` does. It may be
 * repeated. Run it before the first call of the store.
 *
 * @throws `invalid_option` for a name that is no name.
 * @example
 * ```ts
 * import { postgresSchema } from 'retrysafe/postgres'
 *
 * console.log(postgresSchema({ schema: 'retrysafe' }))
 * ```
 */
export function postgresSchema(options: PostgresSchemaOptions = {}): string {
  const names = namesOf(options)
  return `${names.schema === undefined ? '' : `CREATE SCHEMA IF NOT EXISTS ${names.schema};\n`}${tablesOf(names)}`
}

/**
 * The key compares byte by byte. What is updated in place stays on its page (fillfactor), and the vacuum comes early and
 * does not dawdle: every record is written twice and deleted.
 */
function tablesOf({ records, meta, expiryIndex }: PostgresNames): string {
  return `CREATE TABLE IF NOT EXISTS ${records} (
  key text COLLATE "C" NOT NULL PRIMARY KEY,
  version int8 NOT NULL,
  attempt int8 NOT NULL,
  lease_ms int8 NOT NULL,
  retention_ms int8 NOT NULL,
  lease_until int8,
  expires_at int8,
  created_at int8 NOT NULL,
  updated_at int8 NOT NULL,
  completed_at int8,
  checkpoint_number int8 NOT NULL,
  format int2 NOT NULL,
  status int2 NOT NULL,
  after_crash int2 NOT NULL,
  withheld boolean NOT NULL,
  checkpoint_is_json boolean,
  response_is_json boolean,
  token text,
  fingerprint text,
  kind text,
  checkpoint bytea,
  response bytea
) WITH (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0.02,
  toast.autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX IF NOT EXISTS ${expiryIndex} ON ${records} (expires_at);
CREATE TABLE IF NOT EXISTS ${meta} (name text NOT NULL PRIMARY KEY, value int8 NOT NULL);
INSERT INTO ${meta} (name, value) VALUES ('schema', ${schemaVersion}) ON CONFLICT (name) DO NOTHING;
`
}

/**
 * One statement, so that it is one transaction on any client; those who come at once wait for each other. To make a
 * schema that is there takes a right that the owner of the schema may lack, so it is looked for first.
 */
export function migrationOf(names: PostgresNames): string {
  const { schema } = names
  const indented = tablesOf(names).trimEnd().replaceAll('\n', '\n  ')
  const ensured =
    schema === undefined
      ? ''
      : `IF to_regnamespace('${schema}') IS NULL THEN
    CREATE SCHEMA IF NOT EXISTS ${schema};
  END IF;
  `
  return `DO $retrysafe$
BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the encoding of the database is %, but keys need UTF8', current_setting('server_encoding')
      USING ERRCODE = 'feature_not_supported';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('retrysafe'), hashtext('${names.records.replaceAll("'", "''")}'));
  ${ensured}${indented}
END
$retrysafe$`
}

/** The version of the tables; undefined where there are none. */
export async function readVersion(send: Send, names: PostgresNames): Promise<number | undefined> {
  try {
    const [row] = await send(`SELECT value FROM ${names.meta} WHERE name = 'schema'`, [])
    return row === undefined ? undefined : Number((row as { value: unknown }).value)
  } catch (error) {
    if (stateOf(error) === '42P01') return undefined
    throw error
  }
}

/** Refuses tables that are not there, and those of a later version. */
export function checkVersion(version: number | undefined, names: PostgresNames): void {
  if (version === schemaVersion) return
  if (version === undefined)
    throw new RetrysafeError(
      'store_unavailable',
      `${names.where} is not there: call migrate() once before the first use, or run the SQL of postgresSchema().`,
    )
  throw new RetrysafeError(
    'unsupported',
    `${names.where} was made by a later Retrysafe (schema ${version}, this one knows ${schemaVersion}): use that one. ` +
      'The table is left as it is.',
  )
}
