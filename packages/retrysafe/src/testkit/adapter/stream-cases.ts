/* Responses that come bit by bit: sent on as they come, and their end only once they are stored. */
import { expectEqual } from '../expect.js'
import type { AdapterCase, Exchange, HeaderLines, Script } from './adapter-case.js'
import { slowCompletion } from './between.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, flood, latch, textOf, until } from './scene.js'

/** Whether it has ended, as far as has arrived. */
function watch(exchange: Exchange): {
  readonly over: () => boolean
  readonly has: () => string
  readonly begun: () => boolean
} {
  let over = false
  let begun = false
  void exchange.reply.then(() => {
    over = true
  })
  exchange.head.then(
    () => {
      begun = true
    },
    () => {},
  )
  return { over: () => over, begun: () => begun, has: () => textOf(exchange.body()) }
}

interface Ending {
  readonly what: string
  readonly script: () => Script
  /** What the client may have before the store acknowledged. */
  readonly before: string
  readonly whole: string
  /** Whether even the head waits: it may where the first write is the last, and must where that is the end. */
  readonly headWaits?: boolean | 'may'
}

const lengthOf = (text: string): HeaderLines => [['Content-Length', `${text.length}`]]

const endings: readonly Ending[] = [
  { what: 'a whole body', script: () => ({ body: 'abc' }), before: '', whole: 'abc', headWaits: true },
  { what: 'no body', script: () => ({ status: 204 }), before: '', whole: '', headWaits: true },
  {
    what: 'a whole body with its length',
    script: () => ({ headers: lengthOf('abc'), body: 'abc' }),
    before: '',
    whole: 'abc',
    headWaits: true,
  },
  { what: 'chunks', script: () => ({ chunks: ['ab', 'cd'] }), before: 'abcd', whole: 'abcd' },
  {
    what: 'chunks and a last one with the end',
    script: () => ({ chunks: ['ab'], body: 'cd' }),
    before: 'ab',
    whole: 'abcd',
  },
  {
    what: 'chunks with their length',
    script: () => ({ headers: lengthOf('abcd'), chunks: ['ab', 'cd'] }),
    before: 'ab',
    whole: 'abcd',
  },
  {
    what: 'one chunk with its length',
    script: () => ({ headers: lengthOf('abcd'), chunks: ['abcd'] }),
    before: '',
    whole: 'abcd',
    headWaits: 'may',
  },
  {
    what: 'chunks and a last one with the end, with their length',
    script: () => ({ headers: lengthOf('abcd'), chunks: ['ab'], body: 'cd' }),
    before: 'ab',
    whole: 'abcd',
  },
  { what: 'a head of its own and a body', script: () => ({ flush: 'head', body: 'abc' }), before: '', whole: 'abc' },
]

/** A handler that gives what it is told to, when it is told to. */
interface Stepwise {
  readonly script: Script
  give(text: string): Promise<void>
  end(): void
  fail(): void
}

function stepwise(): Stepwise {
  const queue: string[] = []
  let more = latch()
  let state: 'open' | 'ended' | 'failed' = 'open'
  async function* chunks(): AsyncIterable<string> {
    for (;;) {
      const next = queue.shift()
      if (next !== undefined) yield next
      else if (state === 'ended') return
      else if (state === 'failed') throw new Error('The stream failed, by plan.')
      else {
        await more.opened
        more = latch()
      }
    }
  }
  const set = (next: 'ended' | 'failed'): void => {
    state = next
    more.open()
  }
  return {
    script: { status: 201, headers: [['Content-Type', 'text/event-stream']], chunks: chunks() },
    give: async (text) => {
      queue.push(text)
      more.open()
    },
    end: () => set('ended'),
    fail: () => set('failed'),
  }
}

/** The client sees the beginning, and then that it broke off. */
async function expectCut(exchange: Exchange, stream: Stepwise, status: number): Promise<void> {
  await stream.give('abc')
  await until(() => textOf(exchange.body()) === 'abc', 'the client has the first chunk')
  stream.end()
  const reply = await exchange.reply
  expectEqual([reply.status, reply.complete], [status, false], 'the first: status, whether it came whole')
}

