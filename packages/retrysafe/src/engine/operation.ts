import { badOption, RetrysafeError } from '../contract/index.js'
import type { Attempt } from './attempt.js'
import { digestText } from './digest.js'
import type { Engine } from './engine.js'
import { type Lease, signalOf } from './lease.js'
import { createSteps, type Steps } from './steps.js'
import type { Codec, Operation, StepOptions } from './types.js'

/** What the work sees of its attempt. */
export function createOperation(engine: Engine, attempt: Attempt, key: string): Operation {
  return new AttemptOperation(engine, attempt, key)
}

/**
 * A class for the sake of its getter: one in an object literal gives every object a hidden class of its own, by which
 * V8's young collections keep all that the getter refers to until the next full one.
 */
class AttemptOperation implements Operation {
  readonly key: string
  readonly token: string
  readonly attempt: number
  readonly step: Operation['step']
  readonly keyFor: Operation['keyFor']
  readonly #lease: Lease

  constructor(engine: Engine, attempt: Attempt, key: string) {
    const { claim, lease } = attempt
    let steps: Steps | undefined
    this.key = key
    this.token = claim.token
    this.attempt = claim.attempt
    this.#lease = lease
    // The overloads of the interface say more than one signature of an implementation can.
    this.step = (async (
      name: string,
      work: () => unknown,
      options: StepOptions & { codec?: Codec<unknown> } = {},
    ): Promise<unknown> => {
      if (options.within !== undefined)
        throw new RetrysafeError(
          'unsupported',
          'No store of this version saves a step within a transaction. The step did not run.',
        )
      steps ??= createSteps(engine, attempt, key)
      return steps(name, work, options.codec)
    }) as Operation['step']
    this.keyFor = (name) => {
      if (typeof name !== 'string' || name === '') throw badOption('The name of keyFor', name, 'a non-empty string')
      // 43 characters of base64url: short enough for every API that we know of, the strictest takes 45.
      return digestText('retrysafe downstream key 1', claim.storeKey, name)
    }
  }

  get signal(): AbortSignal {
    return signalOf(this.#lease)
  }
}
