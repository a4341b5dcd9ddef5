/*
 * What the store asks, as SQL. Each parameter is cast where it stands, so that a client may send it as it likes. Columns
 * are answered without underscores, since some clients rename those. Nothing but names that were checked is put in.
 */
import { type PostgresNames, recordFormat } from './schema.js'

/** Milliseconds of the epoch by the server, when it is evaluated: a statement may have waited since it began. */
const clock = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::int8'

/**
 * How long a statement waits for another transaction. It holds a connection meanwhile, which that transaction's own
 * work may need; so it gives up and is tried again.
 */
const lockTimeoutMs = 250
/** Of a statement for many: one held key keeps all others. */
const batchLockTimeoutMs = 25

const patience = (ms: string): string => `set_config('lock_timeout', ${ms}, true)`
const isPatient = `(SELECT ${patience(`'${lockTimeoutMs}ms'`)}) IS NOT NULL`

/** A version that no earlier record of the key had: one that is removed and made anew must not look unchanged. */
const newVersion = '(random() * 281474976710656)::int8'

/** What a record says without its values, as one text: clients differ in how they read integers and name columns. */
const lean = `json_build_array(${[
  'key',
  'version',
  'format',
  'status',
  'attempt',
  'token',
  'fingerprint',
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
  'kind',
]
  .map((column) => `r.${column}`)
  .join(', ')})::text AS record`
/** JSON comes as text, which is half as long as bytes are in most clients' protocol. */
const wholeIf = (condition: string): string => `${lean},
  CASE WHEN r.checkpoint_is_json AND ${condition} THEN convert_from(r.checkpoint, 'UTF8') END AS checkpointtext,
  CASE WHEN NOT r.checkpoint_is_json AND ${condition} THEN r.checkpoint END AS checkpointbytes,
  CASE WHEN r.response_is_json AND ${condition} THEN convert_from(r.response, 'UTF8') END AS responsetext,
  CASE WHEN NOT r.response_is_json AND ${condition} THEN r.response END AS responsebytes`
const whole = wholeIf('true')
/** A statement for many leaves out values of more bytes than this: those of all would not fit into one answer. */
const maxSharedBytes = 64 * 1024
const isSmall = `coalesce(octet_length(r.checkpoint), 0) + coalesce(octet_length(r.response), 0) <= ${maxSharedBytes}`

/** Written so that no index fits it: a record is found by its key. */
const isAlive = 'coalesce(r.expires_at > c.now, true)'
/** A claim that holds its key, to be changed without being read first. */
const isHeld = `r.status = 0 AND r.format = ${recordFormat} AND ${isAlive}`

/** A value comes as text or as bytes; the other is NULL. */
const value = (text: string, bytes: string): string => `coalesce(convert_to(${text}::text, 'UTF8'), ${bytes}::bytea)`
const isJson = (text: string, bytes: string): string =>
  `CASE WHEN ${text}::text IS NOT NULL THEN true WHEN ${bytes}::bytea IS NOT NULL THEN false END`

export interface Statements {
  readonly begin: string
  readonly beginMany: string
  readonly complete: string
  readonly completeMany: string
  readonly renew: string
  readonly release: string
  readonly read: string
  readonly insert: string
  readonly update: string
  readonly remove: string
  readonly discard: string
  readonly purge: string
  list(filter: ListShape): string
}

/** Which parameters of a list are given; each has its place all the same. */
export interface ListShape {
  readonly prefix: boolean
  readonly after: boolean
  readonly status: 'in_progress' | 'completed' | 'uncertain' | undefined
}

export function statementsOf({ records, channel }: PostgresNames): Statements {
  /** Tells who listens, with the same commit; NULL tells nobody. */
  const push = (what: string): string =>
    `CASE WHEN ${what}::text IS NOT NULL THEN pg_notify('${channel}', ${what}::text)::text END AS pushed`
  return {
    begin: beginOf(records),
    beginMany: beginManyOf(records),
    complete: `UPDATE ${records} AS r SET version = r.version + 1, status = 1,
  retention_ms = coalesce($3::int8, r.retention_ms), lease_until = NULL,
  expires_at = c.now + coalesce($3::int8, r.retention_ms), updated_at = c.now, completed_at = c.now, kind = $4::text,
  response = ${value('$5', '$6')}, response_is_json = ${isJson('$5', '$6')}, checkpoint = NULL, checkpoint_is_json = NULL
FROM (SELECT ${clock} AS now) AS c
WHERE r.key = $1::text AND r.token = $2::text AND ${isHeld} AND (SELECT ${patience('$8::text')}) IS NOT NULL
RETURNING ${push('$7')}`,
    completeMany: completeManyOf(records, push('q.push')),
    renew: renewOf(records, push('$7')),
    release: `DELETE FROM ${records} AS r USING (SELECT ${clock} AS now) AS c
WHERE r.key = $1::text AND r.token = $2::text AND ${isHeld} AND r.checkpoint IS NULL AND r.after_crash = 0
  AND ${isPatient} RETURNING ${push('$3')}`,
    read: `SELECT ${clock} AS now, old.* FROM (SELECT 1) AS one
LEFT JOIN (SELECT ${whole} FROM ${records} AS r WHERE r.key = $1::text) AS old ON true`,
    insert: insertOf(records, push('$21')),
    update: updateOf(records, push('$21')),
    remove: `DELETE FROM ${records} AS r WHERE r.key = $1::text AND r.version = $2::int8 AND ${isPatient}
RETURNING ${push('$3')}`,
    discard: `DELETE FROM ${records} AS r USING (SELECT ${clock} AS now) AS c WHERE r.key = $1::text AND ${isPatient}
RETURNING ${isAlive} AS alive, ${push('$2')}`,
    // The subquery is evaluated once, so that the index can be used; what another purge has locked it leaves to it.
    purge: `WITH d AS MATERIALIZED (SELECT r.ctid AS place FROM ${records} AS r WHERE r.expires_at <= (SELECT ${clock})
  ORDER BY r.expires_at LIMIT $1::int8 FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM ${records} WHERE ctid = ANY (ARRAY(SELECT place FROM d)) RETURNING 1)
SELECT count(*) AS purged FROM gone`,
    list: (shape) => listOf(records, shape),
  }
}