export const streamCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...endings.map(({ what, script, before, whole, headWaits = false }) =>
    adapterCase(
      `the end is sent only once it is stored: ${what}`,
      'Whoever saw a full answer and lost it could not have it again: the work would run twice.',
      ['store'],
      async (set) => {
        const slow = slowCompletion()
        const scene = await set({ between: slow.between, handler: script })
        const first = scene.start()
        const seen = watch(first)
        await until(() => slow.asked() === 1, 'the response is to be stored')
        if (headWaits === false) await until(() => seen.has() === before && seen.begun(), `the client has "${before}"`)
        await scene.settle()
        expectEqual([seen.has(), seen.over()], [before, false], 'what the client has')
        if (headWaits !== 'may') expectEqual(seen.begun(), !headWaits, 'whether it has the head')
        expectProblem(await scene.ask(), 'in_progress', 'a retry before')
        slow.go.open()
        const status = script().status ?? 200
        expectReply(await first.reply, { status, body: whole, replayed: false }, 'the first')
        expectReply(await scene.ask(), { status, body: whole, replayed: true }, 'the retry')
        expectEqual([scene.runs(), slow.asked()], [1, 1], 'runs and completions')
      },
    ),
  ),
  adapterCase(
    'an event stream reaches the client event by event, and is replayed whole',
    'A client that shows progress would see nothing until the end.',
    [],
    async (set) => {
      const events = stepwise()
      const scene = await set({ handler: () => events.script })
      const first = scene.start()
      const seen = watch(first)
      let has = ''
      for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
        await events.give(event)
        has += event
        await until(() => seen.has() === has, `the client has ${has.length} bytes`)
        expectEqual(seen.over(), false, 'whether it is over')
      }
      expectProblem(await scene.ask(), 'in_progress', 'a retry before the end')
      events.end()
      const expected = { status: 201, body: has, headers: { 'content-type': 'text/event-stream' } }
      expectReply(await first.reply, { ...expected, replayed: false }, 'the first')
      expectReply(await scene.ask(), { ...expected, replayed: true }, 'the retry')
    },
  ),
  adapterCase(
    'a slow client slows the handler down',
    'The server would hold in memory what the client does not read.',
    ['pressure'],
    async (set) => {
      const { chunks, givenBytes, untilFull } = flood()
      const scene = await set({ options: { maxStoredBytes: 256 * 1024 * 1024 }, handler: () => ({ chunks }) })
      const slow = scene.start()
      await slow.head
      slow.pause()
      await untilFull(scene).finally(() => slow.resume())
      const reply = await slow.reply
      expectEqual([reply.complete, reply.body.byteLength], [true, givenBytes()], 'the response')
      const retry = await scene.ask()
      expectEqual([retry.complete, retry.body.byteLength], [true, givenBytes()], 'the replay')
    },
  ),
  ...(
    [
      ['after its head', 201, []],
      ['before its length is reached', 201, lengthOf('abcdef')],
    ] as const
  ).map(([what, status, headers]) =>
    adapterCase(
      `a response that breaks off ${what} is not run again`,
      'It was decided and its response is lost; to run again would do it twice.',
      ['cut'],
      async (set) => {
        const stream = stepwise()
        const scene = await set({ handler: () => ({ ...stream.script, status, headers, cut: true }) })
        await expectCut(scene.start(), stream, status)
        expectProblem(await scene.ask(), 'response_not_stored', 'the retry')
        expectEqual(scene.runs(), 1, 'runs')
      },
    ),
  ),
  adapterCase(
    'a server error that breaks off gives the key back',
    'It would have, had it come whole.',
    ['cut'],
    async (set) => {
      const stream = stepwise()
      let run = 0
      const scene = await set({
        handler: () => (++run === 1 ? { ...stream.script, status: 500, cut: true } : { body: 'done' }),
      })
      await expectCut(scene.start(), stream, 500)
      await until(async () => (await scene.record()) === undefined, 'the key is free')
      expectReply(await scene.ask(), { status: 200, body: 'done', replayed: false }, 'the retry')
    },
  ),
  adapterCase(
    'a throw after the head breaks the response off, and is not run again',
    'The client would take the half for the whole.',
    ['throws'],
    async (set) => {
      const stream = stepwise()
      const scene = await set({ handler: () => stream.script })
      await expectCut(scene.start(), { ...stream, end: stream.fail }, 201)
      expectProblem(await scene.ask(), 'response_not_stored', 'the retry')
      expectEqual(scene.runs(), 1, 'runs')
    },
  ),
  adapterCase(
    'a response that is broken off before its head gives the key back',
    'Nothing was decided, and the retry would wait for the lease.',
    ['throws', 'cut'],
    async (set) => {
      let run = 0
      const scene = await set({
        handler: () => (++run === 1 ? { status: 201, cut: true } : { status: 201, body: 'done' }),
      })
      const first = await scene.ask()
      expectEqual([first.status, first.complete], [0, false], 'the first: status, whether it came whole')
      await until(async () => (await scene.record()) === undefined, 'the key is free')
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: false }, 'the retry')
    },
  ),
]
