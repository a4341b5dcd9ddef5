/* Sizes: of request bodies, of responses, of all that is held. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase, Script } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { type Ask, adapterCase, counting, latch, until } from './scene.js'

const mib = 1024 * 1024

const tooLarge: readonly (readonly [what: string, ask: Ask])[] = [
  ['declared', { body: 'x'.repeat(101) }],
  ['declared and not sent', { declaredLength: 1_000_000_000, unfinished: true, body: 'x' }],
  ['in chunks', { body: Array.from({ length: 11 }, () => 'x'.repeat(10)) }],
  ['in chunks without an end', { body: Array.from({ length: 11 }, () => 'x'.repeat(10)), unfinished: true }],
  ['in one chunk', { body: ['x'.repeat(101)] }],
  ['much too large, in chunks', { body: Array.from({ length: 40 }, () => 'x'.repeat(10_000)) }],
]

const responses: readonly (readonly [what: string, script: () => Script])[] = [
  ['whole', () => ({ status: 201, body: 'x'.repeat(1025) })],
  ['in chunks', () => ({ status: 201, chunks: ['x'.repeat(1000), 'x'.repeat(25)] })],
  [
    'in chunks, with its length',
    () => ({ status: 201, headers: [['Content-Length', '1025']], chunks: ['x'.repeat(1000), 'x'.repeat(25)] }),
  ],
  ['in chunks with the last at the end', () => ({ status: 201, chunks: ['x'.repeat(1000)], body: 'x'.repeat(25) })],
]

export const limitCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...tooLarge.map(([what, ask]) =>
    adapterCase(
      `a request body over maxBodyBytes is refused and nothing runs: ${what}`,
      'Memory ends, or the fingerprint covers only a part.',
      [],
      async (set) => {
        const scene = await set({ options: { maxBodyBytes: 100 } })
        expectProblem(await scene.ask({ type: 'text/plain', ...ask }), 'body_too_large', 'the refusal')
        expectEqual([scene.runs(), (await scene.records()).length], [0, 0], 'runs and records')
      },
    ),
  ),
  adapterCase(
    'a request body of maxBodyBytes is not refused, and without a key the limit does not count',
    'Uploads that have no key would fail.',
    [],
    async (set) => {
      const scene = await set({
        options: { maxBodyBytes: 100 },
        handler: async (request) => ({ body: await request.body() }),
      })
      const most = 'x'.repeat(100)
      const chunks = ['x'.repeat(50), 'x'.repeat(50)]
      expectReply(await scene.ask({ key: 'k1', body: most }), { status: 200, body: most }, 'with its length')
      expectReply(await scene.ask({ key: 'k2', body: chunks }), { status: 200, body: most }, 'in chunks')
      const more = 'x'.repeat(100_000)
      expectReply(await scene.ask({ key: null, body: more }), { status: 200, body: more }, 'without a key')
    },
  ),
  ...responses.map(([what, script]) =>
    adapterCase(
      `a response over maxStoredBytes is delivered whole, and a retry does not run again: ${what}`,
      'A response too large to be kept would mean that the work is done twice.',
      [],
      async (set) => {
        const scene = await set({ options: { maxStoredBytes: 1024 }, handler: script })
        expectReply(await scene.ask(), { status: 201, body: 'x'.repeat(1025), replayed: false }, 'the first')
        expectProblem(await scene.ask(), 'response_not_stored', 'the retry')
        expectProblem(await scene.ask(), 'response_not_stored', 'the retry again')
        expectEqual(scene.runs(), 1, 'runs')
      },
    ),
  ),
  adapterCase('a response of maxStoredBytes is stored', 'The limit would be less than it says.', [], async (set) => {
    const body = 'x'.repeat(1024)
    const scene = await set({ options: { maxStoredBytes: 1024 }, handler: { body } })
    await scene.ask()
    expectReply(await scene.ask(), { status: 200, body, replayed: true }, 'the retry')
  }),
  adapterCase(
    'a response that the store itself finds too large is delivered, and a retry does not run again',
    'Every store has a limit of its own.',
    ['store'],
    async (set) => {
      const scene = await set({
        between: (store) => ({
          ...store,
          complete: async (key, response, options) => {
            const isLarge = response instanceof Uint8Array && response.byteLength > 1000
            await store.complete(key, isLarge ? { toString: () => '' } : response, options)
          },
        }),
        handler: counting({ body: 'x'.repeat(1000) }),
      })
      expectReply(await scene.ask(), { status: 201, body: 'x'.repeat(1000) }, 'the first')
      expectProblem(await scene.ask(), 'response_not_stored', 'the retry')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'a request for which there is no room is told to come again, and nothing of it runs',
    'Many large requests at once would end the process.',
    ['options'],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { maxHeldBytes: mib },
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const body = 'x'.repeat(700_000)
      const first = scene.start({ body, key: 'k1' })
      await until(() => scene.runs() === 1, 'the first runs')
      expectProblem(await scene.ask({ body, key: 'k2' }), 'busy', 'the second')
      expectProblem(await scene.ask({ body: [body], key: 'k2' }), 'busy', 'the second in chunks')
      expectEqual(scene.runs(), 1, 'runs')
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done' }, 'the first')
      expectReply(
        await scene.ask({ body, key: 'k2' }),
        { status: 201, body: 'done', replayed: false },
        'the second again',
      )
    },
  ),
  adapterCase(
    'of a response that is too large to be kept nothing is held while it goes on',
    'A few long downloads would make the server busy for everybody else.',
    ['options'],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { maxHeldBytes: mib, maxStoredBytes: 1024 },
        handler: async (request) => {
          if ((await request.body()).byteLength > 100) return { status: 201, body: 'done' }
          async function* chunks(): AsyncIterable<string> {
            for (let part = 0; part < 7; part++) yield 'x'.repeat(100_000)
            await go.opened
          }
          return { chunks: chunks() }
        },
      })
      const first = scene.start({ key: 'k1' })
      await until(() => first.body().byteLength === 700_000, 'the client has what came so far')
      const body = 'x'.repeat(700_000)
      expectReply(await scene.ask({ key: 'k2', body }), { status: 201, body: 'done' }, 'another request')
      go.open()
      expectReply(await first.reply, { status: 200, body }, 'the first')
    },
  ),
  adapterCase(
    'what is held is given back, however a request ends',
    'The server would be busy for ever after some traffic.',
    ['options', 'throws'],
    async (set) => {
      let number = 0
      const scene = await set({
        options: { maxHeldBytes: mib, maxBodyBytes: 600_000, maxStoredBytes: 600_000 },
        handler: async () => {
          const run = ++number % 4
          if (run === 1) throw new Error('failed')
          if (run === 2) return { status: 500, chunks: ['x'.repeat(500_000)] }
          return run === 3 ? { chunks: ['x'.repeat(400_000), 'x'.repeat(400_000)] } : { body: 'x'.repeat(500_000) }
        },
      })
      const body = 'x'.repeat(500_000)
      for (let round = 0; round < 2; round++) {
        for (let one = 0; one < 4; one++) {
          const key = `k${round}-${one}`
          const reply = await scene.ask({ key, body })
          expectThat(reply.status !== 503, `there is room for ${key}`)
          if (one > 1)
            expectThat((await scene.ask({ key, body })).status !== 503, `there is room for a retry of ${key}`)
        }
        expectProblem(await scene.ask({ body: 'x'.repeat(600_001) }), 'body_too_large', 'too large')
        expectProblem(
          await scene.ask({ body: ['x'.repeat(300_000), 'x'.repeat(300_001)] }),
          'body_too_large',
          'in chunks',
        )
        expectProblem(await scene.ask({ key: `k${round}-3`, body: 'x'.repeat(500_001) }), 'mismatch', 'another request')
        const leaving = scene.start({ body: 'x'.repeat(400_000), declaredLength: 500_000, unfinished: true })
        await scene.settle()
        leaving.leave()
        await scene.settle()
      }
    },
  ),
]
