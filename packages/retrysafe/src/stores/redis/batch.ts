/*
 * Calls that are made at the same moment share script calls: each costs both sides more than what it does for one key.
 * Where the client writes each at once, not all share one: the server is at work on the first while the next is written.
 */
import { batchLimit } from '../../contract/index.js'
import type { Port } from './client.js'
import { isCrossSlot } from './errors.js'
import type { Script } from './scripts.js'

/** Keys of a script call: each further one of the same moment has twice as many, up to the most. */
const keysOf = {
  eager: { fewest: 8, most: 32 },
  gathering: { fewest: batchLimit.default, most: batchLimit.default },
} as const
/** Characters of arguments that one script call takes, besides its first key's. */
const maxBatchChars = 1_048_576

interface Call {
  readonly key: string
  readonly args: readonly string[]
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** What a script said of a key, and of all its keys together. */
export interface Answer {
  readonly item: unknown
  readonly shared: unknown
}

interface Batch {
  readonly script: Script
  readonly shared: readonly string[]
  readonly calls: Call[]
  chars: number
}

/** What is asked of a script in one turn of the event loop. */
interface Moment {
  batch: Batch | undefined
  /** How many keys the batch may have. */
  room: number
}

/** Runs a script for a key, `shared` before the key's own arguments. */
export type Run = (script: Script, shared: readonly string[], key: string, args: readonly string[]) => Promise<Answer>

export function createBatches(port: Port): Run {
  const keys = keysOf[port.writing]
  const moments = new Map<Script, Moment>()
  let alone = port.clustered

  function flush(moment: Moment): void {
    const { batch } = moment
    if (batch === undefined) return
    moment.batch = undefined
    moment.room = Math.min(moment.room * 2, keys.most)
    void send(batch)
  }

  function momentOf(script: Script): Moment {
    const current = moments.get(script)
    if (current !== undefined) return current
    const moment: Moment = { batch: undefined, room: keys.fewest }
    moments.set(script, moment)
    queueMicrotask(() => {
      moments.delete(script)
      flush(moment)
    })
    return moment
  }

  async function send({ script, shared, calls }: Batch): Promise<void> {
    try {
      const args = [...shared]
      for (const call of calls) args.push(...call.args)
      const named = calls.map(({ key }) => key)
      const reply = (await port.run(script, named, args)) as unknown[]
      for (const [index, call] of calls.entries()) call.resolve({ item: reply[index], shared: reply[calls.length] })
    } catch (error) {
      // The server has run nothing: behind one connection there are several, and each call goes by itself from now on.
      const divided = calls.length > 1 && isCrossSlot(error)
      if (divided) alone = true
      for (const call of calls)
        if (divided) void send({ script, shared, calls: [call], chars: 0 })
        else call.reject(error)
    }
  }

  return (script, shared, key, args) =>
    new Promise((resolve, reject) => {
      const call: Call = { key, args, resolve, reject }
      if (alone) return void send({ script, shared, calls: [call], chars: 0 })
      const chars = args.reduce((sum, arg) => sum + arg.length, key.length)
      const moment = momentOf(script)
      const { batch } = moment
      if (batch !== undefined && (!same(batch.shared, shared) || batch.chars + chars > maxBatchChars)) flush(moment)
      moment.batch ??= { script, shared, calls: [], chars: 0 }
      moment.batch.calls.push(call)
      moment.batch.chars += chars
      if (moment.batch.calls.length >= moment.room) flush(moment)
    })
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.every((value, index) => value === other[index])
}
