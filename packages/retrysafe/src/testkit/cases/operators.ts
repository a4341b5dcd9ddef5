/* What operators see and do: list, delete, free. */
import type { ListedRecord, ListQuery } from '../../contract/index.js'
import { expectEqual, expectRejection, expectStatus, expectThat } from '../expect.js'
import { inspect, leaseMs, retentionMs, type Scene, storeCase } from '../scene.js'
import type { StoreCase } from '../store-case.js'

const blind = 'An operator would look for a key that is there, or act on one that is not.'
const wedge = 'A key whose worker hangs could not be freed without harm.'

/** All pages of a list, one after the other. */
async function listAll(scene: Scene, query: ListQuery): Promise<ListedRecord[]> {
  const records: ListedRecord[] = []
  let cursor: string | undefined
  for (let page = 0; page < 100; page++) {
    const found = await inspect(scene).list({ ...query, cursor })
    expectThat(found.records.length <= (query.limit ?? 100), 'a page holds no more than its limit')
    records.push(...found.records)
    cursor = found.cursor
    if (cursor === undefined) return records
  }
  throw new Error('The list does not end.')
}

async function claimAll({ claim, opened }: Scene, names: readonly string[]): Promise<string[]> {
  const keys = names.map((name) => `${opened.scratch}${name}`)
  for (const key of keys) await claim({ token: 'mine' }, key)
  return keys
}

function keysOf(records: readonly ListedRecord[]): string[] {
  return records.map((record) => record.key)
}

