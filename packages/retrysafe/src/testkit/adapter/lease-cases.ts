/* Leases that are lost. */
import { RetrysafeError, systemClock } from '../../contract/index.js'
import { expectEqual } from '../expect.js'
import type { AdapterCase, Script } from './adapter-case.js'
import { failing } from './between.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, headerOf, latch, type Scene, until } from './scene.js'

const unavailable = (): RetrysafeError => new RetrysafeError('store_unavailable', 'Down, by plan.')

/** An operator frees the key while its work goes on. */
async function free(scene: Scene): Promise<void> {
  const [record] = await scene.records()
  if (record === undefined) throw new Error('the key is not in the store')
  await scene.store.free(record.key, { attempt: record.attempt })
}

/** The first run waits before its response, and if `midway` after its head and half its body. */
function twoRuns(first: (go: Promise<void>) => Script | Promise<Script>): {
  handler: () => Script | Promise<Script>
  open(): void
} {
  const go = latch()
  let run = 0
  return {
    open: go.open,
    handler: () =>
      ++run === 1
        ? first(go.opened)
        : {
            status: 202,
            headers: [
              ['X-Run', `${run}`],
              ['Content-Type', 'text/plain'],
            ],
            body: `run ${run}`,
          },
  }
}

export const leaseCases: readonly Omit<AdapterCase, 'about'>[] = [
  adapterCase(
    'a late worker answers with the response of the one that took over',
    'Two clients of one operation would hold two different answers.',
    ['store'],
    async (set) => {
      const { handler, open } = twoRuns(async (go) => {
        await go
        return {
          status: 201,
          headers: [
            ['X-Run', '1'],
            ['X-Late', 'yes'],
            ['Content-Type', 'text/html'],
          ],
          body: 'run 1',
        }
      })
      const scene = await set({ handler })
      const late = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      await free(scene)
      const winner = {
        status: 202,
        body: 'run 2',
        headers: { 'x-run': '2', 'content-type': 'text/plain', 'x-late': null },
      }
      expectReply(await scene.ask(), { ...winner, replayed: false }, 'the one that took over')
      open()
      expectReply(await late.reply, { ...winner, replayed: true }, 'the late one')
      expectReply(await scene.ask(), { ...winner, replayed: true }, 'a retry')
    },
  ),
  adapterCase(
    'a late worker answers lease_lost where the one that took over still runs',
    'Its response would be taken for the operation’s.',
    ['store'],
    async (set) => {
      const second = latch()
      const go = latch()
      let run = 0
      const scene = await set({
        handler: async () => {
          const number = ++run
          await (number === 1 ? go.opened : second.opened)
          return { status: 201, headers: [['X-Run', `${number}`]], body: `run ${number}` }
        },
      })
      const late = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      await free(scene)
      const winner = scene.start()
      await until(() => scene.runs() === 2, 'the second runs')
      go.open()
      const reply = await late.reply
      expectProblem(reply, 'lease_lost', 'the late one')
      expectEqual(headerOf(reply, 'x-run'), undefined, 'a header of the response that was discarded')
      second.open()
      expectReply(await winner.reply, { status: 201, body: 'run 2', replayed: false }, 'the winner')
    },
  ),
  ...(
    [
      ['in chunks', []],
      ['with its length', [['Content-Length', '8']]],
    ] as const
  ).map(([what, headers]) =>
    adapterCase(
      `a late worker whose head is out is cut off: ${what}`,
      'The client would have a whole response that no retry gets.',
      ['store'],
      async (set) => {
        const { handler, open } = twoRuns((go) => {
          async function* chunks(): AsyncIterable<string> {
            yield 'half'
            await go
            yield 'half'
          }
          return { status: 201, headers, chunks: chunks() }
        })
        const scene = await set({ handler })
        const late = scene.start()
        await late.head
        await free(scene)
        expectReply(await scene.ask(), { status: 202, body: 'run 2', replayed: false }, 'the one that took over')
        open()
        const reply = await late.reply
        expectEqual([reply.status, reply.complete], [201, false], 'the late one: status, whether it came whole')
        expectReply(await scene.ask(), { status: 202, body: 'run 2', replayed: true }, 'a retry')
      },
    ),
  ),
  adapterCase(
    'outer headers stay on what a late worker answers with',
    'A browser may not read the response without its CORS headers.',
    ['store', 'outer'],
    async (set) => {
      const { handler, open } = twoRuns(async (go) => {
        await go
        return { status: 201, headers: [['X-Late', 'yes']], body: 'run 1' }
      })
      const scene = await set({ handler, outerHeaders: (request) => [['X-Outer', request.header('x-which') ?? '']] })
      const late = scene.start({ headers: [['X-Which', 'late']] })
      await until(() => scene.runs() === 1, 'the first runs')
      await free(scene)
      await scene.ask({ headers: [['X-Which', 'winner']] })
      open()
      const headers = { 'x-outer': 'late', 'x-run': '2', 'x-late': null }
      expectReply(await late.reply, { status: 202, body: 'run 2', headers, replayed: true }, 'the late one')
    },
  ),
  adapterCase(
    'a lease that lapsed while nobody took over is not lost',
    'A pause of the machine would throw away finished work.',
    ['store'],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { leaseMs: 100 },
        between: failing(['renew'], unavailable),
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(async () => {
        const leaseUntil = (await scene.record())?.leaseUntil
        return leaseUntil !== undefined && leaseUntil.getTime() < systemClock.now()
      }, 'the lease lapsed')
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done', replayed: false }, 'the first')
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: true }, 'the retry')
    },
  ),
]