/**
 * One round trip for a fresh key and for a replay; a duplicate writes nothing. The answer is what the key holds by then:
 * the claim just made, or what was there. It is nothing where another claim came in between.
 */
function beginOf(records: string): string {
  return `WITH c AS MATERIALIZED (SELECT ${patience('$7::text')} AS patience, ${clock} AS now),
old AS MATERIALIZED (SELECT ${whole} FROM ${records} AS r WHERE r.key = $1::text),
ins AS (INSERT INTO ${records} (key, version, format, status, attempt, token, fingerprint, lease_ms, retention_ms,
    lease_until, expires_at, after_crash, created_at, updated_at, checkpoint_number, withheld)
  SELECT $1::text, ${newVersion}, ${recordFormat}, 0, 1, $2::text, $3::text, $4::int8, $5::int8, c.now + $4::int8,
    CASE $6::int2 WHEN 1 THEN NULL ELSE c.now + $4::int8 + $5::int8 END, $6::int2, c.now, c.now, 0, false
  FROM c WHERE c.patience IS NOT NULL AND NOT EXISTS (SELECT FROM old) ON CONFLICT (key) DO NOTHING
  RETURNING created_at)
SELECT ${clock} AS now, ins.created_at AS claimedat, old.*
FROM (SELECT 1) AS one LEFT JOIN ins ON true LEFT JOIN old ON true`
}

/** The same for many keys, in the order of their bytes, so that two such statements do not wait for each other. */
function beginManyOf(records: string): string {
  return `WITH c AS MATERIALIZED (SELECT ${patience(`'${batchLockTimeoutMs}ms'`)} AS patience, ${clock} AS now),
q AS MATERIALIZED (SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::text[], $4::text::int8[],
  $5::text::int8[], $6::text::int2[]) WITH ORDINALITY AS q (key, token, fingerprint, lease_ms, retention_ms,
  after_crash, place)),
old AS MATERIALIZED (SELECT q.place AS seenplace, r.* FROM q CROSS JOIN LATERAL
  (SELECT ${wholeIf(isSmall)}, NOT (${isSmall}) AS large FROM ${records} AS r WHERE r.key = q.key LIMIT 1) AS r),
ins AS (INSERT INTO ${records} (key, version, format, status, attempt, token, fingerprint, lease_ms, retention_ms,
    lease_until, expires_at, after_crash, created_at, updated_at, checkpoint_number, withheld)
  SELECT q.key, ${newVersion}, ${recordFormat}, 0, 1, q.token, q.fingerprint, q.lease_ms, q.retention_ms,
    c.now + q.lease_ms, CASE q.after_crash WHEN 1 THEN NULL ELSE c.now + q.lease_ms + q.retention_ms END,
    q.after_crash, c.now, c.now, 0, false
  FROM q CROSS JOIN c WHERE c.patience IS NOT NULL AND NOT EXISTS (SELECT FROM old WHERE old.seenplace = q.place)
  ORDER BY q.place ON CONFLICT (key) DO NOTHING RETURNING key, created_at)
SELECT q.place AS place, ${clock} AS now, ins.created_at AS claimedat, old.*
FROM q LEFT JOIN ins ON ins.key = q.key LEFT JOIN old ON old.seenplace = q.place`
}

