import {
  type AfterCrash,
  badOption,
  type Clock,
  checkpointLimit,
  type IdempotencyStore,
  leaseLimit,
  maxRunLimit,
  type Random,
  readInteger,
  retentionLimit,
  stepLimit,
  storedLimit,
  systemClock,
  waiterLimit,
  waitLimit,
} from '../contract/index.js'
import { type Observer, safely } from './events.js'
import type { IdempotencyOptions, RunDefaults } from './types.js'

/** What one run goes by, all of it known. */
export interface RunSettings {
  readonly leaseMs: number
  readonly retentionMs: number
  readonly maxRunMs: number
  readonly waitMs: number
  readonly afterCrash: AfterCrash
  readonly remember: (error: unknown) => boolean
  readonly notApplied: (error: unknown) => boolean
}

export interface Settings {
  readonly store: IdempotencyStore
  readonly run: RunSettings
  readonly maxStoredBytes: number
  readonly maxSteps: number
  readonly maxCheckpointBytes: number
  readonly maxWaiters: number
  readonly observe: Observer
  readonly clock: Clock
  readonly random: Random
}

const never = (): boolean => false

const baseRun: RunSettings = {
  leaseMs: leaseLimit.default,
  retentionMs: retentionLimit.default,
  maxRunMs: maxRunLimit.default,
  waitMs: 0,
  afterCrash: 'rerun',
  remember: never,
  notApplied: never,
}

const methods = ['begin', 'complete', 'get', 'renew', 'release', 'purge', 'close'] as const

export function readSettings(options: IdempotencyOptions): Settings {
  if (typeof options !== 'object' || options === null) throw badOption('options', options, 'an object with a store')
  const { store } = options
  const missing = methods.find(
    (method) => typeof (store as Partial<IdempotencyStore> | undefined)?.[method] !== 'function',
  )
  if (missing !== undefined) throw badOption('store', store, `a store, which has ${missing}(), such as memoryStore()`)
  readFunction('observe', options.observe)
  readFunction('random', options.random)
  return {
    store,
    run: readRun(options, baseRun),
    maxStoredBytes: readInteger('maxStoredBytes', options.maxStoredBytes, storedLimit),
    maxSteps: readInteger('maxSteps', options.maxSteps, stepLimit),
    maxCheckpointBytes: readInteger('maxCheckpointBytes', options.maxCheckpointBytes, checkpointLimit),
    maxWaiters: readInteger('maxWaiters', options.maxWaiters, waiterLimit),
    observe: safely(options.observe),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  }
}

/** What a single run sets goes before what `createIdempotency` was given. */
export function readRun(options: RunDefaults, defaults: RunSettings): RunSettings {
  const afterCrash = options.afterCrash ?? defaults.afterCrash
  if (afterCrash !== 'rerun' && afterCrash !== 'uncertain')
    throw badOption('afterCrash', afterCrash, "'rerun' or 'uncertain'")
  return {
    leaseMs: readInteger('leaseMs', options.leaseMs, { ...leaseLimit, default: defaults.leaseMs }),
    retentionMs: readInteger('retentionMs', options.retentionMs, { ...retentionLimit, default: defaults.retentionMs }),
    maxRunMs: readInteger('maxRunMs', options.maxRunMs, { ...maxRunLimit, default: defaults.maxRunMs }),
    waitMs: readWait(options.whenInProgress, defaults.waitMs),
    afterCrash,
    remember: readFunction('remember', options.remember) ?? defaults.remember,
    notApplied: readFunction('notApplied', options.notApplied) ?? defaults.notApplied,
  }
}

function readWait(whenInProgress: unknown, fallback: number): number {
  if (whenInProgress === undefined) return fallback
  if (whenInProgress === 'reject') return 0
  if (typeof whenInProgress === 'object' && whenInProgress !== null && 'waitMs' in whenInProgress)
    return readInteger('whenInProgress.waitMs', whenInProgress.waitMs ?? Number.NaN, waitLimit)
  throw badOption('whenInProgress', whenInProgress, "'reject' or { waitMs }")
}

export function readFunction<F extends (...args: never) => unknown>(name: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw badOption(name, value, 'a function')
}
