/* The same request again: while the first runs, and after. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, bytesOf, counting, headerOf, latch, textOf, until } from './scene.js'

export const duplicateCases: readonly Omit<AdapterCase, 'about'>[] = [
  adapterCase(
    'a retry after completion gets the first response, and says so',
    'This is what idempotency keys are for.',
    [],
    async (set) => {
      const scene = await set({ handler: counting() })
      expectReply(await scene.ask(), { status: 201, body: 'run 1', replayed: false }, 'the first')
      for (let time = 0; time < 3; time++)
        expectReply(await scene.ask(), { status: 201, body: 'run 1', replayed: true }, 'a retry')
      expectEqual(scene.runs(), 1, 'runs')
      expectEqual((await scene.record())?.status, 'completed', 'the record')
    },
  ),
  adapterCase(
    'the replay header can have another name, or none',
    'Clients of an API that had a name for it would miss it.',
    ['options'],
    async (set) => {
      const named = await set({ handler: counting(), options: { replayHeader: 'X-Replay' } })
      expectReply(await named.ask(), { status: 201, headers: { 'x-replay': null }, replayed: false }, 'the first')
      expectReply(await named.ask(), { status: 201, headers: { 'x-replay': 'true' }, replayed: false }, 'the retry')
      const without = await set({
        handler: counting({ headers: [['X-Last', 'yes']] }),
        options: { replayHeader: false },
      })
      await without.ask()
      expectReply(
        await without.ask(),
        { status: 201, body: 'run 1', replayed: false, headers: { 'x-last': 'yes' } },
        'none',
      )
    },
  ),
  adapterCase(
    'a retry while the first runs is told to come again with the same key',
    'It would run a second time, or its client would give up what is about to succeed.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      const refused = await scene.ask()
      const { retryAfterMs } = expectProblem(refused, 'in_progress', 'the retry')
      expectEqual(headerOf(refused, 'retry-after'), '1', 'Retry-After is short, not the lease')
      expectThat(Number(retryAfterMs) >= 1000 && Number(retryAfterMs) <= 1500, `retryAfterMs is ${retryAfterMs}`)
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done', replayed: false }, 'the first')
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: true }, 'the retry afterwards')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'a retry that may wait is held until the response is there',
    'Clients that do not retry by themselves would see a conflict.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { whenInProgress: { waitMs: 60_000 } },
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      const waiting = [scene.start(), scene.start(), scene.start()]
      await scene.settle()
      for (const waiter of waiting) expectEqual(waiter.body().byteLength, 0, 'what a waiter has')
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done', replayed: false }, 'the first')
      for (const waiter of waiting)
        expectReply(await waiter.reply, { status: 201, body: 'done', replayed: true }, 'a waiter')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'a retry that waited long enough is told to come again',
    'It would hold its connection for as long as the work hangs.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { whenInProgress: { waitMs: 30 } },
        handler: async () => {
          await go.opened
          return {}
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      expectProblem(await scene.ask(), 'in_progress', 'the retry')
      go.open()
      await first.reply
    },
  ),
  adapterCase(
    'a retry that waits runs the work itself where the first gave its key back',
    'It would wait for a response that never comes.',
    [],
    async (set) => {
      const go = latch()
      let number = 0
      const scene = await set({
        options: { whenInProgress: { waitMs: 60_000 } },
        handler: async () => {
          const run = ++number
          if (run === 1) await go.opened
          return run === 1 ? { status: 500, body: 'failed' } : { status: 201, body: `run ${run}` }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      const waiter = scene.start()
      await scene.settle()
      go.open()
      expectReply(await first.reply, { status: 500, body: 'failed' }, 'the first')
      expectReply(await waiter.reply, { status: 201, body: 'run 2', replayed: false }, 'the waiter')
    },
  ),
  adapterCase(
    'a client that leaves while it waits takes nothing with it',
    'It would end the wait of others, or the work.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { whenInProgress: { waitMs: 60_000 } },
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      const leaving = scene.start()
      const staying = scene.start()
      await scene.settle()
      leaving.leave()
      await scene.settle()
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done' }, 'the first')
      expectReply(await staying.reply, { status: 201, body: 'done', replayed: true }, 'who stayed')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'of many duplicates at once one runs',
    'Impatient users and retrying middle boxes send them within a millisecond.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const count = 100
      const exchanges = Array.from({ length: count }, () => scene.start())
      let refused = 0
      for (const exchange of exchanges)
        void exchange.reply.then((reply) => {
          if (reply.status === 409) refused++
        })
      await until(() => refused === count - 1, 'all but one are refused')
      go.open()
      const replies = await Promise.all(exchanges.map(({ reply }) => reply))
      expectEqual(replies.filter(({ status }) => status === 201).length, 1, 'how many ran')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'of many duplicates that wait one runs, and all have its response',
    'Each would decide for itself at once, and several would win.',
    [],
    async (set) => {
      const scene = await set({ options: { whenInProgress: { waitMs: 60_000 } }, handler: counting() })
      const replies = await Promise.all(Array.from({ length: 100 }, () => scene.ask()))
      for (const reply of replies) expectReply(reply, { status: 201, body: 'run 1' }, 'a duplicate')
      expectEqual(replies.filter((reply) => headerOf(reply, 'idempotent-replayed') === undefined).length, 1, 'firsts')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'operations under different keys do not touch each other',
    'One slow client would hold up all.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        handler: async (request) => {
          const body = textOf(await request.body())
          if (body === 'slow') await go.opened
          return { body }
        },
      })
      const slow = scene.start({ key: 'slow', body: 'slow' })
      await until(() => scene.runs() === 1, 'the slow one runs')
      for (let number = 0; number < 5; number++)
        expectReply(
          await scene.ask({ key: `k${number}`, body: bytesOf(`n${number}`) }),
          { status: 200, body: `n${number}` },
          'another',
        )
      go.open()
      expectReply(await slow.reply, { status: 200, body: 'slow' }, 'the slow one')
    },
  ),
]
