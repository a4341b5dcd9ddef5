/* Which responses are stored, and what becomes of the key where one is not. */
import { expectEqual } from '../expect.js'
import type { AdapterCase, AdapterNeed, AdapterOptions, Script } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, type Scene } from './scene.js'

type Fate = 'stored' | 'released' | 'left' | 'uncertain'

const definite: readonly (readonly [fate: Fate, statuses: readonly number[]])[] = [
  ['stored', [200, 201, 202, 203, 204, 205, 206, 207, 226]],
  ['stored', [300, 301, 302, 303, 304, 307, 308]],
  ['stored', [400, 402, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 424, 426, 451, 499]],
  ['released', [401, 403, 407, 408, 409, 421, 423, 425, 428, 429, 431]],
  ['released', [500, 501, 505, 507, 508, 511, 599]],
  ['left', [502, 503, 504]],
]

const retryAfter: Script['headers'] = [['Retry-After', '7']]

interface Judged {
  readonly what: string
  readonly script: Script
  readonly fate: Fate
  readonly options?: AdapterOptions
  readonly needs?: readonly AdapterNeed[]
}

const uncertain: AdapterOptions = { afterCrash: 'uncertain' }

const judged: readonly Judged[] = [
  ...definite.flatMap(([fate, statuses]) =>
    statuses.map((status) => ({ what: `${status}`, script: { status }, fate })),
  ),
  { what: '503 with Retry-After', script: { status: 503, headers: retryAfter }, fate: 'released' },
  { what: '502 with Retry-After', script: { status: 502, headers: retryAfter }, fate: 'left' },
  { what: '200 under success', script: { status: 200 }, fate: 'stored', options: { remember: 'success' } },
  { what: '303 under success', script: { status: 303 }, fate: 'released', options: { remember: 'success' } },
  { what: '422 under success', script: { status: 422 }, fate: 'released', options: { remember: 'success' } },
  { what: '500 under success', script: { status: 500 }, fate: 'released', options: { remember: 'success' } },
  { what: '502 under success', script: { status: 502 }, fate: 'left', options: { remember: 'success' } },
  { what: '401 under everything', script: { status: 401 }, fate: 'stored', options: { remember: 'everything' } },
  { what: '500 under everything', script: { status: 500 }, fate: 'stored', options: { remember: 'everything' } },
  { what: '503 under everything', script: { status: 503 }, fate: 'stored', options: { remember: 'everything' } },
  ...(
    [
      [500, 'stored'],
      [200, 'released'],
      [502, 'left'],
    ] as const
  ).map(
    ([status, fate]): Judged => ({
      what: `${status} under a function that keeps only 500`,
      script: { status },
      fate,
      options: { remember: (response) => response.status === 500 },
      needs: ['functions'],
    }),
  ),
  { what: '201 after a crash is uncertain', script: { status: 201 }, fate: 'stored', options: uncertain },
  { what: '500 where a crash is uncertain', script: { status: 500 }, fate: 'uncertain', options: uncertain },
  { what: '408 where a crash is uncertain', script: { status: 408 }, fate: 'uncertain', options: uncertain },
  { what: '409 where a crash is uncertain', script: { status: 409 }, fate: 'uncertain', options: uncertain },
  ...[401, 403, 407, 421, 425, 428, 429, 431].map(
    (status): Judged => ({
      what: `${status} where a crash is uncertain`,
      script: { status },
      fate: 'released',
      options: uncertain,
    }),
  ),
  {
    what: '500 that notApplied clears where a crash is uncertain',
    script: { status: 500 },
    fate: 'released',
    options: { ...uncertain, notApplied: ({ status }) => status === 500 },
    needs: ['functions'],
  },
  {
    what: '401 that notApplied does not clear where a crash is uncertain',
    script: { status: 401 },
    fate: 'uncertain',
    options: { ...uncertain, notApplied: ({ status }) => status === 500 },
    needs: ['functions'],
  },
]

const whys: Readonly<Record<Fate, string>> = {
  stored: 'A retry would do again what was decided.',
  released: 'A passing trouble would be replayed until the retention ends.',
  left: 'A gateway’s time-out says nothing of the work behind it, which may still be running.',
  uncertain: 'Nobody knows what was done, and a retry would do it again.',
}

