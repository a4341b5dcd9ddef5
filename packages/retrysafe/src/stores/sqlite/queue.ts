import { type BeginAsk, type Begun, batchLimit, closedError, onBegin, type Rec } from '../../contract/index.js'
import { isBusy, patiently, type Surroundings, toStoreError } from './errors.js'
import { type Connection, insertClaim, readRecord, readRecords, settle, transact, writeRecord } from './records.js'

/**
 * A commit takes no more values than this, in bytes, so that none keeps the event loop for long. One call that has more
 * commits alone.
 */
const maxBatchBytes = 8 * 1024 * 1024

/** Calls of one store, gathered so that those that wait for the disk wait together. */
export interface Queue extends Surroundings {
  /** Opens the connection; called again where it failed. */
  readonly open: () => Promise<Connection>
  /** Calls that share a commit, or a look. */
  readonly maxCalls: number
  connection: Connection | undefined
  /** Claims that are yet to be looked up. */
  asks: Ask[]
  /** Calls that have something to write. */
  writes: Write[]
  scheduled: boolean
  opening: boolean
  /** A batch is under way: it may wait for a lock. */
  writing: boolean
  /** Calls without an answer. */
  pending: number
  closed: boolean
  /** Called once the last call has its answer. */
  onIdle: (() => void) | undefined
}

interface Call {
  fail(error: unknown): void
}

interface Ask extends Call {
  readonly key: string
  readonly ask: BeginAsk
  answer(begun: Begun): void
}

interface Write extends Call {
  readonly bytes: number
  /** Runs in the transaction, and again where that is rolled back: only `acknowledge` tells the caller. */
  act(connection: Connection): void
  /** The commit has returned. */
  acknowledge(): void
}

export function createQueue(surroundings: Surroundings, coalesce: boolean, open: () => Promise<Connection>): Queue {
  return {
    ...surroundings,
    open,
    maxCalls: coalesce ? batchLimit.default : 1,
    connection: undefined,
    asks: [],
    writes: [],
    scheduled: false,
    opening: false,
    writing: false,
    pending: 0,
    closed: false,
    onIdle: undefined,
  }
}

/** Decides a claim: by a plain read where nothing is to be written, else in the next commit. */
export function queueBegin(queue: Queue, key: string, ask: BeginAsk): Promise<Begun> {
  return enter(queue, (answer, fail) => queue.asks.push({ key, ask, answer, fail }))
}

/** Does the work in the next commit and answers what it gave once that is on the disk. */
export function queueWrite<T>(queue: Queue, bytes: number, work: (connection: Connection) => T): Promise<T> {
  return enter(queue, (answer, fail) => queue.writes.push(toWrite(bytes, work, answer, fail)))
}

/** Reads what is committed, at once where the connection is open. */
export async function readNow<T>(queue: Queue, read: (connection: Connection) => T): Promise<T> {
  if (queue.closed) throw closedError()
  queue.pending++
  try {
    const connection = queue.connection ?? (await openOnce(queue))
    return await patiently(queue, () => {
      settle(connection)
      return read(connection)
    })
  } catch (error) {
    throw toStoreError(error, queue.where)
  } finally {
    leave(queue)
  }
}

/** Resolves once the connection is open and the tables are there. */
function openOnce(queue: Queue): Promise<Connection> {
  return queue.open().then((connection) => {
    queue.connection = connection
    return connection
  })
}

/** Takes no more calls and resolves once all have their answer. */
export function drain(queue: Queue): Promise<void> {
  queue.closed = true
  if (queue.pending === 0) return Promise.resolve()
  return new Promise((resolve) => {
    queue.onIdle = resolve
  })
}

function toWrite<T>(
  bytes: number,
  work: (connection: Connection) => T,
  answer: (value: T) => void,
  fail: (error: unknown) => void,
): Write {
  let value: T
  return {
    bytes,
    act: (connection) => {
      value = work(connection)
    },
    acknowledge: () => answer(value),
    fail,
  }
}

function enter<T>(
  queue: Queue,
  push: (answer: (value: T) => void, fail: (error: unknown) => void) => void,
): Promise<T> {
  if (queue.closed) return Promise.reject(closedError())
  queue.pending++
  return new Promise((resolve, reject) => {
    push(
      (value) => {
        resolve(value)
        leave(queue)
      },
      (error) => {
        reject(toStoreError(error, queue.where))
        leave(queue)
      },
    )
    schedule(queue)
  })
}

function leave(queue: Queue): void {
  queue.pending--
  if (queue.pending === 0) queue.onIdle?.()
}

