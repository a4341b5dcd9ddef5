import type { Idempotency } from '@node-idempotency/core'
import { type Subject, subject } from './measure.js'
import { chargeOf, checkCharge, claiming, freshKey, makeReplayKeys, replaying, replayKey } from './store-subjects.js'

export const core = '@node-idempotency/core'

/**
 * `@node-idempotency/core` with the options it has by itself, which are what its README recommends. Requests have no
 * body, so that it takes no digest of any: the stores are compared, and Retrysafe is given a fingerprint that is ready.
 */
export async function coreSubjects(idempotency: Idempotency, baselines: readonly string[]): Promise<Subject[]> {
  const request = (key: string) => ({ headers: { 'Idempotency-Key': key }, path: '/charges', method: 'POST' })
  await makeReplayKeys(async (key) => {
    if ((await idempotency.onRequest(request(key))) === undefined)
      await idempotency.onResponse(request(key), { body: chargeOf(key) })
  })
  return [
    subject(claiming, core, baselines, async () => {
      const key = freshKey()
      const asked = request(key)
      if ((await idempotency.onRequest(asked)) !== undefined) throw new Error(`${core}: ${key} is not new`)
      await idempotency.onResponse(asked, { body: chargeOf(key) })
    }),
    subject(replaying, core, baselines, async (index) => {
      const key = replayKey(index)
      checkCharge(core, key, (await idempotency.onRequest(request(key)))?.body)
    }),
  ]
}
