/* One statement for a fresh key, one for a replay, and one for many at once. */
import { type BeginAsk, type Begun, batchLimit, onBegin } from '../../contract/index.js'
import { type BatchedCall, type Batching, createBatch } from '../shared/batch.js'
import type { Driver } from '../shared/driver.js'
import { insist } from '../shared/insist.js'
import type { Sighting, SwapCalls, SwapTable } from '../shared/swap.js'
import { type MysqlValue, toBytes, toHex } from './client.js'
import { isDuplicate, isNotAlone, isOfOneCall } from './errors.js'
import { bindBytes, firstVersion, toSighting } from './records.js'
import { type Mysql, passes, read, readKey, write, writeSoon } from './table.js'

/** Statements for many that are in flight at once. */
const lanes = 2
/** A statement for many takes no more than this, in bytes of keys and values. */
const maxBatchBytes = 256 * 1024
/** Keys that are remembered as taken. */
const maxTaken = 2048

type Sharing = Omit<Batching<BatchedCall, never>, 'shares' | 'one' | 'many'>

interface BeginCall extends BatchedCall {
  readonly ask: BeginAsk
}

/** Of a claim just made the version is not told. */
type Seen = Sighting<number>

/** Keys that were lately seen to be taken: only a guess at which statement is the faster one. */
export interface RecentKeys {
  has(key: string): boolean
  add(key: string): void
  forget(key: string): void
}

export function recentKeys(): RecentKeys {
  const keys = new Set<string>()
  return {
    has: (key) => keys.has(key),
    add: (key) => {
      keys.delete(key)
      keys.add(key)
      const [oldest] = keys.size > maxTaken ? keys : []
      if (oldest !== undefined) keys.delete(oldest)
    },
    forget: (key) => keys.delete(key),
  }
}

/** What the batches of both kinds have in common. */
export function sharing(mysql: Mysql): Sharing {
  const { clock, random, where } = mysql
  const bounds = { lanes, maxCalls: batchLimit.default, maxBytes: maxBatchBytes }
  return { clock, random, where, ...bounds, mayBeOfOne: isOfOneCall, passes: (error) => passes(mysql, error) }
}

export function beginOf(mysql: Mysql, table: SwapTable<number>, calls: SwapCalls, taken: RecentKeys): Driver['begin'] {
  const { coalesce, clock } = mysql
  const one = (call: BeginCall): Promise<Seen> => lookAtOne(mysql, taken, call)
  const many = (asked: readonly BeginCall[]): Promise<(Seen | undefined)[]> => lookAtMany(mysql, taken, asked)
  const look = coalesce ? createBatch({ ...sharing(mysql), shares: true, one, many }) : one
  return async (key, ask): Promise<Begun> => {
    const sentAt = clock.monotonic()
    const bytes = key.length + ask.token.length + (ask.fingerprint?.length ?? 0)
    const seen = await look({ key, ask, bytes })
    taken.add(key)
    const begun = (await settle(mysql, table, { key, ask, seen })) ?? (await calls.begin(key, ask))
    // Behind a lock much of the lease may have passed: the claim is ours, and asking again says what there is of it.
    const isLate = begun.status === 'new' && clock.monotonic() - sentAt > ask.leaseMs / 2
    return isLate ? calls.begin(key, ask) : begun
  }
}

interface Question {
  readonly key: string
  readonly ask: BeginAsk
  readonly seen: Seen
}

/** Decides on what was seen. A claim just made is found as our own. Undefined where somebody was faster. */
async function settle(mysql: Mysql, table: SwapTable<number>, question: Question): Promise<Begun | undefined> {
  const { key, ask, seen } = question
  if (seen.record === undefined) return undefined
  const { write, outcome } = onBegin(seen.record, ask, seen.now)
  if (write === undefined) return outcome
  const { version } = seen
  if (version === undefined) return undefined
  const isWritten = await insist(
    mysql,
    () => table.write(key, write, version),
    (error) => passes(mysql, error),
  )
  return isWritten ? outcome : undefined
}

/** The statement that is likely to settle it goes first. */
async function lookAtOne(mysql: Mysql, taken: RecentKeys, { key, ask }: BeginCall): Promise<Seen> {
  if (!taken.has(key)) return (await claim(mysql, key, ask)) ?? readPatiently(mysql, key)
  const seen = await readPatiently(mysql, key)
  return seen.record === undefined ? ((await claim(mysql, key, ask)) ?? readPatiently(mysql, key)) : seen
}

