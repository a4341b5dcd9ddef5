/* Options: what is accepted, what is refused and how, and that they are kept as they were given. */
import type { BeginOptions, CompleteOptions, IdempotencyStore, RenewOptions } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { inspect, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const silent = 'A mistake would be taken for a default, or fail where nobody can tell why.'

type Call = (store: IdempotencyStore, key: string, value: never) => Promise<unknown>
type Wrong = readonly [option: string, call: Call, values: readonly unknown[]]

const begin =
  (name: keyof BeginOptions): Call =>
  (store, key, value) =>
    store.begin(key, { [name]: value })
const complete =
  (name: keyof CompleteOptions): Call =>
  (store, key, value) =>
    store.complete(key, 1, { [name]: value })
const renew =
  (name: keyof RenewOptions): Call =>
  (store, key, value) =>
    store.renew(key, 'mine', { [name]: value })

const tags = ['', 'a'.repeat(256), 'a\u0000b', 'a\nb', 'a\ud800', 5, null, {}]
const numbers = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1000', null, true, 2 ** 53]
const wrong: readonly Wrong[] = [
  ['token', begin('token'), tags],
  ['fingerprint', begin('fingerprint'), tags],
  ['leaseMs', begin('leaseMs'), [...numbers, 0, 99, 86_400_001]],
  ['retentionMs', begin('retentionMs'), [...numbers, 0, 999, 400 * 86_400_000 + 1]],
  ['afterCrash', begin('afterCrash'), ['', 'maybe', 'RERUN', 1, true]],
  ['rerunAttempt', begin('rerunAttempt'), [...numbers, 0]],
  ['token', complete('token'), tags],
  ['retentionMs', complete('retentionMs'), [...numbers, 0, 999]],
  ['kind', complete('kind'), tags],
  ['leaseMs', renew('leaseMs'), [...numbers, 99, 86_400_001]],
  ['checkpointNumber', renew('checkpointNumber'), [...numbers, 0]],
  ['token', (store, key, value) => store.renew(key, value), [...tags, undefined]],
  ['token', (store, key, value) => store.release(key, value), [...tags, undefined]],
  ['limit', (store, _key, value) => store.purge({ limit: value }), [...numbers, 0, 10_001]],
]

export const optionCases: readonly StoreCase[] = [
  storeCase('a wrong option is refused by its name and changes nothing', silent, async ({ store, key, claim }) => {
    await claim({ token: 'mine', fingerprint: 'v1:a' })
    const before = await store.get(key)
    for (const [option, call, values] of wrong)
      for (const value of values) {
        const what = `${option} of ${typeof value} ${String(value).slice(0, 20)}`
        const message = await expectRejection(() => call(store, key, value as never), 'invalid_option', what)
        expectThat(message.includes(option), `the message names ${option}: ${message}`)
      }
    expectEqual(await store.get(key), before, 'the record')
  }),

  storeCase('a wrong option claims nothing', silent, async ({ store, key }) => {
    await expectRejection(() => store.begin(key, { leaseMs: 1 }), 'invalid_option', 'begin')
    expectEqual(await store.get(key), undefined, 'get')
  }),

  storeCase('options that are undefined are as if absent', silent, async ({ store, key }) => {
    const none = { token: undefined, fingerprint: undefined, leaseMs: undefined, retentionMs: undefined }
    const options = { ...none, afterCrash: undefined, rerunAttempt: undefined }
    const claim = expectStatus(await store.begin(key, options), 'new', 'begin')
    await store.renew(key, claim.token, { leaseMs: undefined, checkpoint: undefined, checkpointNumber: undefined })
    await store.complete(key, 1, { token: undefined, retentionMs: undefined, kind: undefined })
    const replay = expectStatus(await store.begin(key, options), 'completed', 'begin')
    expectEqual([replay.response, replay.kind], [1, 'value'], 'response and kind')
    await store.purge({ limit: undefined })
  }),

  storeCase('the least and the most are accepted', silent, async ({ store, key, keyOf }) => {
    expectStatus(await store.begin(key, { token: 'mine', leaseMs: 100, retentionMs: 1000 }), 'new', 'the least')
    await store.renew(key, 'mine', { leaseMs: 86_400_000, checkpoint: 1, checkpointNumber: 2 ** 53 - 1 })
    const most = { token: 'mine', leaseMs: 86_400_000, retentionMs: 86_400_000, rerunAttempt: 2 ** 53 - 1 }
    expectStatus(await store.begin(keyOf('most'), most), 'new', 'the most')
    await store.purge({ limit: 1 })
    await store.purge({ limit: 10_000 })
  }),

  storeCase('token, fingerprint and kind are kept as they were given', silent, async ({ store, key, claim, begin }) => {
    const odd = [`v1:${'é'.repeat(252)}`, 'a\u0301', 'A b ', "'; --", '\u{1f600}'.repeat(127)]
    for (const [index, word] of odd.entries()) {
      const ours = `${key}-${index}`
      const mine = await claim({ token: word, fingerprint: word }, ours)
      expectEqual(mine.token, word, 'token')
      expectStatus(await begin({ fingerprint: word }, ours), 'in_progress', 'begin with the same fingerprint')
      expectEqual((await store.get(ours))?.fingerprint, word, 'fingerprint')
      await store.complete(ours, 1, { token: word, kind: word })
      expectEqual(expectStatus(await begin({}, ours), 'completed', 'begin').kind, word, 'kind')
      expectEqual((await store.get(ours))?.kind, word, 'kind as get shows it')
    }
  }),

  storeCase(
    'wrong options of list and free are refused by their names',
    silent,
    async (scene) => {
      const store = inspect(scene)
      const lists: readonly (readonly [string, readonly unknown[]])[] = [
        ['limit', [...numbers, 0, 1001]],
        ['status', ['', 'done', 1]],
        ['prefix', [1, {}]],
        ['cursor', [1, {}]],
      ]
      for (const [option, values] of lists)
        for (const value of values) {
          const message = await expectRejection(() => store.list({ [option]: value }), 'invalid_option', option)
          expectThat(message.includes(option), `the message names ${option}: ${message}`)
        }
      for (const attempt of [...numbers, 0]) {
        const free = (): Promise<boolean> => store.free(scene.key, { attempt: attempt as number })
        const message = await expectRejection(free, 'invalid_option', `attempt ${attempt}`)
        expectThat(message.includes('attempt'), `the message names attempt: ${message}`)
      }
    },
    'inspectable',
  ),
]
