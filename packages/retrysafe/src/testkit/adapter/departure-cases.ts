/* Clients that hang up. */
import { expectEqual } from '../expect.js'
import type { AdapterCase, Script } from './adapter-case.js'
import { slowBegin, slowCompletion } from './between.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, flood, latch, type Scene, textOf, until } from './scene.js'

const why = 'Mobile networks drop connections while the work goes on; a retry must find its response.'

async function completed(scene: Scene): Promise<void> {
  await until(async () => (await scene.record())?.status === 'completed', 'the response is stored')
}

const chunk = 'x'.repeat(64 * 1024)

interface Late {
  readonly what: string
  readonly script: () => Script
  readonly body: string
}

const late: readonly Late[] = [
  { what: 'a whole body', script: () => ({ status: 201, body: 'done' }), body: 'done' },
  { what: 'no body', script: () => ({ status: 201 }), body: '' },
  { what: 'chunks', script: () => ({ status: 201, chunks: ['do', 'ne'] }), body: 'done' },
  {
    what: 'chunks with their length',
    script: () => ({ status: 201, headers: [['Content-Length', '4']], chunks: ['do', 'ne'] }),
    body: 'done',
  },
  {
    what: 'many chunks',
    script: () => ({ status: 201, chunks: Array.from({ length: 30 }, () => chunk) }),
    body: chunk.repeat(30),
  },
  { what: 'a head of its own and a body', script: () => ({ status: 201, flush: 'head', body: 'done' }), body: 'done' },
]