/** No call waits for a timer: a batch is what queued while the last one was under way, its callers' next calls too. */
function schedule(queue: Queue): void {
  if (queue.scheduled) return
  queue.scheduled = true
  setImmediate(step, queue)
}

function step(queue: Queue): void {
  queue.scheduled = false
  const { connection, asks, writes } = queue
  if (asks.length === 0 && writes.length === 0) return
  if (connection === undefined) {
    if (!queue.opening) void start(queue)
    return
  }
  if (asks.length > 0) lookUp(queue, connection, asks.splice(0, queue.maxCalls))
  if (asks.length > 0) schedule(queue)
  if (writes.length > 0 && !queue.writing) void write(queue, connection)
}

async function start(queue: Queue): Promise<void> {
  queue.opening = true
  try {
    await openOnce(queue)
  } catch (error) {
    failAll([...queue.asks.splice(0), ...queue.writes.splice(0)], error)
  }
  queue.opening = false
  schedule(queue)
}

/** Answers the claims that a committed record answers for good; the others are decided anew while writing. */
function lookUp(queue: Queue, connection: Connection, asks: readonly Ask[]): void {
  try {
    settle(connection)
    const found = readAsked(connection, asks)
    const now = queue.clock.now()
    for (const ask of asks) {
      const record = found.get(ask.key)
      const { write, outcome } = onBegin(record, ask.ask, now)
      if (write === undefined) ask.answer(outcome)
      else queue.writes.push(toClaim(queue, ask, record !== undefined))
    }
  } catch (error) {
    if (isBusy(error)) void lookUpLater(queue, connection, asks)
    else if (asks.length > 1) for (const ask of asks) lookUp(queue, connection, [ask])
    else failAll(asks, error)
  }
}

async function lookUpLater(queue: Queue, connection: Connection, asks: readonly Ask[]): Promise<void> {
  try {
    await patiently(queue, () => {
      settle(connection)
      readAsked(connection, asks)
    })
    queue.asks.unshift(...asks)
    schedule(queue)
  } catch (error) {
    failAll(asks, error)
  }
}

function readAsked(connection: Connection, asks: readonly Ask[]): ReadonlyMap<string, Rec> {
  const [first] = asks
  if (first === undefined || asks.length > 1)
    return readRecords(
      connection,
      asks.map(({ key }) => key),
    )
  const record = readRecord(connection, first.key)
  return record === undefined ? new Map() : new Map([[first.key, record]])
}

/** Where the key was seen to have no record, inserting one is the whole decision, unless another was faster. */
function toClaim(queue: Queue, { key, ask, answer, fail }: Ask, seen: boolean): Write {
  const work = (connection: Connection): Begun => {
    if (!seen) {
      const { write, outcome } = onBegin(undefined, ask, queue.clock.now())
      if (write !== undefined && insertClaim(connection, key, write)) return outcome
    }
    const record = readRecord(connection, key)
    const { write, outcome } = onBegin(record, ask, queue.clock.now())
    if (write !== undefined) writeRecord(connection, key, write)
    return outcome
  }
  return toWrite(0, work, answer, fail)
}

/** Commits what is queued, at once; where a call fails for its own reason each gets a commit of its own. */
async function write(queue: Queue, connection: Connection): Promise<void> {
  queue.writing = true
  const batch = takeBatch(queue)
  try {
    await commit(queue, connection, batch)
    for (const call of batch) call.acknowledge()
  } catch (error) {
    if (isBusy(error)) failAll([...batch, ...queue.writes.splice(0)], error)
    else if (batch.length > 1) await writeEach(queue, connection, batch)
    else failAll(batch, error)
  }
  queue.writing = false
  if (queue.writes.length > 0) schedule(queue)
}

async function writeEach(queue: Queue, connection: Connection, batch: readonly Write[]): Promise<void> {
  for (const [index, call] of batch.entries()) {
    try {
      await commit(queue, connection, [call])
      call.acknowledge()
    } catch (error) {
      if (isBusy(error)) return failAll([...batch.slice(index), ...queue.writes.splice(0)], error)
      call.fail(error)
    }
  }
}

function commit(queue: Queue, connection: Connection, batch: readonly Write[]): Promise<void> {
  return patiently(queue, () =>
    transact(connection, () => {
      for (const call of batch) call.act(connection)
    }),
  )
}

function takeBatch(queue: Queue): readonly Write[] {
  let count = 0
  let bytes = 0
  for (const call of queue.writes) {
    bytes += call.bytes
    if (count === queue.maxCalls || (count > 0 && bytes > maxBatchBytes)) break
    count++
  }
  return queue.writes.splice(0, count)
}

function failAll(calls: readonly Call[], error: unknown): void {
  for (const call of calls) call.fail(error)
}
