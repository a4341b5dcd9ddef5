/*
 * How the cost of a call grows with the keys that are stored. The keys are made by the engine, from one record that the
 * store has made: ten million calls would take an hour.
 */
import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { IdempotencyStore } from 'retrysafe'
import { selecting } from './aims.js'
import { postgresGrowth } from './growth-postgres.js'
import { sqliteGrowth } from './growth-sqlite.js'
import { type Engine, versionOf } from './machine.js'
import { measure, paceOf, type Row, type Subject, subject } from './measure.js'
import { number } from './print.js'
import type { RunOptions } from './run-options.js'
import { chargeOf, checkCharge, claims, fingerprint, replaying } from './store-subjects.js'

/** A store that holds so many keys. */
export interface Grown {
  readonly store: IdempotencyStore
  readonly count: number
  /** Reads the row of a key by hand: what the engine itself costs with so many. */
  select(key: string): Promise<void>
}

export interface Growth {
  readonly engine: string
  readonly grown: readonly Grown[]
  readonly written?: (() => Promise<number>) | undefined
  close(): Promise<void>
}

const fewKeys = 10_000
const manyKeys = 10_000_000
const callers = 64
/** What PostgreSQL takes for a key with its indexes and its log, which is more than SQLite takes. */
const bytesPerKey = 1800

/** The number of a key, scrambled, so that neighbours by number are none in an index. The engines count likewise. */
export const scramble = 2_654_435_761

/** The key of the record that the others are copies of. */
export const prototypeKey: string = storedKey(0)

/** Begins as fresh keys do, so that these fall between the stored ones. */
export function storedKey(index: number): string {
  const head = (Math.imul(index, scramble) >>> 0).toString(16).padStart(8, '0')
  return `charge:${head}-0000-4000-8000-${String(index).padStart(12, '0')}`
}

/** Makes the first record, by the store. */
export async function makePrototype(store: IdempotencyStore): Promise<void> {
  const outcome = await store.begin(prototypeKey, { fingerprint })
  if (outcome.status !== 'new') throw new Error(outcome.status)
  await store.complete(prototypeKey, chargeOf(prototypeKey), { token: outcome.token })
}

const nameOf = (count: number): string => `${number(count, 0)} keys`

/** Claim and completion, and replay, with few and with many keys in turn. `--keys` says how many are many. */
export async function growth(
  print: (row: Row) => void,
  { quick, keys = quick === true ? 20_000 : manyKeys, only = [] }: RunOptions,
  engines: Engine[],
): Promise<Row[]> {
  const { bavail, bsize } = statfsSync(tmpdir())
  const needed = keys * bytesPerKey
  if (bavail * bsize < needed)
    throw new Error(`${tmpdir()} has no ${number(needed / 1e9, 0)} GB: --keys 1e6 takes a tenth of what 1e7 takes.`)
  const rows: Row[] = []
  for (const [name, open] of [['postgres', postgresGrowth] as const, ['sqlite', sqliteGrowth] as const])
    if (only.length === 0 || only.includes(name)) {
      const startedAt = performance.now()
      const grown = await open([fewKeys, keys], engines)
      console.log(`\n${name}: ${nameOf(keys)} were made in ${number((performance.now() - startedAt) / 1000, 0)} s`)
      rows.push(...(await compareGrown(print, grown, quick)))
      await grown.close()
    }
  if (rows.length > 0) engines.push(...['pg', 'libsql'].map(versionOf))
  return rows
}

async function compareGrown(print: (row: Row) => void, growth: Growth, quick: boolean | undefined): Promise<Row[]> {
  const few = nameOf(fewKeys)
  const anyOf = (count: number): string => storedKey(Math.floor(Math.random() * count))
  const subjects: Subject[] = growth.grown.flatMap(({ store, count, select }) => [
    claims(nameOf(count), [few], store),
    subject(replaying, nameOf(count), [few], async () => {
      const outcome = await store.begin(anyOf(count), { fingerprint })
      if (outcome.status !== 'completed') throw new Error(`${nameOf(count)}: ${outcome.status}`)
      checkCharge(nameOf(count), prototypeKey, outcome.response)
    }),
    subject(selecting, nameOf(count), [few], () => select(anyOf(count))),
  ])
  const { rounds, roundMs } = paceOf(quick)
  const plan = { suite: `growth on ${growth.engine}`, subjects, callers: [callers], rounds: rounds * 2, roundMs }
  return measure({ ...plan, written: growth.written }, print)
}
