/* The SQL, in words that MySQL 8 and MariaDB share. Every statement commits by itself. */
import { columnNames } from './records.js'
import { recordFormat } from './schema.js'

/** The longest wait of a statement that is told from a jump of the local time, in microseconds. */
const longestWait = '900000000'
const waited = 'TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6))'
const started = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"

/**
 * The server's clock in epoch milliseconds, read where it stands and not when the statement began to wait for a lock.
 * SYSDATE does that, but only in local time, which is ambiguous for an hour a year; UTC_TIMESTAMP is not, but tells when
 * the statement began. So it is that beginning, and the time since, unless local time jumped in between. A session whose
 * clock was set by its variable `timestamp` is off by more than any jump, and is told the server's clock all the same.
 */
export const now: string =
  `CAST(CASE WHEN ${waited} BETWEEN 0 AND ${longestWait} THEN ${started} + ${waited} ` +
  `WHEN ABS(${waited}) < 12 * ${longestWait} THEN ${started} ` +
  'ELSE UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 END AS SIGNED) DIV 1000'

/** The clock as a table of one row, for statements that write one instant in several columns. */
const clock = `(SELECT ${now} AS now LIMIT 1) AS clock`
/** The same, told to the caller as the id of the insert, since MySQL has no RETURNING. */
const toldClock = `(SELECT LAST_INSERT_ID(${now}) AS now LIMIT 1) AS clock`

/**
 * Whether what is done here stands once it is answered: not within a transaction that somebody may yet roll back. Only
 * MariaDB reads what stands in the comment. Without MariaDB's mode of simultaneous assignment, SET works from left to
 * right, as the statements below need it.
 */
const alone =
  "@@autocommit = 1 AND FIND_IN_SET('SIMULTANEOUS_ASSIGNMENT', @@sql_mode) = 0 /*M! AND @@in_transaction = 0 */"

/**
 * MariaDB waits no longer for a lock than that many seconds, MySQL as long as its innodb_lock_wait_timeout says. Nor does
 * MariaDB mind safe updates, which do not see that a join goes by the primary key.
 */
function waiting(seconds: number): string {
  return `/*M! SET STATEMENT innodb_lock_wait_timeout = ${seconds}, sql_safe_updates = 0 FOR */ `
}

const claimed =
  '`key`, format, version, status, attempt, token, fingerprint, lease_ms, retention_ms, lease_until, expires_at, ' +
  'after_crash, created_at, updated_at, checkpoint_number, withheld'

/**
 * The numbers of a row in one column, since clients take their time for each column of a result. `toFacts` reads them.
 * The clock comes after what was read, so that nothing read is later than it.
 */
const numbers = [
  'format',
  'version',
  'status',
  'attempt',
  'lease_ms',
  'retention_ms',
  'lease_until',
  'expires_at',
  'after_crash',
  'created_at',
  'updated_at',
  'completed_at',
  'checkpoint_number',
  'withheld',
  'response_type',
  'checkpoint_type',
]
const facts = `CONCAT_WS(',', ${numbers.map((name) => `COALESCE(r.${name}, '')`).join(', ')}, ${now}, ${alone}) AS facts`
const lean = `${facts}, r.token, r.fingerprint, r.kind`
const whole = `${lean}, r.response, r.\`checkpoint\``
/** A statement for many leaves out values of more bytes than this: those of all would be too much for one answer. */
const maxSharedBytes = 64 * 1024
const isLarge = `COALESCE(LENGTH(r.response), 0) + COALESCE(LENGTH(r.\`checkpoint\`), 0) > ${maxSharedBytes}`
const wholeIfSmall = `${lean}, ${isLarge} AS is_large, IF(${isLarge}, NULL, r.response) AS response,
      IF(${isLarge}, NULL, r.\`checkpoint\`) AS \`checkpoint\``

/** A claim that is in progress and not over, to be changed without being read first. */
const held = `r.status = 0 AND r.format = ${recordFormat} AND (r.expires_at IS NULL OR r.expires_at > ${now}) AND ${alone}`