/** Sends the request again: what happens shows what became of the key. */
async function expectFate(scene: Scene, fate: Fate, status: number): Promise<void> {
  const retry = await scene.ask()
  const record = await scene.record()
  switch (fate) {
    case 'stored':
      expectReply(retry, { status, replayed: true, headers: { 'x-run': '1' } }, 'the retry')
      return expectEqual([scene.runs(), record?.status], [1, 'completed'], 'runs and record')
    case 'released':
      expectReply(retry, { status, replayed: false, headers: { 'x-run': '2' } }, 'the retry')
      return expectEqual(scene.runs(), 2, 'runs')
    case 'left':
      expectProblem(retry, 'in_progress', 'the retry')
      return expectEqual([scene.runs(), record?.status], [1, 'in_progress'], 'runs and record')
    case 'uncertain':
      expectProblem(retry, 'uncertain', 'the retry')
      return expectEqual([scene.runs(), record?.status], [1, 'in_progress'], 'runs and record')
  }
}

const verbs: Readonly<Record<Fate, string>> = {
  stored: 'is stored',
  released: 'gives the key back',
  left: 'leaves the key to its lease',
  uncertain: 'leaves the key uncertain',
}

export const statusCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...judged.map(({ what, script, fate, options = {}, needs = [] }) =>
    adapterCase(`a response ${what} ${verbs[fate]}`, whys[fate], needs, async (set) => {
      let run = 0
      const { status = 200, headers = [] } = script
      const hasBody = status !== 204 && status !== 205 && status !== 304
      const scene = await set({
        options,
        handler: () => ({
          ...script,
          headers: [...headers, ['X-Run', `${++run}`]],
          ...(hasBody ? { body: `a ${status}` } : {}),
        }),
      })
      const expected = {
        status,
        replayed: false,
        headers: { 'x-run': '1' },
        ...(hasBody ? { body: `a ${status}` } : {}),
      }
      expectReply(await scene.ask(), expected, 'the first')
      await expectFate(scene, fate, status)
    }),
  ),
  ...(['released', 'left'] as const).map((fate) =>
    adapterCase(
      `a streamed response of ${fate === 'released' ? 500 : 502} ${verbs[fate]} at its end, not at its head`,
      'The retry would run beside work that is still going on.',
      [],
      async (set) => {
        let ask = async (): Promise<void> => {}
        const status = fate === 'released' ? 500 : 502
        let run = 0
        const scene = await set({
          handler: () => {
            const number = ++run
            async function* chunks(): AsyncIterable<string> {
              yield 'a'
              if (number === 1) await ask()
              yield 'b'
            }
            return { status, headers: [['X-Run', `${number}`]], chunks: chunks() }
          },
        })
        ask = async () => {
          expectProblem(await scene.ask(), 'in_progress', 'a retry before its end')
        }
        expectReply(await scene.ask(), { status, body: 'ab' }, 'the first')
        await expectFate(scene, fate, status)
      },
    ),
  ),
  adapterCase(
    'what remember throws does not lose the response',
    'A mistake in a rule would hang the client, or run the work again.',
    ['functions'],
    async (set) => {
      const scene = await set({
        options: {
          remember: () => {
            throw new Error('a mistake')
          },
        },
        handler: () => ({ status: 201, headers: [['X-Run', '1']], body: 'done' }),
      })
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: false }, 'the first')
      await expectFate(scene, 'stored', 201)
    },
  ),
  adapterCase(
    'what notApplied throws clears nothing',
    'A mistake in a rule would run uncertain work again.',
    ['functions'],
    async (set) => {
      const scene = await set({
        options: {
          ...uncertain,
          notApplied: () => {
            throw new Error('a mistake')
          },
        },
        handler: { status: 500, body: 'failed' },
      })
      expectReply(await scene.ask(), { status: 500, body: 'failed' }, 'the first')
      await expectFate(scene, 'uncertain', 500)
    },
  ),
  adapterCase(
    'a handler that throws where a crash is uncertain leaves the key uncertain at once',
    'What was done before the throw would be done again.',
    ['throws'],
    async (set) => {
      const scene = await set({
        options: uncertain,
        handler: () => {
          throw new Error('half-way')
        },
      })
      expectReply(await scene.ask(), { status: 500 }, 'the first')
      await expectFate(scene, 'uncertain', 500)
    },
  ),
]
