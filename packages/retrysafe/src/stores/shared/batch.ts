/* Coalescing: calls that are made while a statement is in flight go together in the next one. */
import { insist, maxTryingMs, type Patience } from './insist.js'
import { compareBytes } from './key-order.js'

/** What is coalesced. */
export interface BatchedCall {
  readonly key: string
  /** Of its values. */
  readonly bytes: number
}

export interface Batching<Call extends BatchedCall, Answer> extends Patience {
  /** Statements that may be in flight at once; what comes meanwhile is the next batch. Of calls left alone as many. */
  readonly lanes: number
  readonly maxCalls: number
  /** A batch takes no more values than this. A call that has more must not come here. */
  readonly maxBytes: number
  /**
   * Calls of one key in a batch share the answer of the first, and each decides for itself. Otherwise the later ones
   * wait for the next batch.
   */
  readonly shares: boolean
  /** One call by a statement of its own, which fails soon where somebody holds the key. */
  one(call: Call): Promise<Answer>
  /**
   * Several by one statement: their keys are all different, and in the order of their bytes. What is undefined is asked
   * alone.
   */
  many(calls: readonly Call[]): Promise<readonly (Answer | undefined)[]>
  /** Whether the failure of many changed nothing and may be one call's own: halves are tried then. */
  mayBeOfOne(error: unknown): boolean
  /** Whether the failure of one changed nothing and may be gone next time: it is tried again for up to 5 s. */
  passes(error: unknown): boolean
}

interface Waiting<Call, Answer> {
  readonly call: Call
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Calls of one key that share an answer. */
interface Group<Call, Answer> {
  readonly key: string
  readonly waiting: Waiting<Call, Answer>[]
}

/** Turns that callers get who go on at the same time, to ask their next before a batch is sent. */
const maxTurns = 16

/**
 * Joins calls without making one wait for a timer: where nothing is in flight a call goes at once, with what else is
 * asked in the same turn of the event loop. A call whose key is held leaves its lane, so that it keeps nobody else.
 */
export function createBatch<Call extends BatchedCall, Answer extends NonNullable<unknown>>(
  batching: Batching<Call, Answer>,
): (call: Call) => Promise<Answer> {
  const { lanes, clock } = batching
  const slot = createSlots(lanes)
  /** Keys that are asked alone. Further calls of theirs wait until that is answered. */
  const alone = new Set<string>()
  let queue: Waiting<Call, Answer>[] = []
  let inFlight = 0
  let gathering = false

  async function gather(): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn++) await undefined
    gathering = false
    while (inFlight < lanes && queue.length > 0) {
      const { groups, left } = take(batching, queue, alone)
      queue = left
      if (groups.length === 0) return
      void send(groups)
    }
  }

  function schedule(): void {
    if (gathering || inFlight >= lanes || queue.length === 0) return
    gathering = true
    void gather()
  }

  async function send(groups: readonly Group<Call, Answer>[]): Promise<void> {
    inFlight++
    try {
      await answer(batching, groups, { until: clock.monotonic() + maxTryingMs, leave: (group) => void askAlone(group) })
    } finally {
      inFlight--
      schedule()
    }
  }

  async function askAlone({ key, waiting }: Group<Call, Answer>): Promise<void> {
    alone.add(key)
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      const { call } = first
      try {
        const found = await insist(batching, () => slot(() => batching.one(call)), batching.passes)
        for (const { resolve } of waiting.splice(0)) resolve(found)
      } catch (error) {
        // What may be the first one's own reason is not that of the next.
        for (const { reject } of waiting.splice(0, batching.mayBeOfOne(error) ? 1 : waiting.length)) reject(error)
      }
    }
    alone.delete(key)
    schedule()
  }

  return (call) =>
    new Promise((resolve, reject) => {
      queue.push({ call, resolve, reject })
      schedule()
    })
}

/** The next batch, in the order of its keys' bytes, and who waits for a later one. */
function take<Call extends BatchedCall, Answer>(
  { maxCalls, maxBytes, shares }: Batching<Call, Answer>,
  queue: readonly Waiting<Call, Answer>[],
  alone: ReadonlySet<string>,
): { readonly groups: readonly Group<Call, Answer>[]; readonly left: Waiting<Call, Answer>[] } {
  const groups = new Map<string, Group<Call, Answer>>()
  const left: Waiting<Call, Answer>[] = []
  let bytes = 0
  for (const waiting of queue) {
    const { call } = waiting
    const group = groups.get(call.key)
    if (group !== undefined && shares) {
      group.waiting.push(waiting) // costs the statement nothing
      continue
    }
    const isFull = groups.size === maxCalls || (groups.size > 0 && bytes + call.bytes > maxBytes)
    if (group !== undefined || isFull || alone.has(call.key)) {
      left.push(waiting)
      continue
    }
    bytes += call.bytes
    groups.set(call.key, { key: call.key, waiting: [waiting] })
  }
  return { groups: [...groups.values()].sort((one, other) => compareBytes(one.key, other.key)), left }
}

interface Leaving<Call, Answer> {
  /** Halves are tried until then. */
  readonly until: number
  /** Takes what is to be asked alone. */
  leave(group: Group<Call, Answer>): void
}

/** Answers every call, whatever happens, but those that it leaves. */
async function answer<Call extends BatchedCall, Answer>(
  batching: Batching<Call, Answer>,
  groups: readonly Group<Call, Answer>[],
  leaving: Leaving<Call, Answer>,
): Promise<void> {
  const calls = groups.flatMap(({ waiting: [first] }) => (first === undefined ? [] : [first.call]))
  const [only] = calls
  try {
    const found = only !== undefined && calls.length === 1 ? [await batching.one(only)] : await batching.many(calls)
    for (const [index, group] of groups.entries()) {
      const own = found[index]
      if (own === undefined) leaving.leave(group)
      else for (const { resolve } of group.waiting) resolve(own)
    }
  } catch (error) {
    const [group] = groups
    const isHopeless = !batching.mayBeOfOne(error) || batching.clock.monotonic() >= leaving.until
    if (isHopeless || group === undefined)
      for (const { reject } of groups.flatMap(({ waiting }) => waiting)) reject(error)
    else if (groups.length > 1) {
      // One after the other: where all are held, by a lock of the table, they would be as many statements at once.
      const middle = Math.ceil(groups.length / 2)
      await answer(batching, groups.slice(0, middle), leaving)
      await answer(batching, groups.slice(middle), leaving)
    } else {
      if (!batching.passes(error)) group.waiting.shift()?.reject(error)
      leaving.leave(group)
    }
  }
}

/** Lets so many works be under way at once, in the order in which they came. */
function createSlots(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let free = most
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
