/* What the store does in one round trip; what that does not settle is decided by compare-and-swap. */
import {
  type BeginAsk,
  type Begun,
  batchLimit,
  type Clock,
  type CompleteAsk,
  onBegin,
  type Random,
  type Rec,
  type Refusal,
} from '../../contract/index.js'
import { createBatch } from '../shared/batch.js'
import type { Driver, ListFilter, Reading } from '../shared/driver.js'
import { insist } from '../shared/insist.js'
import { type SwapCalls, type SwapTable, swapCalls } from '../shared/swap.js'
import type { PostgresValue, Send } from './client.js'
import { isConflict, isOfOneCall, isPassing, toStoreError } from './errors.js'
import {
  bindRecord,
  bindValue,
  type Found,
  isLarge,
  type Seen,
  toArray,
  toFound,
  toListedRow,
  toReading,
} from './records.js'
import type { Statements } from './statements.js'

/**
 * Bytes come as hexadecimal text through most clients, twice as long, and neither PostgreSQL's 1 GB nor the longest
 * string of JavaScript, 512 MiB, may be reached.
 */
const maxValueBytes = 128 * 1024 * 1024
/** Statements for many that are in flight at once. */
const lanes = 2
/** A statement for many takes no more values than this, in bytes; a call with more goes alone. */
const maxBatchBytes = 1024 * 1024
/** Records that one statement of a purge deletes, so that none holds its locks for long. */
const purgedPerStatement = 1000
/** How long one call's statement waits for another transaction: what shares its lanes with others gives up sooner. */
const lockTimeoutMs = { alone: 250, shared: 25 } as const

/** What the calls need. */
export interface Postgres {
  readonly send: Send
  readonly statements: Statements
  readonly clock: Clock
  readonly random: Random
  readonly where: string
  readonly coalesce: boolean
  /** What tells those who wait for the key, or nothing where nobody is told. */
  pushOf(key: string): string | null
}

export function driverOf(postgres: Postgres): Driver {
  const { send, statements, where } = postgres
  const calls = swapCalls(tableOf(postgres))
  return {
    ...calls,
    where,
    maxValueBytes,
    skewMs: 0,
    begin: beginOf(postgres, calls),
    complete: completeOf(postgres, calls),
    renew: async (key, ask) => {
      const { token, leaseMs, checkpoint, checkpointNumber } = ask
      const push = leaseMs === 0 ? postgres.pushOf(key) : null
      const values = [key, token, leaseMs ?? null, ...bindValue(checkpoint), checkpointNumber ?? null, push]
      return (await writes(postgres, statements.renew, values)) ? undefined : calls.renew(key, ask)
    },
    release: async (key, token) =>
      (await writes(postgres, statements.release, [key, token, postgres.pushOf(key)]))
        ? undefined
        : calls.release(key, token),
    discard: async (key) => {
      const [row] = await insist(postgres, () => send(statements.discard, [key, postgres.pushOf(key)]), isPassing)
      return (row as { alive: boolean } | undefined)?.alive ?? false
    },
    purge: (limit) => purge(postgres, limit),
    list: (filter) => list(postgres, filter),
    toError: (error) => toStoreError(error, where),
  }
}

function tableOf(postgres: Postgres): SwapTable<Seen> {
  const { send, statements, clock, random, where } = postgres
  return {
    clock,
    random,
    where,
    skewMs: 0,
    passes: isPassing,
    read: async (key): Promise<Found> => {
      const [row] = await send(statements.read, [key])
      return toFound(row)
    },
    write: async (key, record, seen) => {
      const keeps = {
        checkpoint: seen !== undefined && seen.record.checkpoint === record.checkpoint,
        response: seen !== undefined && seen.record.response === record.response,
      }
      const values = bindRecord(key, record, keeps)
      values.push(record.leaseUntil === undefined ? postgres.pushOf(key) : null)
      if (seen === undefined) return (await send(statements.insert, values)).length === 1
      values.push(seen.version, keeps.checkpoint ? 1 : 0, keeps.response ? 1 : 0)
      return (await send(statements.update, values)).length === 1
    },
    remove: async (key, seen) =>
      (await send(statements.remove, [key, seen.version, postgres.pushOf(key)])).length === 1,
  }
}

/** Whether the statement found the claim that it is for. */
async function writes(postgres: Postgres, text: string, values: PostgresValue[], passes = isPassing): Promise<boolean> {
  return (await insist(postgres, () => postgres.send(text, values), passes)).length === 1
}

interface BeginCall {
  readonly key: string
  readonly bytes: number
  readonly ask: BeginAsk
}

