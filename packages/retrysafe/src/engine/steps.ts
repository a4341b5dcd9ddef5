import {
  badOption,
  encodedBytes,
  encodeValue,
  fromBase64,
  isBytes,
  isRetrysafeError,
  type JsonValue,
  RetrysafeError,
  type StoredValue,
  toBase64,
} from '../contract/index.js'
import type { Attempt } from './attempt.js'
import type { Engine } from './engine.js'
import { confirm, renew } from './lease.js'
import { packResult, unpackResult } from './responses.js'
import type { Codec } from './types.js'

/** A saved step, as the checkpoint holds it. `at` is its place in the order in which steps are started. */
interface SavedStep {
  readonly at: number
  readonly name: string
  readonly kind: 'value' | 'void' | 'bytes'
  readonly value: JsonValue
}

export type Steps = (name: string, work: () => unknown, codec: Codec<unknown> | undefined) => Promise<unknown>

/** What surrounds the steps where they are kept; a comma is counted with each of them. */
const frameBytes = '{"steps":[]}'.length - 1
const saveTries = 3
const saveBackoffMs = 50
const longestName = 100

/** The steps of one attempt, resumed from the checkpoint that the attempt before it left. */
export function createSteps(engine: Engine, attempt: Attempt, key: string): Steps {
  const { maxSteps, maxCheckpointBytes } = engine.settings
  const { storeKey } = attempt.claim
  const saved = readCheckpoint(attempt.claim.checkpoint)
  const resumed = new Map(saved)
  const names = new Set<string>()
  let started = 0
  const save = createSaver(engine, attempt, saved)
  let bytes = frameBytes
  for (const step of saved.values()) bytes += sizeOf(step)

  /** Refuses a step for which there is no room, so that those that are saved with it are saved all the same. */
  function add(step: SavedStep): void {
    const whole = bytes + sizeOf(step)
    if (whole > maxCheckpointBytes)
      throw new RetrysafeError('value_too_large', `The checkpoint has ${whole} bytes, more than maxCheckpointBytes.`)
    bytes = whole
    saved.set(step.at, step)
  }

  /** What the store finds too large is taken out again, so that later steps can still be saved. */
  function takeOut(at: number): void {
    const step = saved.get(at)
    if (step === undefined) return
    bytes -= sizeOf(step)
    saved.delete(at)
  }

  function reserve(name: string): number {
    if (typeof name !== 'string' || name === '' || name.length > longestName)
      throw badOption('A step name', name, `a string of 1 to ${longestName} characters`)
    if (names.has(name))
      throw badOption('A step name', name, 'used once in an operation, such as charge-1 and charge-2')
    if (started >= maxSteps)
      throw new RetrysafeError('value_too_large', `The operation has more than ${maxSteps} steps (maxSteps).`, { key })
    const at = started++
    const before = resumed.get(at)
    const elsewhere = before === undefined && [...resumed.values()].some((step) => step.name === name)
    if (elsewhere || (before !== undefined && before.name !== name))
      throw new RetrysafeError(
        'steps_changed',
        `Step ${at + 1} is ${JSON.stringify(name)}, but an earlier attempt at this key saved ${describe(resumed, at)}. Keep the names and the order of steps while keys are in flight.`,
        { key },
      )
    names.add(name)
    return at
  }

  return async function step(name, work, codec) {
    const at = reserve(name)
    const before = resumed.get(at)
    if (before !== undefined) return unpackStep(before, codec, key)
    await confirm(attempt.lease)
    const result = await work()
    // From here the step is done: whatever fails in saving it, its result goes to the work.
    try {
      add(packStep(at, name, result, codec, maxCheckpointBytes))
      await save()
    } catch (error) {
      attempt.mayRelease = false
      if (isRetrysafeError(error, 'value_too_large')) takeOut(at)
      if (!isRetrysafeError(error, 'lease_lost'))
        engine.settings.observe({ type: 'failed', storeKey, attempt: attempt.claim.attempt, error })
    }
    return result
  }
}

/** Saves go one at a time, and each saves all that is done, so steps that end together share one. */
function createSaver(engine: Engine, attempt: Attempt, saved: Map<number, SavedStep>): () => Promise<void> {
  const { clock, random } = engine.settings
  let wanted = 0
  let stored = 0
  let queue: Promise<void> = Promise.resolve()

  async function saveAll(): Promise<void> {
    const covers = wanted
    const checkpoint = { steps: [...saved.values()] }
    for (let tries = 1; ; tries++) {
      try {
        await renew(attempt.lease, { checkpoint, checkpointNumber: covers })
        stored = covers
        return
      } catch (error) {
        if (tries === saveTries || isRetrysafeError(error, 'lease_lost', 'value_too_large')) throw error
        await clock.sleep(saveBackoffMs * tries * (0.5 + random() / 2))
      }
    }
  }

  return () => {
    const mine = ++wanted
    const turn = queue.then(() => (stored >= mine ? undefined : saveAll()))
    queue = turn.catch(() => {})
    return turn
  }
}

function readCheckpoint(checkpoint: StoredValue | undefined): Map<number, SavedStep> {
  const steps = (checkpoint as { steps?: SavedStep[] } | undefined)?.steps
  return new Map((Array.isArray(steps) ? steps : []).map((step) => [step.at, step]))
}

function sizeOf(step: SavedStep): number {
  return encodedBytes(encodeValue(step)) + 1
}

function packStep(
  at: number,
  name: string,
  result: unknown,
  codec: Codec<unknown> | undefined,
  max: number,
): SavedStep {
  const { kind, response } = packResult(result, codec, max)
  if (isBytes(response)) return { at, name, kind: 'bytes', value: toBase64(response) }
  return { at, name, kind: kind === 'void' ? 'void' : 'value', value: response as JsonValue }
}

function unpackStep(step: SavedStep, codec: Codec<unknown> | undefined, key: string): unknown {
  if (step.kind !== 'bytes') return unpackResult(step.value, step.kind, codec, key)
  const bytes = fromBase64(String(step.value))
  if (bytes === null)
    throw new RetrysafeError('store_corrupt', `The saved step ${JSON.stringify(step.name)} is damaged.`, { key })
  return unpackResult(bytes, 'value', codec, key)
}

function describe(resumed: ReadonlyMap<number, SavedStep>, at: number): string {
  const before = resumed.get(at)
  return before === undefined ? 'that name at another place' : JSON.stringify(before.name)
}
