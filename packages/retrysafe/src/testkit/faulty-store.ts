import { type Clock, type IdempotencyStore, RetrysafeError, systemClock } from '../contract/index.js'

export type StoreMethod =
  | 'begin'
  | 'complete'
  | 'get'
  | 'renew'
  | 'release'
  | 'purge'
  | 'close'
  | 'migrate'
  | 'list'
  | 'delete'
  | 'free'
  | 'wake'

const methods: readonly StoreMethod[] = [
  'begin',
  'complete',
  'get',
  'renew',
  'release',
  'purge',
  'close',
  'migrate',
  'list',
  'delete',
  'free',
  'wake',
]

/**
 * What goes wrong with a call.
 * - `fail`: it never reaches the store, and rejects.
 * - `lose_answer`: it takes effect, and rejects.
 * - `slow`: it waits `ms` before it reaches the store, or, with `after`, before its answer comes back.
 * - `hang`: it never reaches the store, and never ends. `hang_after`: it takes effect, and never ends: a crash.
 * - `repeat`: it reaches the store twice, as a network or a driver that repeats would send it; the second answer counts.
 *
 * `error` is what it rejects with. Default: a RetrysafeError `store_unavailable`.
 */
export type Fault =
  | { readonly kind: 'fail'; readonly error?: unknown }
  | { readonly kind: 'lose_answer'; readonly error?: unknown }
  | { readonly kind: 'slow'; readonly ms: number; readonly after?: boolean }
  | { readonly kind: 'hang' | 'hang_after' | 'repeat' }

/** A call as it came: counted from 1 for each method, and overall. */
export interface Call {
  readonly method: StoreMethod
  readonly args: readonly unknown[]
  /** The how-manieth of its method. */
  readonly number: number
  /** The how-manieth of all. */
  readonly order: number
}

/** A fault for one call of a method; with no number for each of its calls. */
export interface PlannedFault {
  readonly method: StoreMethod
  readonly number?: number
  readonly fault: Fault
}

/** The first entry that fits decides; or a function that is asked before each call. */
export type FaultPlan = readonly PlannedFault[] | ((call: Call) => Fault | undefined)

export interface FaultyOptions {
  /** Slow calls wait on it. Default: the machine's own. */
  readonly clock?: Clock | undefined
}

export type FaultyStore<S extends IdempotencyStore> = S & {
  /** Every call so far, in the order in which they came; those that failed too. */
  readonly calls: readonly Call[]
}

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * A store whose calls fail by plan, for tests of what stands on it: lost requests, lost answers, crashes, slowness and
 * repeated calls. It offers what the store behind it offers, and keeps a list of all calls.
 *
 * @example
 * ```ts
 * import { memoryStore } from 'retrysafe/memory'
 * import { faultyStore } from 'retrysafe/testkit'
 *
 * // The first completion takes effect, but its answer is lost.
 * const store = faultyStore(memoryStore(), [{ method: 'complete', number: 1, fault: { kind: 'lose_answer' } }])
 * ```
 */
export function faultyStore<S extends IdempotencyStore>(
  store: S,
  plan: FaultPlan = [],
  options: FaultyOptions = {},
): FaultyStore<S> {
  const clock = options.clock ?? systemClock
  const calls: Call[] = []
  const counts = new Map<StoreMethod, number>()
  const faulty: Record<string, unknown> = { ...(store as object), calls }
  for (const method of methods) {
    const target: unknown = store[method as keyof S]
    if (typeof target !== 'function') continue
    faulty[method] = async (...args: unknown[]): Promise<unknown> => {
      const number = (counts.get(method) ?? 0) + 1
      counts.set(method, number)
      const call: Call = { method, args, number, order: calls.length + 1 }
      calls.push(call)
      const send = (): Promise<unknown> => (target as Method).apply(store, args)
      return answer(send, faultOf(plan, call), call, clock)
    }
  }
  return faulty as unknown as FaultyStore<S>
}

function faultOf(plan: FaultPlan, call: Call): Fault | undefined {
  if (typeof plan === 'function') return plan(call)
  return plan.find(({ method, number }) => method === call.method && (number ?? call.number) === call.number)?.fault
}

async function answer(
  send: () => Promise<unknown>,
  fault: Fault | undefined,
  call: Call,
  clock: Clock,
): Promise<unknown> {
  switch (fault?.kind) {
    case undefined:
      return send()
    case 'fail':
      throw errorOf(fault.error, `${call.method} ${call.number} did not reach the store, by plan.`)
    case 'lose_answer':
      await send()
      throw errorOf(fault.error, `The answer of ${call.method} ${call.number} was lost, by plan.`)
    case 'slow': {
      if (!fault.after) await clock.sleep(fault.ms)
      const answered = await send()
      if (fault.after) await clock.sleep(fault.ms)
      return answered
    }
    case 'hang':
      return never()
    case 'hang_after':
      await send()
      return never()
    case 'repeat':
      await send()
      return send()
  }
}

function errorOf(error: unknown, message: string): unknown {
  return error ?? new RetrysafeError('store_unavailable', message)
}

function never(): Promise<never> {
  return new Promise(() => undefined)
}