function beginOf(postgres: Postgres, calls: SwapCalls): Driver['begin'] {
  const { send, statements, coalesce } = postgres
  const one = async ({ key, ask }: BeginCall, timeoutMs: number, passes = isPassing): Promise<Reading> => {
    // A claim that waited longer would begin with little of its lease.
    const patienceMs = Math.min(timeoutMs, Math.floor(ask.leaseMs / 2))
    const values = [
      key,
      ask.token,
      ask.fingerprint ?? null,
      ask.leaseMs,
      ask.retentionMs,
      ask.afterCrash === 'uncertain' ? 1 : 0,
      `${patienceMs}ms`,
    ]
    const [row] = await insist(postgres, () => send(statements.begin, values), passes)
    return toReading(row, ask)
  }
  const many = async (asked: readonly BeginCall[]): Promise<(Reading | undefined)[]> => {
    const values = [
      toArray(asked.map(({ key }) => key)),
      toArray(asked.map(({ ask }) => ask.token)),
      toArray(asked.map(({ ask }) => ask.fingerprint)),
      toArray(asked.map(({ ask }) => ask.leaseMs)),
      toArray(asked.map(({ ask }) => ask.retentionMs)),
      toArray(asked.map(({ ask }) => (ask.afterCrash === 'uncertain' ? 1 : 0))),
    ]
    const rows = byPlace(await insist(postgres, () => send(statements.beginMany, values), isConflict))
    return asked.map(({ ask }, index) => {
      const row = rows.get(index + 1)
      return isLarge(row) ? undefined : toReading(row, ask)
    })
  }
  const look = coalesce
    ? createBatch({
        ...sharing(postgres),
        shares: true,
        one: (call: BeginCall) => one(call, lockTimeoutMs.shared, isConflict),
        many,
      })
    : (call: BeginCall) => one(call, lockTimeoutMs.alone)
  return async (key, ask): Promise<Begun> => {
    const { record, now } = await look({ key, ask, bytes: key.length })
    // A claim just made is found as our own. All that is to be written is decided anew, on what the key holds by then.
    const decision = record === undefined ? undefined : onBegin(record, ask, now)
    return decision === undefined || decision.write !== undefined ? calls.begin(key, ask) : decision.outcome
  }
}

/** What the batches of both kinds have in common. */
function sharing({ clock, random, where }: Postgres) {
  const bounds = { lanes, maxCalls: batchLimit.default, maxBytes: maxBatchBytes }
  return { clock, random, where, ...bounds, mayBeOfOne: isOfOneCall, passes: isPassing }
}

interface CompleteCall {
  readonly key: string
  readonly bytes: number
  readonly token: string
  readonly ask: CompleteAsk
}

function completeOf(postgres: Postgres, calls: SwapCalls): Driver['complete'] {
  const { send, statements, coalesce, pushOf } = postgres
  const one = ({ key, token, ask }: CompleteCall, timeoutMs: number, passes = isPassing): Promise<boolean> => {
    const values = [key, token, ask.retentionMs ?? null, ask.kind, ...bindValue(ask.response), pushOf(key)]
    return writes(postgres, statements.complete, [...values, `${timeoutMs}ms`], passes)
  }
  const many = async (asked: readonly CompleteCall[]): Promise<boolean[]> => {
    const values = [
      toArray(asked.map(({ key }) => key)),
      toArray(asked.map(({ token }) => token)),
      toArray(asked.map(({ ask }) => ask.retentionMs)),
      toArray(asked.map(({ ask }) => ask.kind)),
      toArray(asked.map(({ ask }) => (typeof ask.response === 'string' ? ask.response : undefined))),
      toArray(asked.map(({ ask }) => (typeof ask.response === 'string' ? undefined : toHex(ask.response)))),
      toArray(asked.map(({ key }) => pushOf(key) ?? undefined)),
    ]
    const rows = byPlace(await insist(postgres, () => send(statements.completeMany, values), isConflict))
    return asked.map((_, index) => rows.has(index + 1))
  }
  const alone = (call: CompleteCall): Promise<boolean> => one(call, lockTimeoutMs.alone)
  const together = createBatch({
    ...sharing(postgres),
    shares: false,
    one: (call: CompleteCall) => one(call, lockTimeoutMs.shared, isConflict),
    many,
  })
  const write = (call: CompleteCall): Promise<boolean> =>
    coalesce && call.bytes <= maxBatchBytes ? together(call) : alone(call)
  return async (key, ask): Promise<Refusal | undefined> => {
    const { token } = ask
    // Nearly always the claim still holds, and one statement does what the rule says.
    if (token !== undefined && (await write({ key, token, ask, bytes: ask.response.length }))) return undefined
    return calls.complete(key, ask)
  }
}

/** Rows of a statement for many, by the place of what they answer, which counts from 1. */
function byPlace(rows: readonly unknown[]): ReadonlyMap<number, unknown> {
  return new Map(rows.map((row) => [Number((row as { place: number | string | bigint }).place), row]))
}

function toHex(bytes: Uint8Array): string {
  let hex = '\\x'
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0')
  return hex
}

async function purge(postgres: Postgres, limit: number): Promise<number> {
  const { send, statements } = postgres
  let purged = 0
  while (purged < limit) {
    const most = Math.min(limit - purged, purgedPerStatement)
    const [row] = await insist(postgres, () => send(statements.purge, [most]), isPassing)
    const gone = Number((row as { purged: number | string | bigint }).purged)
    purged += gone
    if (gone < most) break
  }
  return purged
}

async function list(postgres: Postgres, filter: ListFilter): Promise<readonly (readonly [string, Rec])[]> {
  const { prefix = '', after, status, limit } = filter
  const shape = { prefix: prefix !== '', after: after !== undefined, status }
  const values: PostgresValue[] = [limit]
  if (prefix !== '') values.push(prefix)
  if (after !== undefined) values.push(after)
  const rows = await insist(postgres, () => postgres.send(postgres.statements.list(shape), values), isPassing)
  return rows.map(toListedRow)
}