/** What is not answered was not held, and is asked alone. */
function completeManyOf(records: string, push: string): string {
  return `WITH c AS MATERIALIZED (SELECT ${patience(`'${batchLockTimeoutMs}ms'`)} AS patience, ${clock} AS now),
q AS MATERIALIZED (SELECT * FROM unnest($1::text::text[], $2::text::text[], $3::text::int8[], $4::text::text[],
  $5::text::text[], $6::text::text[], $7::text::text[]) WITH ORDINALITY AS q (key, token, retention_ms, kind, json,
  bytes, push, place)),
old AS MATERIALIZED (SELECT q.*, r.found FROM q CROSS JOIN LATERAL
  (SELECT r.ctid AS found FROM ${records} AS r WHERE r.key = q.key AND r.token = q.token LIMIT 1) AS r)
UPDATE ${records} AS r SET version = r.version + 1, status = 1,
  retention_ms = coalesce(q.retention_ms, r.retention_ms), lease_until = NULL,
  expires_at = c.now + coalesce(q.retention_ms, r.retention_ms), updated_at = c.now, completed_at = c.now,
  kind = q.kind, response = ${value('q.json', 'q.bytes')}, response_is_json = ${isJson('q.json', 'q.bytes')},
  checkpoint = NULL, checkpoint_is_json = NULL
FROM old AS q CROSS JOIN c
WHERE r.ctid = q.found AND r.key = q.key AND r.token = q.token AND c.patience IS NOT NULL AND ${isHeld}
RETURNING q.place AS place, ${push}`
}

/** A save that is not newer, or that was withheld, renews the lease alone. */
function renewOf(records: string, push: string): string {
  const lease = 'coalesce($3::int8, r.lease_ms)'
  const saves = `(${isJson('$4', '$5')} IS NOT NULL AND NOT r.withheld
    AND ($6::int8 IS NULL OR $6::int8 > r.checkpoint_number))`
  return `UPDATE ${records} AS r SET version = r.version + 1, updated_at = c.now,
  lease_until = CASE WHEN ${lease} > 0 THEN c.now + ${lease} END,
  expires_at = CASE WHEN r.after_crash = 0 THEN c.now + ${lease} + r.retention_ms END,
  checkpoint = CASE WHEN ${saves} THEN ${value('$4', '$5')} ELSE r.checkpoint END,
  checkpoint_is_json = CASE WHEN ${saves} THEN ${isJson('$4', '$5')} ELSE r.checkpoint_is_json END,
  checkpoint_number = CASE WHEN ${saves} THEN coalesce($6::int8, r.checkpoint_number + 1) ELSE r.checkpoint_number END
FROM (SELECT ${clock} AS now) AS c
WHERE r.key = $1::text AND r.token = $2::text AND ${isHeld} AND ${isPatient} RETURNING ${push}`
}

/** Every column but the key and the version, and the parameter or expression for it. */
const columns: readonly (readonly [column: string, parameter: string])[] = [
  ['format', String(recordFormat)],
  ['status', '$2::int2'],
  ['attempt', '$3::int8'],
  ['token', '$4::text'],
  ['fingerprint', '$5::text'],
  ['lease_ms', '$6::int8'],
  ['retention_ms', '$7::int8'],
  ['lease_until', '$8::int8'],
  ['expires_at', '$9::int8'],
  ['after_crash', '$10::int2'],
  ['created_at', '$11::int8'],
  ['updated_at', '$12::int8'],
  ['completed_at', '$13::int8'],
  ['checkpoint_number', '$14::int8'],
  ['withheld', '($15::int2 = 1)'],
  ['kind', '$16::text'],
]
const values: readonly (readonly [column: string, parameter: string])[] = [
  ['checkpoint', value('$17', '$18')],
  ['checkpoint_is_json', isJson('$17', '$18')],
  ['response', value('$19', '$20')],
  ['response_is_json', isJson('$19', '$20')],
]

function insertOf(records: string, push: string): string {
  const all = [...columns, ...values]
  return `INSERT INTO ${records} AS r (key, version, ${all.map(([column]) => column).join(', ')})
SELECT $1::text, ${newVersion}, ${all.map(([, parameter]) => parameter).join(', ')} WHERE ${isPatient}
ON CONFLICT (key) DO NOTHING RETURNING ${push}`
}

/** What is kept need not be sent again: a checkpoint may be large. */
function updateOf(records: string, push: string): string {
  const keeps: Readonly<Record<string, string>> = { checkpoint: '$23', response: '$24' }
  const set = values.map(([column, parameter]) => {
    const keep = keeps[column.replace('_is_json', '')]
    return `${column} = CASE WHEN ${keep}::int2 = 1 THEN r.${column} ELSE ${parameter} END`
  })
  const all = [...columns.map(([column, parameter]) => `${column} = ${parameter}`), ...set]
  return `UPDATE ${records} AS r SET version = r.version + 1, ${all.join(', ')}
WHERE r.key = $1::text AND r.version = $22::int8 AND ${isPatient} RETURNING ${push}`
}

function listOf(records: string, { prefix, after, status }: ListShape): string {
  const conditions = [isAlive]
  let parameters = 1
  const next = (): string => `$${++parameters}::text`
  if (prefix) conditions.push(`r.key ^@ ${next()}`)
  if (after) conditions.push(`r.key > ${next()}`)
  if (status !== undefined) conditions.push(`r.status = ${status === 'completed' ? 1 : 0}`)
  if (status === 'uncertain')
    conditions.push('r.after_crash = 1 AND r.token IS NOT NULL AND (r.lease_until IS NULL OR r.lease_until <= c.now)')
  return `SELECT ${lean} FROM ${records} AS r CROSS JOIN (SELECT ${clock} AS now) AS c
WHERE ${conditions.join(' AND ')} ORDER BY r.key LIMIT $1::int8`
}