function readPatiently(mysql: Mysql, key: string): Promise<Seen> {
  return insist(
    mysql,
    () => readKey(mysql, key),
    (error) => passes(mysql, error),
  )
}

/** Claims a key that has no record; undefined where it has one. */
async function claim(mysql: Mysql, key: string, ask: BeginAsk): Promise<Seen | undefined> {
  const { token, fingerprint, leaseMs, retentionMs, afterCrash } = ask
  const isUncertain = afterCrash === 'uncertain'
  const values: MysqlValue[] = [
    toBytes(key),
    firstVersion(),
    toBytes(token),
    bindBytes(fingerprint),
    leaseMs,
    retentionMs,
    isUncertain ? 1 : 0,
    leaseMs,
    isUncertain ? null : leaseMs + retentionMs,
  ]
  try {
    const { affectedRows, insertId } = mysql.coalesce
      ? await writeSoon(mysql, mysql.sql.claimSoon, values)
      : await write(mysql, mysql.sql.claim, values)
    // The instant comes as the id of the insert. Where a proxy swallowed it, a read finds the claim by its token.
    return affectedRows === 1 && insertId > 0 ? claimedAt(ask, insertId) : undefined
  } catch (error) {
    // A session that is not alone says so when it is read.
    if (isDuplicate(error) || isNotAlone(error)) return undefined
    throw error
  }
}

/** What a claim of a key without a record was written as. */
function claimedAt(ask: BeginAsk, now: number): Seen {
  return { now, record: onBegin(undefined, ask, now).write, version: undefined }
}

/** Those of fresh keys by one insert, those of keys that are known to be taken by one read, both at the same time. */
async function lookAtMany(mysql: Mysql, taken: RecentKeys, asked: readonly BeginCall[]): Promise<(Seen | undefined)[]> {
  const known = asked.filter(({ key }) => taken.has(key))
  const fresh = asked.filter(({ key }) => !taken.has(key))
  const [seen, claimed] = await Promise.all([readMany(mysql, known), claimMany(mysql, fresh)])
  const found = new Map([...seen, ...claimed])
  return asked.map(({ key }) => {
    const one = found.get(key) ?? { now: 0, record: undefined, version: undefined }
    if (one !== large) return one
    taken.add(key)
    return undefined
  })
}

/** A record whose values were left out, since those of many would be too much for one answer. */
const large: unique symbol = Symbol('large')
type Found = ReadonlyMap<string, Seen | typeof large>

async function claimMany(mysql: Mysql, asked: readonly BeginCall[]): Promise<Found> {
  if (asked.length === 0) return new Map()
  const claimed = await insertMany(mysql, asked)
  if (claimed !== undefined) return claimed
  // One key that has a record fails them all.
  const seen = await readMany(mysql, asked)
  const absent = asked.filter(({ key }) => !seen.has(key))
  const rest = absent.length === 0 ? new Map() : await insertMany(mysql, absent)
  // Somebody was faster meanwhile: each of them decides for itself.
  return new Map([...seen, ...(rest ?? [])])
}

/** Claims all or none: undefined where one of the keys has a record. */
async function insertMany(mysql: Mysql, asked: readonly BeginCall[]): Promise<Found | undefined> {
  const rows = asked.map(({ key, ask }) => [
    toHex(key),
    firstVersion(),
    toHex(ask.token),
    ask.fingerprint === undefined ? null : toHex(ask.fingerprint),
    ask.leaseMs,
    ask.retentionMs,
    ask.afterCrash === 'uncertain' ? 1 : 0,
  ])
  try {
    const { affectedRows, insertId } = await writeSoon(mysql, mysql.sql.claimMany, [JSON.stringify(rows)])
    if (affectedRows !== asked.length || !(insertId > 0)) return undefined
    return new Map(asked.map(({ key, ask }) => [key, claimedAt(ask, insertId)]))
  } catch (error) {
    if (isDuplicate(error)) return undefined
    throw error
  }
}

/** Those that hold something. */
async function readMany(mysql: Mysql, asked: readonly BeginCall[]): Promise<Found> {
  if (asked.length === 0) return new Map()
  const rows = await read(mysql, mysql.sql.readMany, [JSON.stringify(asked.map(({ key }) => toHex(key)))])
  return new Map(
    rows.map((row) => [asked[Number(row.place) - 1]?.key ?? '', Number(row.is_large) === 1 ? large : toSighting(row)]),
  )
}