export interface Statements {
  /** Of a key, or of none: one row in either case. */
  readonly read: string
  readonly readMany: string
  readonly claim: string
  /** The same, which does not wait for a lock. */
  readonly claimSoon: string
  readonly claimMany: string
  readonly insert: string
  readonly update: string
  readonly remove: string
  readonly complete: string
  /** The same, which does not wait for a lock. */
  readonly completeSoon: string
  readonly completeFirst: string
  readonly completeMany: string
  readonly renew: string
  readonly save: string
  readonly saveNext: string
  readonly release: string
  readonly packet: string
  readonly probe: string
  over(limit: number): string
  purge(waitSeconds: number): string
  list(conditions: readonly string[], limit: number): string
}

export function statementsOf(table: string): Statements {
  return {
    read: `SELECT ${whole}, r.\`key\` FROM (SELECT 1 AS one) AS one LEFT JOIN ${table} AS r ON r.\`key\` = ?`,
    readMany: `SELECT ${wholeIfSmall}, r.\`key\`, q.place FROM ${rowsOf([['k', 4096]], '$')}
      STRAIGHT_JOIN ${table} AS r ON r.\`key\` = UNHEX(q.k)`,
    insert: `${waiting(1)}INSERT INTO ${table} (${columnNames.join(', ')}, \`key\`)
      SELECT ${columnNames.map(() => '?').join(', ')}, ? FROM (SELECT 1 AS one) AS one WHERE ${alone}`,
    update: `${waiting(1)}UPDATE ${table} SET ${columnNames.map((name) => `${name} = ?`).join(', ')}
      WHERE \`key\` = ? AND version = ? AND ${alone}`,
    remove: `${waiting(1)}DELETE FROM ${table} WHERE \`key\` = ? AND version = ? AND ${alone}`,
    packet: 'SELECT @@max_allowed_packet AS most',
    probe: `SELECT \`key\` AS short, response AS \`long\`, version AS number FROM ${table} WHERE 1 = 0
      UNION ALL SELECT X'00FF', X'00FF', 7`,
    over: (limit) => `SELECT HEX(r.\`key\`) AS k FROM ${table} AS r FORCE INDEX (retrysafe_expiry) JOIN ${clock}
      WHERE r.expires_at <= clock.now ORDER BY r.expires_at LIMIT ${limit}`,
    purge: (
      waitSeconds,
    ) => `${waiting(waitSeconds)}DELETE r FROM ${rowsOf([['k', 4096]], '$')} STRAIGHT_JOIN ${table} AS r
      ON r.\`key\` = UNHEX(q.k) WHERE r.expires_at <= ${now} AND ${alone}`,
    list: (conditions, limit) => `SELECT ${lean}, r.\`key\` FROM ${table} AS r FORCE INDEX (PRIMARY) JOIN ${clock}
      WHERE ${['(r.expires_at IS NULL OR r.expires_at > clock.now)', ...conditions].join(' AND ')}
      ORDER BY r.\`key\` LIMIT ${limit}`,
    ...claimsOf(table),
    ...completionsOf(table),
    ...renewalsOf(table),
  }
}

/**
 * A claim is one insert. Its columns take what stands before them, and a session that is not alone is refused by the
 * format, which cannot be NULL: to select what is inserted takes the server half as long again.
 */
function claimsOf(table: string): Pick<Statements, 'claim' | 'claimSoon' | 'claimMany'> {
  const rows = rowsOf([
    ['k', 4096],
    'version',
    ['token', 2040],
    ['fingerprint', 2040],
    'lease_ms',
    'retention_ms',
    'after_crash',
  ])
  const claim = `INSERT INTO ${table} (\`key\`, format, version, status, attempt, token, fingerprint, lease_ms,
      retention_ms, after_crash, created_at, updated_at, lease_until, expires_at, checkpoint_number, withheld)
      VALUES (?, IF(${alone}, ${recordFormat}, NULL), ?, 0, 1, ?, ?, ?, ?, ?, LAST_INSERT_ID(${now}), created_at,
      created_at + ?, created_at + ?, 0, 0)`
  return {
    claim: `${waiting(1)}${claim}`,
    claimSoon: `${waiting(0)}${claim}`,
    claimMany: `${waiting(0)}INSERT INTO ${table} (${claimed}) SELECT UNHEX(q.k), ${recordFormat}, q.version, 0, 1,
      UNHEX(q.token), UNHEX(q.fingerprint), q.lease_ms, q.retention_ms, clock.now + q.lease_ms,
      IF(q.after_crash = 1, NULL, clock.now + q.lease_ms + q.retention_ms), q.after_crash, clock.now, clock.now, 0, 0
      FROM ${toldClock} JOIN ${rows} WHERE ${alone}`,
  }
}