export const operatorCases: readonly StoreCase[] = [
  storeCase(
    'list gives every key under a prefix once, in byte order, page by page',
    blind,
    async (scene) => {
      // U+FFEE sorts after the surrogates of U+1F600 by UTF-16, before it by UTF-8.
      const names = ['B', 'a', 'a b', 'a/b', 'ab', 'b', 'é', '\uffee', '\u{1f600}', '10', '9']
      const keys = await claimAll(scene, names)
      const sorted = [...keys].sort(compareBytes)
      for (const limit of [1, 2, 3, 100]) {
        const listed = await listAll(scene, { prefix: scene.opened.scratch, limit })
        expectEqual(keysOf(listed), sorted, `keys with pages of ${limit}`)
      }
    },
    'inspectable',
  ),

  storeCase(
    'a prefix is taken literally',
    blind,
    async (scene) => {
      const { scratch } = scene.opened
      await claimAll(scene, ['a_1', 'ab1', 'a%1', 'a*1', 'A_1', 'a[1', 'a\\1', 'ä_1', 'a'])
      for (const prefix of ['a_', 'a%', 'a*', 'A_', 'a[', 'a\\', 'ä'])
        expectEqual(
          keysOf(await listAll(scene, { prefix: scratch + prefix })),
          [`${scratch}${prefix.padEnd(2, '_')}1`],
          prefix,
        )
      expectEqual(keysOf(await listAll(scene, { prefix: `${scratch}b` })), [], 'a prefix of nothing')
      expectEqual(keysOf(await listAll(scene, { prefix: `${scratch}ab1` })), [`${scratch}ab1`], 'a whole key')
    },
    'inspectable',
  ),

  storeCase(
    'list can be asked for a status',
    blind,
    async (scene) => {
      const { store, claim, lapse, opened } = scene
      const [running, done, dead] = await claimAll(scene, ['running', 'done', 'dead'])
      if (running === undefined || done === undefined || dead === undefined) return
      await store.complete(done, 'response', { token: 'mine', kind: 'http' })
      const uncertain = scene.keyOf('uncertain')
      await claim({ token: 'mine', afterCrash: 'uncertain' }, uncertain)
      await lapse(uncertain)
      await claim({ token: 'second', afterCrash: 'uncertain' }, scene.keyOf('working'))
      const ask = async (status: ListQuery['status']): Promise<string[]> =>
        keysOf(await listAll(scene, { prefix: opened.scratch, status, limit: 1 }))
      expectEqual(await ask('completed'), [done], 'completed')
      expectEqual(await ask('uncertain'), [uncertain], 'uncertain')
      expectEqual((await ask('in_progress')).length, 4, 'how many are in progress, uncertain ones included')
      expectEqual((await ask(undefined)).length, 5, 'how many there are')
    },
    'inspectable',
  ),

  storeCase(
    'list shows what get shows, without what the record carries',
    'Responses and tokens would end up in dashboards and logs.',
    async (scene) => {
      const { store, key, claim, opened } = scene
      await claim({ token: 'secret-token', fingerprint: 'v1:a' })
      await store.renew(key, 'secret-token', { checkpoint: 'secret-checkpoint' })
      const compare = async (): Promise<void> => {
        const [listed] = await listAll(scene, { prefix: opened.scratch })
        const { response, checkpoint, ...rest } = (await store.get(key)) ?? {}
        expectEqual(listed, rest, 'the listed record')
        expectThat(!JSON.stringify(listed).includes('secret'), 'it holds no token, checkpoint or response')
      }
      await compare()
      await store.complete(key, 'secret-response', { token: 'secret-token', kind: 'http' })
      await compare()
    },
    'inspectable',
  ),

  storeCase(
    'list shows no key that is over',
    blind,
    async (scene) => {
      const { store, key, claim, pass, opened } = scene
      await claim({ token: 'mine' })
      await store.complete(key, 1, { token: 'mine' })
      await pass(retentionMs)
      expectEqual(await listAll(scene, { prefix: opened.scratch }), [], 'the list')
    },
    'inspectable',
  ),

  storeCase(
    'a cursor outlives the record it points at',
    blind,
    async (scene) => {
      const keys = await claimAll(scene, ['a', 'b', 'c', 'd'])
      const store = inspect(scene)
      const first = await store.list({ prefix: scene.opened.scratch, limit: 2 })
      for (const record of first.records) await store.delete(record.key)
      const second = await store.list({ prefix: scene.opened.scratch, limit: 2, cursor: first.cursor })
      expectEqual([...keysOf(first.records), ...keysOf(second.records)], keys, 'keys of both pages')
    },
    'inspectable',
  ),

  storeCase(
    'delete removes whatever the key holds',
    wedge,
    async (scene) => {
      const { store, key, claim } = scene
      expectEqual(await inspect(scene).delete(key), false, 'delete of a key that holds nothing')
      await claim({ token: 'first', fingerprint: 'v1:a' })
      await store.renew(key, 'first', { checkpoint: 'step' })
      expectEqual(await inspect(scene).delete(key), true, 'delete of a claim')
      expectEqual(await store.get(key), undefined, 'get')
      await expectRejection(() => store.complete(key, 1, { token: 'first' }), 'lease_lost', 'the deleted claim')
      const next = await claim({ token: 'second', fingerprint: 'v1:b' })
      expectEqual([next.attempt, next.checkpoint], [1, undefined], 'attempt and checkpoint')
      await store.complete(key, 1, { token: 'second' })
      expectEqual(await inspect(scene).delete(key), true, 'delete of a response')
      expectEqual(await inspect(scene).delete(key), false, 'delete, again')
      expectEqual((await claim()).attempt, 1, 'attempt')
    },
    'inspectable',
  ),

  storeCase(
    'free ends the claim of that attempt at once',
    wedge,
    async (scene) => {
      const { store, key, claim } = scene
      await claim({ token: 'first' })
      await store.renew(key, 'first', { checkpoint: 'step' })
      expectEqual(await inspect(scene).free(key, { attempt: 1 }), true, 'free')
      await expectRejection(() => store.renew(key, 'first'), 'lease_lost', 'the freed claim')
      const next = await claim({ token: 'second' })
      expectEqual([next.attempt, next.checkpoint], [2, 'step'], 'attempt and checkpoint')
      await store.complete(key, 'done', { token: 'second' })
    },
    'inspectable',
  ),

  storeCase(
    'free without a checkpoint leaves nothing',
    wedge,
    async (scene) => {
      await scene.claim({ token: 'first' })
      expectEqual(await inspect(scene).free(scene.key, { attempt: 1 }), true, 'free')
      expectEqual(await scene.store.get(scene.key), undefined, 'get')
      expectEqual((await scene.claim()).attempt, 1, 'attempt')
    },
    'inspectable',
  ),

  storeCase(
    'free of another attempt changes nothing',
    'An operator who looked at a dead attempt would end its living successor.',
    async (scene) => {
      const { store, key, claim, begin, lapse, pass } = scene
      const free = (attempt: number): Promise<boolean> => inspect(scene).free(key, { attempt })
      expectEqual(await free(1), false, 'free of a key that holds nothing')
      await claim({ token: 'first' })
      await lapse()
      await claim({ token: 'second' })
      const before = await store.get(key)
      expectEqual([await free(1), await free(3)], [false, false], 'free of attempts 1 and 3')
      expectEqual(await store.get(key), before, 'the record')
      expectStatus(await begin(), 'in_progress', 'begin')
      await store.complete(key, 'done', { token: 'second' })
      expectEqual(await free(2), false, 'free of a completed key')
      expectStatus(await begin(), 'completed', 'begin after that')
      await pass(leaseMs + retentionMs)
      expectEqual(await free(2), false, 'free of a key that is over')
    },
    'inspectable',
  ),
]

function compareBytes(a: string, b: string): number {
  const [left, right] = [new TextEncoder().encode(a), new TextEncoder().encode(b)]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
