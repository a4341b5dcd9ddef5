/* Calls that are made at the same moment share one script call: it costs both sides more than what it does. */
import { batchLimit } from '../../contract/index.js'
import type { Port } from './client.js'
import { isCrossSlot } from './errors.js'
import type { Script } from './scripts.js'

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

/** Runs a script for a key, `shared` before the key's own arguments. */
export type Run = (script: Script, shared: readonly string[], key: string, args: readonly string[]) => Promise<Answer>

export function createBatches(port: Port): Run {
  const open = new Map<Script, Batch>()
  let alone = port.clustered

  function flush(batch: Batch): void {
    if (open.get(batch.script) === batch) open.delete(batch.script)
    void send(batch)
  }

  async function send({ script, shared, calls }: Batch): Promise<void> {
    try {
      const args = [...shared]
      const keys: string[] = []
      for (const call of calls) {
        keys.push(call.key)
        args.push(...call.args)
      }
      const reply = (await port.run(script, keys, args)) as unknown[]
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
      let batch = open.get(script)
      if (batch !== undefined && (!same(batch.shared, shared) || batch.chars + chars > maxBatchChars)) {
        flush(batch)
        batch = undefined
      }
      if (batch === undefined) {
        const fresh: Batch = { script, shared, calls: [], chars: 0 }
        batch = fresh
        open.set(script, fresh)
        queueMicrotask(() => {
          if (open.get(script) === fresh) flush(fresh)
        })
      }
      batch.calls.push(call)
      batch.chars += chars
      if (batch.calls.length >= batchLimit.default) flush(batch)
    })
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.every((value, index) => value === other[index])
}
