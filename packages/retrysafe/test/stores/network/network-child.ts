/* A process of its own that uses a store on a network: node network-child.js MODE HANDLE URL NAME [ARGUMENT] */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { isRetrysafeError } from '../../../src/contract/errors.js'
import { createIdempotency } from '../../../src/engine/idempotency.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import type { NetworkStore, OpenHandle, ProcessHandle } from './bench.js'

type Mode = (store: NetworkStore, argument: string) => Promise<void>

const [mode = '', file = '', url = '', name = '', argument = ''] = process.argv.slice(2)
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
/** Synchronous, so that what was said was said before any kill. */
const say = (line: string): number => writeSync(1, `${line}\n`)
const hear = async (): Promise<string> => (await input.next()).value ?? ''

const modes: Readonly<Record<string, Mode>> = { race, duplicates, hold, load, wait }

/** Claims every key, 64 at a time, and names what it was answered. */
async function race(store: NetworkStore, count: string): Promise<void> {
  let keys = 0
  const caller = async (): Promise<void> => {
    for (let number = keys++; number < Number(count); number = keys++) {
      const key = `race-${number}`
      const outcome = await store.begin(key)
      say(`${outcome.status} ${key}`)
      if (outcome.status === 'new') await store.complete(key, { by: process.pid }, { token: outcome.token })
    }
  }
  await Promise.all(Array.from({ length: 64 }, caller))
}

/**
 * Runs work so many times, 50 times for each key, 64 at a time, each key's calls one after the other so that they meet those of
 * the other processes; names each run of the work, and every response it was given.
 */
async function duplicates(store: NetworkStore, count: string): Promise<void> {
  const idempotency = createIdempotency({ store })
  const responses = new Set<string>()
  let calls = 0
  const caller = async (): Promise<void> => {
    for (let call = calls++; call < Number(count); call = calls++) {
      const key = `key-${Math.floor(call / 50)}`
      const work = async (): Promise<{ key: string; by: string }> => {
        say(`ran ${key}`)
        await new Promise((resolve) => setTimeout(resolve, 1))
        return { key, by: `${process.pid}-${call}` }
      }
      const response = await idempotency.run(key, work, { whenInProgress: { waitMs: 25_000 } })
      responses.add(`${key} is ${JSON.stringify(response)}`)
    }
  }
  await Promise.all(Array.from({ length: 64 }, caller))
  await idempotency.drain()
  for (const response of responses) say(response)
}

/** Claims the key, and completes it when told so. */
async function hold(store: NetworkStore, key: string): Promise<void> {
  const outcome = await store.begin(key, { leaseMs: 60_000 })
  say(outcome.status)
  if (outcome.status !== 'new') return
  await hear()
  await store.complete(key, 'late', { token: outcome.token }).then(
    () => say('completed'),
    (error: { code?: string }) => say(`refused ${error.code}`),
  )
  await store.renew(key, outcome.token).catch((error: { code?: string }) => say(`renewal refused ${error.code}`))
}

/** Claims keys, and completes three of four, until it is killed; names each once it is acknowledged. */
async function load(store: NetworkStore, round: string): Promise<void> {
  const caller = async (_: unknown, number: number): Promise<void> => {
    for (let turn = 0; ; turn++) {
      const key = `load-${round}-${number}-${turn}`
      const outcome = await store.begin(key, { leaseMs: 60_000 })
      if (outcome.status !== 'new') throw new Error(`${key} is ${outcome.status}`)
      say(`claimed ${key}`)
      // It dies in the middle of the work for this one.
      if (turn % 4 === 0) continue
      await store.complete(key, { key }, { token: outcome.token })
      say(`completed ${key}`)
    }
  }
  await Promise.all(Array.from({ length: 32 }, caller))
}

/**
 * A duplicate that waits, by a clock that stands still: it never polls. A push that comes between the answer of `begin`
 * and the beginning of the wait would be lost, which polling makes up for; so here each wait begins before its `begin`.
 */
async function wait(store: NetworkStore, key: string): Promise<void> {
  const { wake } = store
  if (wake === undefined) throw new Error('The store does not push.')
  let over = new AbortController()
  let woken = Promise.resolve()
  const listening: NetworkStore = {
    ...store,
    begin: (wanted, options) => {
      over.abort()
      over = new AbortController()
      woken = wake(wanted, over.signal)
      return store.begin(wanted, options)
    },
    wake: (_, signal) => {
      const mine = over
      signal.addEventListener('abort', () => mine.abort(), { once: true })
      say('waiting')
      return woken
    },
  }
  const idempotency = createIdempotency({ store: listening, clock: simulatedClock(Date.now()) })
  const { response, replayed } = await idempotency.execute(key, () => 'of the duplicate', {
    whenInProgress: { waitMs: 3_000_000 },
  })
  over.abort()
  say(`${replayed ? 'replayed' : 'ran'} ${response}`)
}

const { openHandle } = (await import(pathToFileURL(file).href)) as { openHandle: OpenHandle<ProcessHandle> }
const handle = await openHandle({ url, name }, { push: mode === 'wait' })
try {
  say('ready')
  await hear()
  await modes[mode]?.(handle.store, argument)
} catch (error) {
  say(JSON.stringify(isRetrysafeError(error) ? { code: error.code, message: error.message } : String(error)))
}
await handle.close()
process.exit()
