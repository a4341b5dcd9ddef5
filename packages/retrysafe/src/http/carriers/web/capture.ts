/* A response of the web while it is read: streamed on as it comes, its end held until it is stored. */
import type { Answer } from '../../core/facts.js'
import type { HttpRun, Settlement, WholeHead } from '../../core/http-run.js'
import { joined, type ResponseCopy } from '../../core/response-copy.js'
import { bodyAtHand, headOf, withBody } from './response.js'

/** What is needed to end a claim by what a response becomes. */
export interface Capture {
  readonly run: HttpRun
  readonly copy: ResponseCopy
  /** Whether the client left before the response was there. */
  hasLeft(): boolean
  respond(answer: Answer): Response
  /** The request is over. */
  over(): void
}

type Chunk = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>>

/** So many turns of the microtask queue are waited for the end of a body that is there already. */
const patience = 12

/** Gives the response to send, as soon as its head may leave. */
export async function capture(captured: Capture, response: Response): Promise<Response> {
  if (response.status === 0) throw new TypeError('The handler answered with Response.error(), which has no status.')
  const atHand = bodyAtHand(response)
  if (atHand !== undefined) {
    captured.copy.keep(atHand)
    return settleWhole(captured, response, headOf(response, false), undefined)
  }
  const head = headOf(response, true)
  if (response.body === null) return settleWhole(captured, response, head, undefined)
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  const early: Chunk[] = []
  let ended = false
  let waiting: Promise<Chunk> | undefined
  // A body that is there already is read to its end at once, and goes out with its head.
  while (!ended) {
    const read = watch(reader.read())
    for (let turn = 0; turn < patience && read.state === 'pending'; turn++) await undefined
    if (read.state !== 'done') {
      waiting = read.promise
      break
    }
    if (read.chunk.done) ended = true
    else if (!isBytes(read.chunk.value)) {
      // Its head was decided all the same, so it breaks off behind that.
      waiting = broken(reader)
      break
    } else {
      captured.copy.keepCopy(read.chunk.value)
      early.push(read.chunk)
    }
    if (early.length > patience) break
  }
  if (ended) return settleWhole(captured, response, head, early)
  return withBody(response, streamOn(captured, head, { reader, early, waiting }))
}

interface Watched {
  readonly promise: Promise<Chunk>
  state: 'pending' | 'done' | 'failed'
  chunk: Chunk
}

function watch(promise: Promise<Chunk>): Watched {
  const watched: Watched = { promise, state: 'pending', chunk: { done: true, value: undefined } }
  promise.then(
    (chunk) => {
      watched.chunk = chunk
      watched.state = 'done'
    },
    () => {
      watched.state = 'failed'
    },
  )
  return watched
}

function isBytes(chunk: unknown): chunk is Uint8Array {
  return chunk instanceof Uint8Array
}

/** What is read of a body that has other things than bytes. */
function broken(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<never> {
  const error = new TypeError('A response chunk must be a Uint8Array.')
  void reader.cancel(error).catch(() => {})
  const failed = Promise.reject(error)
  failed.catch(() => {}) // whoever reads it is told, and perhaps nobody does
  return failed
}

async function settleWhole(
  captured: Capture,
  response: Response,
  head: WholeHead,
  read: readonly Chunk[] | undefined,
): Promise<Response> {
  const body = captured.copy.bytes()
  const settlement = await captured.run.settle({ type: 'whole', head, body }, leftBy(captured, head))
  captured.over()
  if (settlement.action === 'replace') return captured.respond(settlement.answer)
  return read === undefined ? response : withBody(response, body ?? bytesOf(read))
}

/** Of a response that was too long to be kept. */
function bytesOf(read: readonly Chunk[]): Uint8Array {
  return joined(read.flatMap(({ value }) => (value === undefined ? [] : [value])))
}

/** Whether the client is still there only matters to failures, and asking has its price. */
function leftBy(captured: Capture, { status }: WholeHead): boolean {
  return status >= 500 && captured.hasLeft()
}

interface Source {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>
  /** What was read before the head left. */
  readonly early: Chunk[]
  /** A read that is under way. */
  waiting: Promise<Chunk> | undefined
}

/** Pulled by the connection, so that a slow client slows the work down; once that is gone, read to the end all the same. */
function streamOn(captured: Capture, head: WholeHead, source: Source): ReadableStream<Uint8Array> {
  const length = Number(head.headers.find(([name]) => name === 'content-length')?.[1] ?? Number.NaN)
  let passed = 0
  let left = false
  let settled: Promise<Settlement> | undefined
  let pulling: Promise<void> | undefined

  const settleBy = (type: 'whole' | 'cut'): Promise<Settlement> => {
    settled ??= captured.run.settle(
      type === 'cut' ? { type, head } : { type, head, body: captured.copy.bytes() },
      left || leftBy(captured, head),
    )
    return settled
  }

  async function next(): Promise<Chunk> {
    const early = source.early.shift()
    if (early !== undefined) return early
    const { waiting } = source
    source.waiting = undefined
    const chunk = await (waiting ?? source.reader.read())
    if (chunk.done) return chunk
    if (!isBytes(chunk.value)) return broken(source.reader)
    captured.copy.keepCopy(chunk.value)
    return chunk
  }

  /** One chunk, or the end; undefined where the response breaks off. */
  async function step(): Promise<Chunk | undefined> {
    try {
      const chunk = await next()
      if (!chunk.done) passed += chunk.value.byteLength
      // With `Content-Length` the client has everything at the last byte, so that one waits for the store. A body that
      // goes on beyond was unpacked on its way, as `fetch` does, and its length is that of something else.
      if (!chunk.done && passed !== length) return chunk
      return (await settleBy('whole')).action === 'send' ? chunk : undefined
    } catch (error) {
      await settleBy('cut')
      throw error
    }
  }

  async function drain(): Promise<void> {
    await pulling
    try {
      while (settled === undefined) await step()
      await settled
    } catch {
      // It broke off, and the claim has ended by that.
    } finally {
      captured.over()
    }
  }

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      const chunk = await step()
      if (left) return
      if (chunk === undefined) controller.error(new Error('The response broke off.'))
      else if (chunk.done) controller.close()
      else return controller.enqueue(chunk.value)
    } catch (error) {
      if (!left) controller.error(error)
    }
    captured.over()
  }

  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulling = pull(controller)
        return pulling
      },
      cancel() {
        left = true
        void drain()
      },
    },
    { highWaterMark: 0 },
  )
}
