/* The table as compare-and-swap sees it, and what all calls to it share. */
import { type Clock, type Random, RetrysafeError } from '../../contract/index.js'
import { insist } from '../shared/insist.js'
import type { Sighting, SwapTable } from '../shared/swap.js'
import { type Asking, type Effect, type MysqlValue, toBytes } from './client.js'
import { isConflict, isDuplicate, isPassing } from './errors.js'
import { bindRecord, firstVersion, toSighting } from './records.js'
import type { Statements } from './statements.js'

/** What the calls need. */
export interface Mysql {
  readonly asking: Asking
  readonly sql: Statements
  /** In quotes. */
  readonly table: string
  readonly clock: Clock
  readonly random: Random
  readonly where: string
  readonly coalesce: boolean
  readonly onRetry: ((error: unknown) => void) | undefined
}

/** A row has to fit into a packet, and max_allowed_packet goes up to 1 GiB; the rest of the row takes little. */
const packetMargin = 16 * 1024
export const maxValueBytes: number = 1024 * 1024 * 1024 - packetMargin
/** A value of up to this is sent without asking what a packet may have. */
const unaskedBytes = 64 * 1024
/** What was learned of the server's packets is good for so long. */
const packetLimitMs = 60_000

export function swapTable(mysql: Mysql): SwapTable<number> {
  const { asking, sql, clock, random, where } = mysql
  return {
    clock,
    random,
    where,
    skewMs: 0,
    passes: (error) => passes(mysql, error),
    read: (key) => readKey(mysql, key),
    async write(key, record, seen) {
      if (seen !== undefined) {
        const values = [...bindRecord(record, seen + 1), toBytes(key), seen]
        return (await asking.change(sql.update, values)).affectedRows === 1
      }
      try {
        const values = [...bindRecord(record, firstVersion()), toBytes(key)]
        return (await asking.change(sql.insert, values)).affectedRows === 1
      } catch (error) {
        if (isDuplicate(error)) return false
        throw error
      }
    },
    remove: async (key, seen) => (await asking.change(sql.remove, [toBytes(key), seen])).affectedRows === 1,
  }
}

export async function readKey({ asking, sql }: Mysql, key: string): Promise<Sighting<number>> {
  const [row] = await asking.rows(sql.read, [toBytes(key)])
  if (row === undefined) throw new RetrysafeError('store_unavailable', 'MySQL: a read that always has a row had none.')
  return toSighting(row)
}

/** A failure that changed nothing and may be gone next time. */
export function passes({ onRetry }: Mysql, error: unknown): boolean {
  const isOne = isPassing(error)
  if (isOne) onRetry?.(error)
  return isOne
}

/** Writes, and again where the server rolled the statement back for the sake of others. */
export function write(mysql: Mysql, sql: string, values: MysqlValue[]): Promise<Effect> {
  return insist(
    mysql,
    () => mysql.asking.change(sql, values),
    (error) => passes(mysql, error),
  )
}

/** Writes for those who share a lane: again after a conflict, but not where somebody holds a lock. */
export function writeSoon(mysql: Mysql, sql: string, values: MysqlValue[]): Promise<Effect> {
  return insist(
    mysql,
    () => mysql.asking.change(sql, values),
    (error) => isConflict(error) && passes(mysql, error),
  )
}

/** Reads, and again where the server rolled the statement back for the sake of others. */
export function read(mysql: Mysql, sql: string, values: MysqlValue[] = []): ReturnType<Asking['rows']> {
  return insist(
    mysql,
    () => mysql.asking.rows(sql, values),
    (error) => passes(mysql, error),
  )
}

export type PacketRoom = (key: string, bytes: number) => Promise<void>

/** Refuses what the server would not take: it cuts the connection of who sends a larger packet. */
export function packetRoom(mysql: Mysql): PacketRoom {
  const { clock } = mysql
  let known: { most: number; until: number } | undefined
  return async (key, bytes) => {
    if (bytes <= unaskedBytes) return
    if (known === undefined || clock.monotonic() >= known.until) {
      const [row] = await read(mysql, mysql.sql.packet)
      known = { most: Number(row?.most), until: clock.monotonic() + packetLimitMs }
    }
    if (bytes <= known.most - packetMargin) return
    throw new RetrysafeError(
      'value_too_large',
      `The value has ${bytes} bytes; this server takes up to ${known.most - packetMargin} (its max_allowed_packet is ` +
        `${known.most}). Nothing was changed.`,
      { key },
    )
  }
}
