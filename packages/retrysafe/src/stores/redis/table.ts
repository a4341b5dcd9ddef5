/* The rules over Redis: a script for what is decided by a comparison, compare-and-swap for the rest. */
import {
  type BeginAsk,
  type Begun,
  type Clock,
  type CompleteAsk,
  onBegin,
  type Random,
  type Rec,
  type Refusal,
  type RenewAsk,
} from '../../contract/index.js'
import type { Driver, Reading } from '../shared/driver.js'
import { type Sighting, type SwapTable, swapCalls } from '../shared/swap.js'
import { type Answer, createBatches, type Run } from './batch.js'
import type { Port } from './client.js'
import { toRedisError } from './errors.js'
import { claimHead, completedTail, freshHead, readRecord, writeBody, writeRecord } from './format.js'
import { toNumber, toText } from './replies.js'
import {
  beginScript,
  completeScript,
  leanScript,
  readScript,
  releaseScript,
  renewScript,
  type Script,
  swapScript,
} from './scripts.js'

export interface Surroundings {
  readonly port: Port
  readonly clock: Clock
  readonly random: Random
  readonly where: string
  /** Before every key. */
  readonly prefix: string
  /** How who waits for a key is told: not at all, by pub/sub, by sharded pub/sub. */
  readonly waking: '' | 'p' | 's'
}

export type RedisCalls = Pick<Driver, 'begin' | 'complete' | 'renew' | 'release' | 'free' | 'read' | 'discard'> & {
  /** What `read` says, without the response or checkpoint. */
  readLean(key: string): Promise<Reading>
}

export function redisCalls(surroundings: Surroundings): RedisCalls {
  const { port, prefix, where, waking } = surroundings
  const run = createBatches(port)
  const table = swapTable(surroundings, run)
  const slow = swapCalls(table)
  const fast: Fast = async (script, shared, key, args) => {
    const { item } = await run(script, shared, prefix + key, args)
    return toNumber(item) === 1
  }
  return {
    ...slow,
    begin: async (key, ask) => {
      const shared = [String(ask.leaseMs), String(ask.retentionMs), ask.afterCrash === 'uncertain' ? 'u' : 'r']
      const answer = await run(beginScript, shared, prefix + key, [freshHead(ask.token, ask.fingerprint)])
      const now = toNumber(answer.shared)
      const text = textOf(answer.item, where)
      if (text === undefined) return fresh(ask, now)
      if (text === left) return slow.begin(key, ask)
      const { write, outcome } = onBegin(readRecord(text, where, key), ask, now)
      return write === undefined || (await table.write(key, write, text)) ? outcome : slow.begin(key, ask)
    },
    complete: async (key, ask) => ((await completes(fast, waking, key, ask)) ? undefined : slow.complete(key, ask)),
    renew: async (key, ask) => ((await renews(fast, key, ask)) ? undefined : slow.renew(key, ask)),
    release: async (key, token): Promise<Refusal | undefined> =>
      (await fast(releaseScript, [waking], key, [claimHead(token)])) ? undefined : slow.release(key, token),
    readLean: async (key) => {
      const { item, shared } = await run(leanScript, [], prefix + key, [])
      const text = textOf(item, where)
      return { now: toNumber(shared), record: typeof text === 'string' ? readRecord(text, where, key) : undefined }
    },
  }
}

type Fast = (script: Script, shared: readonly string[], key: string, args: readonly string[]) => Promise<boolean>

async function completes(fast: Fast, waking: string, key: string, ask: CompleteAsk): Promise<boolean> {
  if (ask.token === undefined) return false
  const args = [claimHead(ask.token), completedTail(ask.kind, ask.response)]
  return fast(completeScript, [String(ask.retentionMs ?? ''), waking], key, args)
}

async function renews(fast: Fast, key: string, ask: RenewAsk): Promise<boolean> {
  if (ask.leaseMs === 0) return false
  const args = [claimHead(ask.token), String(ask.checkpointNumber ?? ''), writeBody(ask.checkpoint)]
  return fast(renewScript, [String(ask.leaseMs ?? '')], key, args)
}

function fresh(ask: BeginAsk, now: number): Begun {
  return { status: 'new', token: ask.token, attempt: 1, leaseUntil: now + ask.leaseMs, checkpoint: undefined }
}

/** What was seen is the whole record as it stands there: nothing less is compared, so nothing can be mistaken for it. */
function swapTable({ port, prefix, clock, random, where, waking }: Surroundings, run: Run): SwapTable<string> {
  const swap = async (key: string, seen: string | undefined, text: string, last: string): Promise<boolean> => {
    const reply = (await port.run(swapScript, [prefix + key], [seen ?? '', text, last, waking])) as unknown[]
    return toNumber(reply[0]) === 1
  }
  const look = async (key: string): Promise<Answer> => {
    const answer = await run(readScript, [], prefix + key, [])
    if (textOf(answer.item, where) !== left) return answer
    const [item, shared] = (await port.run(readScript, [prefix + key], [])) as unknown[]
    return { item, shared }
  }
  return {
    clock,
    random,
    where,
    skewMs: 0,
    read: async (key): Promise<Sighting<string>> => {
      const { item, shared } = await look(key)
      const text = textOf(item, where)
      const record = text === undefined || text === left ? undefined : readRecord(text, where, key)
      return { now: toNumber(shared), record, version: record === undefined ? undefined : (text as string) }
    },
    write: (key, record: Rec, seen) =>
      swap(key, seen, writeRecord(record), record.expiresAt === undefined ? '' : String(record.expiresAt - 1)),
    remove: (key, seen) => swap(key, seen, '', ''),
  }
}

/** The script had given enough by then, and left this key unread. */
const left: unique symbol = Symbol('left')

/** What stands under a key; undefined where nothing does. */
function textOf(item: unknown, where: string): string | undefined | typeof left {
  if (item === null) return undefined
  if (!Array.isArray(item)) return toText(item)
  if (item.length === 0) return left
  throw toRedisError(new Error(toText(item[0])), where)
}