export const departureCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...late.map(({ what, script, body }) =>
    adapterCase(`work whose client left goes on and is replayed: ${what}`, why, [], async (set) => {
      const go = latch()
      const scene = await set({
        handler: async () => {
          await go.opened
          return script()
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the work runs')
      first.leave()
      await scene.settle()
      go.open()
      await completed(scene)
      expectReply(await scene.ask(), { status: 201, body, replayed: true }, 'the retry')
      expectEqual(scene.runs(), 1, 'runs')
    }),
  ),
  adapterCase('the signal of an operation does not abort when its client leaves', why, ['operation'], async (set) => {
    const go = latch()
    const scene = await set({
      handler: async ({ operation }) => {
        await go.opened
        return { status: 201, body: String(operation?.signal.aborted) }
      },
    })
    const first = scene.start()
    await until(() => scene.runs() === 1, 'the work runs')
    first.leave()
    await scene.settle()
    go.open()
    await completed(scene)
    expectReply(await scene.ask(), { status: 201, body: 'false', replayed: true }, 'the retry')
  }),
  adapterCase('work whose client left can still read the body of the request', why, [], async (set) => {
    const go = latch()
    const scene = await set({
      handler: async (request) => {
        await go.opened
        return { status: 201, body: await request.body() }
      },
    })
    const body = 'x'.repeat(200_000)
    const first = scene.start({ body })
    await until(() => scene.runs() === 1, 'the work runs')
    first.leave()
    await scene.settle()
    go.open()
    await completed(scene)
    expectReply(await scene.ask({ body }), { status: 201, body, replayed: true }, 'the retry')
  }),
  adapterCase('a client that leaves while the key is being claimed changes nothing', why, ['store'], async (set) => {
    const slow = slowBegin()
    const scene = await set({
      between: slow.between,
      handler: async (request) => {
        const body = await request.body()
        return { status: 201, chunks: Array.from({ length: 30 }, () => chunk), body }
      },
    })
    const first = scene.start({ body: 'the body' })
    await until(() => slow.asked() === 1, 'the key is being claimed')
    first.leave()
    await scene.settle()
    slow.go.open()
    await completed(scene)
    const body = `${chunk.repeat(30)}the body`
    expectReply(await scene.ask({ body: 'the body' }), { status: 201, body, replayed: true }, 'the retry')
  }),
  adapterCase(
    'a client that leaves in mid-stream does not stop a handler that waits for it',
    why,
    ['pressure'],
    async (set) => {
      const { chunks, givenBytes, untilFull } = flood()
      const scene = await set({
        options: { maxStoredBytes: 256 * 1024 * 1024 },
        handler: () => ({ status: 201, chunks }),
      })
      const first = scene.start()
      await first.head
      first.pause()
      await untilFull(scene).catch((error: unknown) => {
        first.leave()
        throw error
      })
      first.leave()
      await completed(scene)
      const retry = await scene.ask()
      expectEqual([retry.status, retry.body.byteLength], [201, givenBytes()], 'the retry')
    },
  ),
  adapterCase(
    'a client that leaves while its response is being stored changes nothing',
    why,
    ['store'],
    async (set) => {
      const slow = slowCompletion()
      const scene = await set({ between: slow.between, handler: () => ({ status: 201, chunks: ['do'], body: 'ne' }) })
      const first = scene.start()
      await until(() => slow.asked() === 1, 'the response is being stored')
      first.leave()
      await scene.settle()
      slow.go.open()
      await completed(scene)
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: true }, 'the retry')
    },
  ),
  adapterCase('a client that leaves in its upload starts nothing', 'Half a request would run.', [], async (set) => {
    const scene = await set()
    const uploads = [
      scene.start({ body: 'half', declaredLength: 1000, unfinished: true, type: 'text/plain' }),
      scene.start({ body: ['half'], unfinished: true, type: 'text/plain' }),
      scene.start({ body: '', declaredLength: 10, unfinished: true, type: 'text/plain' }),
    ]
    await scene.settle()
    for (const upload of uploads) upload.leave()
    await scene.settle()
    expectEqual([scene.runs(), (await scene.records()).length], [0, 0], 'runs and records')
    expectReply(await scene.ask(), { status: 201, replayed: false }, 'the request whole')
  }),
  adapterCase(
    'work that fails after its client left leaves the key to its lease',
    'The failure may be the departure’s own doing, and what was done by then is not known.',
    ['throws'],
    async (set) => {
      const go = latch()
      const scene = await set({
        handler: async () => {
          await go.opened
          throw new Error('failed')
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the work runs')
      first.leave()
      await scene.settle()
      go.open()
      await scene.settle()
      expectProblem(await scene.ask(), 'in_progress', 'the retry')
      expectEqual([scene.runs(), (await scene.record())?.status], [1, 'in_progress'], 'runs and record')
    },
  ),
  ...(
    [
      [500, 'in_progress'],
      [409, undefined],
    ] as const
  ).map(([status, code]) =>
    adapterCase(
      `a response of ${status} after its client left ${code === undefined ? 'gives the key back' : 'leaves the key to its lease'}`,
      'A server error that nobody waited for may come from the departure, a refusal does not.',
      [],
      async (set) => {
        const go = latch()
        let run = 0
        const scene = await set({
          handler: async () => {
            if (++run > 1) return { status: 201, body: 'done' }
            await go.opened
            return { status, body: 'no' }
          },
        })
        const first = scene.start()
        await until(() => scene.runs() === 1, 'the work runs')
        first.leave()
        await scene.settle()
        go.open()
        await scene.settle()
        if (code === undefined)
          expectReply(await scene.ask(), { status: 201, body: 'done', replayed: false }, 'the retry')
        else expectProblem(await scene.ask(), code, 'the retry')
      },
    ),
  ),
  adapterCase(
    'work that stops after its head, when its client has left, is not run again',
    'It was decided, and only its response is lost.',
    ['throws'],
    async (set) => {
      const go = latch()
      async function* chunks(): AsyncIterable<string> {
        yield 'half'
        await go.opened
        throw new Error('failed')
      }
      const scene = await set({ handler: () => ({ status: 201, chunks: chunks() }) })
      const first = scene.start()
      await until(() => textOf(first.body()) === 'half', 'the client has half')
      first.leave()
      await scene.settle()
      go.open()
      await completed(scene)
      expectProblem(await scene.ask(), 'response_not_stored', 'the retry')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
]