type Completions = 'complete' | 'completeSoon' | 'completeFirst' | 'completeMany'

/** One statement writes one instant in several columns, as the assignments of one table go from left to right. */
function completionsOf(table: string): Pick<Statements, Completions> {
  const completion = `UPDATE ${table} AS r SET r.completed_at = ${now}, r.updated_at = r.completed_at,
    r.status = 1, r.retention_ms = COALESCE(?, r.retention_ms), r.expires_at = r.completed_at + r.retention_ms,
    r.lease_until = NULL, r.kind = ?, r.response_type = ?, r.response = ?, r.checkpoint_type = NULL,
    r.\`checkpoint\` = NULL, r.version = r.version + 1 WHERE r.\`key\` = ? AND ${held}`
  const rows = rowsOf([
    ['k', 4096],
    ['token', 2040],
    'retention_ms',
    ['kind', 2040],
    'response_type',
    ['response', 2 * maxBatchedValueBytes],
  ])
  return {
    complete: `${waiting(1)}${completion} AND r.token = ?`,
    completeSoon: `${waiting(0)}${completion} AND r.token = ?`,
    completeFirst: `${waiting(1)}${completion} AND r.attempt = 1 AND r.token IS NOT NULL`,
    completeMany: `${waiting(0)}UPDATE ${clock} JOIN ${rows} STRAIGHT_JOIN ${table} AS r ON r.\`key\` = UNHEX(q.k)
      SET r.completed_at = clock.now, r.updated_at = clock.now, r.status = 1,
      r.expires_at = clock.now + COALESCE(q.retention_ms, r.retention_ms),
      r.retention_ms = COALESCE(q.retention_ms, r.retention_ms), r.lease_until = NULL, r.kind = UNHEX(q.kind),
      r.response_type = q.response_type, r.response = UNHEX(q.response), r.checkpoint_type = NULL,
      r.\`checkpoint\` = NULL, r.version = r.version + 1 WHERE r.token = UNHEX(q.token) AND ${held}`,
  }
}

function renewalsOf(table: string): Pick<Statements, 'renew' | 'save' | 'saveNext' | 'release'> {
  const heldBy = `r.\`key\` = ? AND r.token = ? AND ${held}`
  const renewal = `${waiting(1)}UPDATE ${table} AS r SET r.updated_at = ${now},
    r.lease_until = r.updated_at + COALESCE(?, r.lease_ms),
    r.expires_at = IF(r.after_crash = 1, NULL, r.lease_until + r.retention_ms), r.version = r.version + 1`
  const saving = `${renewal}, r.checkpoint_type = ?, r.\`checkpoint\` = ?`
  return {
    renew: `${renewal} WHERE ${heldBy}`,
    save: `${saving}, r.checkpoint_number = ? WHERE ${heldBy} AND r.withheld = 0 AND r.checkpoint_number < ?`,
    saveNext: `${saving}, r.checkpoint_number = r.checkpoint_number + 1 WHERE ${heldBy} AND r.withheld = 0`,
    release: `${waiting(1)}DELETE r FROM ${table} AS r
      WHERE ${heldBy} AND r.checkpoint_type IS NULL AND r.after_crash = 0`,
  }
}

/** Values of up to this many bytes go together with others. */
export const maxBatchedValueBytes: number = 8 * 1024

/**
 * Any number of rows from a JSON array, with one statement: text in hexadecimal with the most characters it may have,
 * and whole numbers. What does not fit is an error, never a NULL. `place` counts from 1.
 */
function rowsOf(fields: readonly (string | readonly [text: string, length: number])[], path?: string): string {
  const all = fields.map((field, index) => {
    const [name, type] =
      typeof field === 'string' ? [field, 'BIGINT'] : [field[0], `VARCHAR(${field[1]}) CHARACTER SET ascii`]
    return `${name} ${type} PATH '${path ?? `$[${index}]`}' ERROR ON EMPTY ERROR ON ERROR`
  })
  return `JSON_TABLE(?, '$[*]' COLUMNS (place FOR ORDINALITY, ${all.join(', ')})) AS q`
}
