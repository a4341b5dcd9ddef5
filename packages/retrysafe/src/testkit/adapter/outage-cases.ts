/* Stores that fail, or hold what is no response. */
import { type IdempotencyStore, RetrysafeError, type StoredValue } from '../../contract/index.js'
import { expectEqual } from '../expect.js'
import type { AdapterCase } from './adapter-case.js'
import { failing } from './between.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, counting, latch, until } from './scene.js'

const unavailable = (): RetrysafeError => new RetrysafeError('store_unavailable', 'Down, by plan.')

/** A store in which every key is completed, with this response. */
function completedBy(kind: string, response: StoredValue): (store: IdempotencyStore) => IdempotencyStore {
  const at = new Date(0)
  return (store) => ({
    ...store,
    begin: async () => ({ status: 'completed', response, kind, attempt: 1, completedAt: at, expiresAt: at }),
  })
}

export const outageCases: readonly Omit<AdapterCase, 'about'>[] = [
  adapterCase(
    'while the store is down nothing runs, and the client is told to come again',
    'Unprotected, every retry of these minutes would run.',
    ['store'],
    async (set) => {
      const scene = await set({ between: failing(['begin', 'get', 'release'], () => new Error('connection refused')) })
      expectProblem(await scene.ask(), 'store_unavailable', 'the refusal')
      expectEqual(scene.runs(), 0, 'runs')
      expectReply(await scene.ask({ key: null }), { status: 201 }, 'without a key')
    },
  ),
  ...(['store_unavailable', 'store_full', 'store_closed', 'store_corrupt', undefined] as const).map((code) =>
    adapterCase(
      `whenStoreDown run runs unprotected on ${code ?? 'an error without a code'}`,
      'Whoever chose to go on rather than to stop would stop.',
      ['store', 'options'],
      async (set) => {
        const error = (): unknown => (code === undefined ? new Error('refused') : new RetrysafeError(code, 'by plan'))
        const scene = await set({
          options: { whenStoreDown: 'run' },
          between: failing(['begin', 'release'], error),
          handler: async (request) => ({ status: 201, body: await request.body() }),
        })
        for (let time = 0; time < 2; time++)
          expectReply(await scene.ask({ body: 'abc' }), { status: 201, body: 'abc', replayed: false }, 'an answer')
        expectEqual(scene.runs(), 2, 'runs')
      },
    ),
  ),
  adapterCase(
    'whenStoreDown run refuses all the same what a store that is up refuses',
    'A mismatch or a duplicate would run.',
    ['options'],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { whenStoreDown: 'run' },
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      expectProblem(await scene.ask(), 'in_progress', 'a duplicate')
      expectProblem(await scene.ask({ body: 'other' }), 'mismatch', 'another request')
      go.open()
      await first.reply
    },
  ),
  adapterCase(
    'a completion whose answer is lost is asked for again, and the client has its response',
    'A hiccup of the network would lose the response.',
    ['store'],
    async (set) => {
      let asked = 0
      const scene = await set({
        handler: counting(),
        between: (store: IdempotencyStore) => ({
          ...store,
          complete: async (...args) => {
            await store.complete(...args)
            if (++asked === 1) throw unavailable()
          },
        }),
      })
      expectReply(await scene.ask(), { status: 201, body: 'run 1', replayed: false }, 'the first')
      expectReply(await scene.ask(), { status: 201, body: 'run 1', replayed: true }, 'the retry')
      expectEqual([asked, scene.runs()], [2, 1], 'completions and runs')
    },
  ),
  ...(
    [
      ['whole', { status: 201, body: 'done' }],
      ['in chunks', { status: 201, chunks: ['do', 'ne'] }],
      ['in chunks with its length', { status: 201, headers: [['Content-Length', '4']], chunks: ['do', 'ne'] }],
    ] as const
  ).map(([what, script]) =>
    adapterCase(
      `a response that cannot be stored is delivered at the latest when the lease ends: ${what}`,
      'The client would wait for as long as the store is down.',
      ['store'],
      async (set) => {
        const scene = await set({
          options: { leaseMs: 150, retentionMs: 1000 },
          between: failing(['complete'], unavailable),
          handler: () => script,
        })
        expectReply(await scene.ask(), { status: 201, body: 'done', replayed: false }, 'the first')
      },
    ),
  ),
  adapterCase(
    'a release that the store does not answer does not hurt the response',
    'The client would see a failure of the store instead of its own.',
    ['store'],
    async (set) => {
      const scene = await set({ between: failing(['release'], unavailable), handler: { status: 500, body: 'failed' } })
      expectReply(await scene.ask(), { status: 500, body: 'failed' }, 'the first')
      expectProblem(await scene.ask(), 'in_progress', 'the retry before the lease ends')
    },
  ),
  adapterCase(
    'a record of another kind is not taken for a response',
    'What a queue consumer stored under this key would be sent to a client.',
    ['store'],
    async (set) => {
      for (const response of [{ paid: true }, new Uint8Array([1, 0, 0, 0, 0])]) {
        const scene = await set({ between: completedBy('value', response) })
        expectProblem(await scene.ask(), 'mismatch', 'the refusal')
        expectEqual(scene.runs(), 0, 'runs')
      }
    },
  ),
  adapterCase(
    'a stored response that cannot be read is not sent',
    'Bytes of another release, or damaged ones, would be sent as they are.',
    ['store'],
    async (set) => {
      const scene = await set({ between: completedBy('http', new Uint8Array([255, 0, 1])) })
      expectProblem(await scene.ask(), 'store_corrupt', 'the refusal')
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
]
