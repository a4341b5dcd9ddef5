import { type CompleteAsk, encodedBytes, type Rec, type RenewAsk } from '../../contract/index.js'
import { type BatchedCall, createBatch } from '../shared/batch.js'
import type { Driver, ListFilter } from '../shared/driver.js'
import { swapCalls } from '../shared/swap.js'
import { beginOf, recentKeys, sharing } from './begin.js'
import { fromBytes, type MysqlValue, toBytes, toHex } from './client.js'
import { isLockTimeout, toStoreError } from './errors.js'
import { bindValue, toSighting, typeOf } from './records.js'
import { maxBatchedValueBytes } from './statements.js'
import { type Mysql, maxValueBytes, type PacketRoom, packetRoom, read, swapTable, write, writeSoon } from './table.js'

/** Records that one statement of a purge deletes, so that none holds its locks for long. */
const purgedPerStatement = 1000

/** What is done in one round trip; what that does not settle is decided by compare-and-swap. */
export function mysqlDriver(mysql: Mysql): Driver {
  const table = swapTable(mysql)
  const calls = swapCalls(table)
  const taken = recentKeys()
  const room = packetRoom(mysql)
  const completes = completionOf(mysql, room)
  return {
    ...calls,
    where: mysql.where,
    maxValueBytes,
    skewMs: 0,
    begin: beginOf(mysql, table, calls, taken),
    complete: async (key, ask) => {
      const bytes = encodedBytes(ask.response)
      await room(key, bytes)
      return (await completes({ key, ask, bytes })) ? undefined : calls.complete(key, ask)
    },
    renew: async (key, ask) => {
      if (ask.checkpoint !== undefined) await room(key, encodedBytes(ask.checkpoint))
      return (await renews(mysql, key, ask)) ? undefined : calls.renew(key, ask)
    },
    release: async (key, token) => {
      taken.forget(key)
      const { affectedRows } = await write(mysql, mysql.sql.release, [toBytes(key), toBytes(token)])
      return affectedRows > 0 ? undefined : calls.release(key, token)
    },
    purge: (limit) => purge(mysql, limit),
    list: (filter) => list(mysql, filter),
    toError: (error) => toStoreError(error, mysql.table),
  }
}

interface CompleteCall extends BatchedCall {
  readonly ask: CompleteAsk
}

/** Nearly always the claim still holds, and one statement does what the rule says. */
function completionOf(mysql: Mysql, room: PacketRoom): (call: CompleteCall) => Promise<boolean> {
  const { sql } = mysql
  const bind = ({ key, ask }: CompleteCall): MysqlValue[] => {
    const { retentionMs, kind, response } = ask
    return [retentionMs ?? null, toBytes(kind), ...bindValue(response), toBytes(key)]
  }
  const alone = async (call: CompleteCall): Promise<boolean> => {
    const { token } = call.ask
    const written =
      token === undefined
        ? await write(mysql, sql.completeFirst, bind(call))
        : await write(mysql, sql.complete, [...bind(call), toBytes(token)])
    return written.affectedRows > 0
  }
  if (!mysql.coalesce) return alone
  const together = createBatch({
    ...sharing(mysql),
    shares: false,
    one: async (call: CompleteCall) => {
      const values = [...bind(call), toBytes(call.ask.token ?? '')]
      return (await writeSoon(mysql, sql.completeSoon, values)).affectedRows > 0
    },
    many: (asked) => completeMany(mysql, room, asked),
  })
  return (call) => (call.ask.token === undefined || call.bytes > maxBatchedValueBytes ? alone(call) : together(call))
}

async function completeMany(mysql: Mysql, room: PacketRoom, asked: readonly CompleteCall[]): Promise<boolean[]> {
  const rows = asked.map(({ key, ask }) => [
    toHex(key),
    toHex(ask.token ?? ''),
    ask.retentionMs ?? null,
    toHex(ask.kind),
    typeOf(ask.response),
    toHex(ask.response),
  ])
  const text = JSON.stringify(rows)
  await room(asked[0]?.key ?? '', text.length)
  const { affectedRows } = await writeSoon(mysql, mysql.sql.completeMany, [text])
  // Where not all were, nobody says which: each looks for itself, and finds its own response where it is stored.
  return asked.map(() => affectedRows === asked.length)
}

async function renews(mysql: Mysql, key: string, ask: RenewAsk): Promise<boolean> {
  const { token, leaseMs, checkpoint, checkpointNumber } = ask
  if (leaseMs === 0) return false
  const { sql } = mysql
  const holder = [toBytes(key), toBytes(token)]
  const values: MysqlValue[] = [leaseMs ?? null]
  if (checkpoint !== undefined) values.push(...bindValue(checkpoint))
  if (checkpoint === undefined) return (await write(mysql, sql.renew, [...values, ...holder])).affectedRows > 0
  if (checkpointNumber === undefined) return (await write(mysql, sql.saveNext, [...values, ...holder])).affectedRows > 0
  return (await write(mysql, sql.save, [...values, checkpointNumber, ...holder, checkpointNumber])).affectedRows > 0
}

/** By primary keys in their order, so that several purges and all other calls take locks in one order. */
async function purge(mysql: Mysql, limit: number): Promise<number> {
  let purged = 0
  while (purged < limit) {
    const most = Math.min(limit - purged, purgedPerStatement)
    const keys = (await read(mysql, mysql.sql.over(most))).map(({ k }) => fromBytes(k)).sort()
    if (keys.length === 0) break
    const gone = await purgeKeys(mysql, keys, 1)
    purged += gone
    // Nothing of what was seen was left: another purge is at work, and does it.
    if (gone === 0 || keys.length < most) break
  }
  return purged
}

/** Those of the keys that are over. One that somebody holds is left, and is found by halves, which do not wait for it. */
async function purgeKeys(mysql: Mysql, keys: readonly string[], waitSeconds: number): Promise<number> {
  try {
    return (await writeSoon(mysql, mysql.sql.purge(waitSeconds), [JSON.stringify(keys)])).affectedRows
  } catch (error) {
    if (!isLockTimeout(error)) throw error
    mysql.onRetry?.(error)
  }
  if (keys.length === 1) return 0
  const middle = Math.ceil(keys.length / 2)
  return (await purgeKeys(mysql, keys.slice(0, middle), 0)) + (await purgeKeys(mysql, keys.slice(middle), 0))
}

async function list(mysql: Mysql, filter: ListFilter): Promise<(readonly [key: string, record: Rec])[]> {
  const { prefix = '', after, status, limit } = filter
  const conditions: string[] = []
  const values: MysqlValue[] = []
  if (prefix !== '') {
    // 0xff is in no UTF-8, so this is above all that begin with the prefix.
    conditions.push("r.`key` >= ? AND r.`key` < CONCAT(?, X'FF')")
    values.push(toBytes(prefix), toBytes(prefix))
  }
  if (after !== undefined) {
    conditions.push('r.`key` > ?')
    values.push(toBytes(after))
  }
  if (status !== undefined) conditions.push(`r.status = ${status === 'completed' ? 1 : 0}`)
  if (status === 'uncertain')
    conditions.push(
      'r.after_crash = 1 AND r.token IS NOT NULL AND (r.lease_until IS NULL OR r.lease_until <= clock.now)',
    )
  const rows = await read(mysql, mysql.sql.list(conditions, limit), values)
  return rows.flatMap((row) => {
    const { record } = toSighting(row)
    return record === undefined ? [] : [[fromBytes(row.key), record] as const]
  })
}
