import { badOption, storeKey } from '../contract/index.js'
import { createEngine, type Engine } from './engine.js'
import { fingerprintOf } from './fingerprint.js'
import { perform, type Work } from './perform.js'
import { unpackResult } from './responses.js'
import { readFunction, readRun, readSettings } from './settings.js'
import type { Codec, Idempotency, IdempotencyOptions, Result, RunOptions, WrapOptions } from './types.js'

type AnyRun = RunOptions & { codec?: Codec<unknown>; space?: string }
type AnyWrap = WrapOptions<unknown[]> & { codec?: Codec<unknown> }

/** Spaces that carriers use for themselves. */
const reservedNames: readonly string[] = ['http', 'proxy', 'serve']

const engines = new WeakMap<Idempotency, Engine>()

/**
 * Makes operations safe to retry on a store. Defaults: lease 30 s, retention 24 h, `maxRunMs` 15 min, duplicates of a
 * running operation are rejected with `in_progress`, a crashed one runs again when its lease has ended.
 *
 * @throws `invalid_option` that names the option, the value and what would do.
 * @example
 * ```ts
 * import { createIdempotency } from 'retrysafe'
 * import { memoryStore } from 'retrysafe/memory'
 *
 * const idempotency = createIdempotency({ store: memoryStore(), leaseMs: 30_000 })
 * const order = { amount: 1200, currency: 'EUR' }
 * const receipt = await idempotency.run('charge-42', async () => ({ id: 'ch_1', ...order }), {
 *   scope: 'tenant-7',
 *   fingerprint: order,
 * })
 * console.log(receipt.id)
 * ```
 */
export function createIdempotency(options: IdempotencyOptions): Idempotency {
  const engine = createEngine(readSettings(options))

  const idempotency: Idempotency = {
    execute: ((key: string, work: Work, options?: AnyRun) =>
      execute(engine, key, work, options)) as Idempotency['execute'],
    run: (async (key: string, work: Work, options?: AnyRun) =>
      (await execute(engine, key, work, options)).response) as Idempotency['run'],
    wrap: ((work: (...args: unknown[]) => unknown, options: AnyWrap) =>
      wrap(engine, work, options)) as Idempotency['wrap'],
    drain: engine.drain,
  }
  engines.set(idempotency, engine)
  return idempotency
}

/** The engine behind an instance, for the carriers. */
export function engineOf(idempotency: Idempotency): Engine {
  const engine = engines.get(idempotency)
  if (engine === undefined)
    throw badOption('idempotency', idempotency, 'what createIdempotency gave, of this copy of retrysafe')
  return engine
}

async function execute(engine: Engine, key: string, work: Work, options: AnyRun = {}): Promise<Result<unknown>> {
  if (typeof work !== 'function') throw badOption('work', work, 'a function')
  const { codec, fingerprint, signal } = options
  if (codec !== undefined) checkCodec(codec)
  const entry = {
    key,
    storeKey: storeKey(key, partsOf(options)),
    fingerprint: fingerprint === undefined ? undefined : fingerprintOf(fingerprint),
    run: readRun(options, engine.settings.run),
    signal,
  }
  const entered = await engine.enter(entry)
  if (entered.status === 'new') return await perform(engine, entered.attempt, entry, work, codec)
  const response = unpackResult(entered.response, entered.kind, codec, key)
  return { response, replayed: true, attempt: entered.attempt }
}

/** Own properties count even where they are undefined, so that a missing tenant is refused. */
function partsOf(options: AnyRun): { scope?: string; space?: string } {
  const parts: { scope?: string; space?: string } = {}
  if (Object.hasOwn(options, 'scope')) parts.scope = options.scope as string
  if (Object.hasOwn(options, 'space')) parts.space = options.space as string
  return parts
}

function wrap(
  engine: Engine,
  work: (...args: unknown[]) => unknown,
  options: AnyWrap,
): (...args: unknown[]) => Promise<unknown> {
  const { name, key, scope, fingerprint, ...rest } = options
  if (typeof name !== 'string' || name === '')
    throw badOption('name', name, 'a non-empty string of its own for this function')
  if (reservedNames.includes(name)) throw badOption('name', name, `another one: ${reservedNames.join(', ')} are taken`)
  if (typeof key !== 'function') throw badOption('key', key, 'a function from the arguments to the idempotency key')
  readFunction('scope', scope)
  readFunction('fingerprint', fingerprint)
  readRun(rest, engine.settings.run)
  return async (...args) => {
    const call: AnyRun = { ...rest, space: name }
    if (scope !== undefined) call.scope = scope(...args)
    if (fingerprint !== undefined) call.fingerprint = fingerprint(...args)
    return (await execute(engine, key(...args), () => work(...args), call)).response
  }
}

function checkCodec(codec: Codec<unknown>): void {
  if (typeof codec.encode !== 'function' || typeof codec.decode !== 'function')
    throw badOption('codec', codec, 'an object with encode and decode, such as a Zod 4 schema')
}
