/* Coalescing: calls that are made while a statement is in flight go together in the next one. */
import { compareBytes } from './key-order.js'

/** What is coalesced. */
export interface BatchedCall {
  readonly key: string
  /** Of its values. */
  readonly bytes: number
}

export interface Batching<Call extends BatchedCall, Answer> {
  /** Statements that may be in flight at once; what comes meanwhile is the next batch. */
  readonly lanes: number
  readonly maxCalls: number
  /** A batch takes no more values than this besides its first. A call with more goes alone. */
  readonly maxBytes: number
  /**
   * Calls of one key in a batch share the answer of the first, and each decides for itself. Otherwise the later ones
   * wait for the next batch.
   */
  readonly shares: boolean
  /** One call by a statement of its own. */
  one(call: Call): Promise<Answer>
  /** Several by one statement: their keys are all different, and in the order of their bytes. */
  many(calls: readonly Call[]): Promise<readonly Answer[]>
  /** Whether the failure of many changed nothing and may be one call's own: halves are tried then. */
  mayBeOfOne(error: unknown): boolean
}

interface Waiting<Call, Answer> {
  readonly call: Call
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Turns that callers get who go on at the same time, to ask their next before a batch is sent. */
const maxTurns = 16

/**
 * Joins calls without making one wait for a timer: where nothing is in flight a call goes at once, with what else is
 * asked in the same turn of the event loop.
 */
export function createBatch<Call extends BatchedCall, Answer>(
  batching: Batching<Call, Answer>,
): (call: Call) => Promise<Answer> {
  let queue: Waiting<Call, Answer>[] = []
  let inFlight = 0
  let gathering = false

  async function gather(): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn++) await undefined
    gathering = false
    while (inFlight < batching.lanes && queue.length > 0) void send(take())
  }

  function schedule(): void {
    if (gathering || inFlight >= batching.lanes || queue.length === 0) return
    gathering = true
    void gather()
  }

  function take(): Waiting<Call, Answer>[][] {
    const groups = new Map<string, Waiting<Call, Answer>[]>()
    const left: Waiting<Call, Answer>[] = []
    let calls = 0
    let bytes = 0
    for (const waiting of queue) {
      const { call } = waiting
      const group = groups.get(call.key)
      if (group !== undefined && batching.shares) {
        group.push(waiting) // costs the statement nothing
        continue
      }
      if (group !== undefined || calls === batching.maxCalls || (calls > 0 && bytes + call.bytes > batching.maxBytes)) {
        left.push(waiting)
        continue
      }
      calls++
      bytes += call.bytes
      groups.set(call.key, [waiting])
    }
    queue = left
    return [...groups].sort(([a], [b]) => compareBytes(a, b)).map(([, group]) => group)
  }

  async function send(groups: readonly Waiting<Call, Answer>[][]): Promise<void> {
    inFlight++
    await answer(batching, groups)
    inFlight--
    schedule()
  }

  return (call) => {
    if (call.bytes > batching.maxBytes) return batching.one(call)
    return new Promise((resolve, reject) => {
      queue.push({ call, resolve, reject })
      schedule()
    })
  }
}

/** Answers every call, whatever happens. */
async function answer<Call extends BatchedCall, Answer>(
  batching: Batching<Call, Answer>,
  groups: readonly Waiting<Call, Answer>[][],
): Promise<void> {
  const calls = groups.flatMap(([first]) => (first === undefined ? [] : [first.call]))
  const [only] = calls
  try {
    const answers = only !== undefined && calls.length === 1 ? [await batching.one(only)] : await batching.many(calls)
    for (const [index, group] of groups.entries())
      for (const waiting of group) waiting.resolve(answers[index] as Answer)
  } catch (error) {
    const parts = batching.mayBeOfOne(error) ? split(groups) : []
    if (parts.length > 1) await Promise.all(parts.map((part) => answer(batching, part)))
    else if (parts[0] !== undefined) {
      // The first of its key failed for a reason that may be its own: the next one takes its place.
      parts[0][0]?.shift()?.reject(error)
      if (parts[0][0]?.length) await answer(batching, parts[0])
    } else for (const waiting of groups.flat()) waiting.reject(error)
  }
}

/** Two halves, or the one key that is left. */
function split<Group>(groups: readonly Group[]): (readonly Group[])[] {
  const middle = Math.ceil(groups.length / 2)
  return middle === groups.length ? [groups] : [groups.slice(0, middle), groups.slice(middle)]
}
