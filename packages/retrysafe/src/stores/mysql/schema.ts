import { badOption, RetrysafeError } from '../../contract/index.js'
import { type Asking, fromBytes } from './client.js'
import { missingTable } from './errors.js'

/** Of the table; it stands in the table's comment. A table of a later one is refused. */
const schemaVersion = 1
/** Of what stands in a record. Those of earlier ones are read for ever. */
export const recordFormat = 1

export const defaultTable = 'retrysafe_records'

const part = /^[\w$-]{1,64}$/
const comment = /^retrysafe schema (\d+)/

/**
 * All text is kept as bytes, so that no collation makes two keys one, no character set of a session alters anything and
 * no sql_mode cuts anything off: 255 characters have at most 1,020 bytes of UTF-8. LONGBLOB, since a shorter one would
 * be cut off silently where the session is not strict.
 */
function creation(table: string): string {
  return `CREATE TABLE IF NOT EXISTS ${table} (
  \`key\` VARBINARY(2048) NOT NULL,
  format SMALLINT NOT NULL,
  version BIGINT NOT NULL,
  status TINYINT NOT NULL,
  attempt BIGINT NOT NULL,
  token VARBINARY(1020) NULL,
  fingerprint VARBINARY(1020) NULL,
  lease_ms BIGINT NOT NULL,
  retention_ms BIGINT NOT NULL,
  lease_until BIGINT NULL,
  expires_at BIGINT NULL,
  after_crash TINYINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  completed_at BIGINT NULL,
  checkpoint_number BIGINT NOT NULL,
  withheld TINYINT NOT NULL,
  kind VARBINARY(1020) NULL,
  response_type TINYINT NULL,
  response LONGBLOB NULL,
  checkpoint_type TINYINT NULL,
  \`checkpoint\` LONGBLOB NULL,
  PRIMARY KEY (\`key\`),
  KEY retrysafe_expiry (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET=utf8mb4 COMMENT='retrysafe schema ${schemaVersion}'`
}

/** The table's name, checked and in quotes. */
export function quoteTable(table: unknown): string {
  const parts = typeof table === 'string' ? table.split('.') : []
  if (parts.length < 1 || parts.length > 2 || !parts.every((one) => part.test(one)))
    throw badOption('table', table, "a table's name, or 'database.table': letters, digits, _, $ and -, up to 64 each")
  return parts.map((one) => `\`${one}\``).join('.')
}

/**
 * The SQL of the table that `mysqlStore` keeps keys in, for migrations of your own: one statement, which does nothing
 * where the table is there already. `migrate()` runs the same.
 *
 * @throws `invalid_option` where the table's name has other characters than letters, digits, `_`, `$` and `-`.
 * @example
 * ```ts
 * import { mysqlSchema } from 'retrysafe/mysql'
 *
 * console.log(mysqlSchema({ table: 'payments_keys' }))
 * ```
 */
export function mysqlSchema(options: { table?: string | undefined } = {}): string {
  return `${creation(quoteTable(options.table ?? defaultTable))};\n`
}

/** Makes the table where there is none. Any number may do so at once: the statement is atomic in itself. */
export async function migrateTable(asking: Asking, table: string): Promise<void> {
  // Who may not make tables may call it all the same where the table is there.
  if (await isSound(asking, table)) return
  await asking.change(creation(table))
  await checkTable(asking, table)
}

/** Refuses a table that is not there, or not as this version needs it. */
export async function checkTable(asking: Asking, table: string): Promise<void> {
  if (!(await isSound(asking, table))) throw missingTable(table)
}

/** False where there is no such table. Told in a way that no sql_mode changes. */
async function isSound(asking: Asking, table: string): Promise<boolean> {
  const [name = '', database] = table.replaceAll('`', '').split('.').reverse()
  const [row] = await asking.rows(
    `SELECT ENGINE AS engine, TABLE_COMMENT AS comment FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ${database === undefined ? 'DATABASE()' : `'${database}'`} AND TABLE_NAME = '${name}'`,
  )
  if (row === undefined) return false
  const version = comment.exec(fromBytes(row.comment ?? ''))?.[1]
  const kept = fromBytes(row.engine ?? 'no engine')
  if (version === undefined)
    throw unsupported(
      `The table ${table} is there, but its comment names no schema of Retrysafe. Give another name as table, or write ` +
        'the comment again that mysqlSchema() gives.',
    )
  if (Number(version) !== schemaVersion)
    throw unsupported(
      `The table ${table} was made by a later Retrysafe (schema ${version}, this one knows ${schemaVersion}): use that one.`,
    )
  if (kept !== 'InnoDB')
    throw unsupported(`The table ${table} is kept by ${kept}: it must be InnoDB, which keeps what it acknowledged.`)
  return true
}

function unsupported(message: string): RetrysafeError {
  return new RetrysafeError('unsupported', `${message} It is left as it is.`)
}
