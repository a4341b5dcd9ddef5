import { badOption, RetrysafeError } from '../contract/index.js'
import type { Attempt } from './attempt.js'
import { digestText } from './digest.js'
import type { Engine } from './engine.js'
import { signalOf } from './lease.js'
import { createSteps, type Steps } from './steps.js'
import type { Codec, Operation, StepOptions } from './types.js'

/** What the work sees of its attempt. */
export function createOperation(engine: Engine, attempt: Attempt, key: string): Operation {
  const { claim, lease } = attempt
  let steps: Steps | undefined
  return {
    key,
    token: claim.token,
    attempt: claim.attempt,
    get signal() {
      return signalOf(lease)
    },
    // The overloads of the interface say more than one signature of an implementation can.
    step: (async (name: string, work: () => unknown, options: StepOptions & { codec?: Codec<unknown> } = {}) => {
      if (options.within !== undefined)
        throw new RetrysafeError(
          'unsupported',
          'No store of this version saves a step within a transaction. The step did not run.',
        )
      steps ??= createSteps(engine, attempt, key)
      return steps(name, work, options.codec)
    }) as Operation['step'],
    keyFor(name) {
      if (typeof name !== 'string' || name === '') throw badOption('The name of keyFor', name, 'a non-empty string')
      // 43 characters of base64url: short enough for every API that we know of, the strictest takes 45.
      return digestText('retrysafe downstream key 1', claim.storeKey, name)
    },
  }
}
