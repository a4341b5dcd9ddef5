/* A process of its own that uses an SQLite store: node process-child.js MODE PATH [COUNT] */
import { writeSync } from 'node:fs'
import { isRetrysafeError } from '../../../src/contract/errors.js'
import { type SqliteStore, sqliteStore } from '../../../src/stores/sqlite.js'

const [mode = '', path = '', count = '0'] = process.argv.slice(2)
/** Synchronous, so that what was said was said before any kill. */
const say = (line: string): number => writeSync(1, `${line}\n`)

const modes: Readonly<Record<string, (store: SqliteStore) => Promise<void>>> = { race, load, once }

/** Claims every key at once and names those that it won. */
async function race(store: SqliteStore): Promise<void> {
  const keys = Array.from({ length: Number(count) }, (_, index) => `race-${index}`)
  await Promise.all(
    keys.map(async (key) => {
      const outcome = await store.begin(key)
      say(`${outcome.status} ${key}`)
      if (outcome.status === 'new') await store.complete(key, { by: process.pid }, { token: outcome.token })
    }),
  )
}

/** Completes keys until it is killed, naming each once it is acknowledged. */
async function load(store: SqliteStore): Promise<void> {
  const caller = async (_: unknown, number: number): Promise<void> => {
    for (let turn = 0; ; turn++) {
      const key = `load-${count}-${number}-${turn}`
      const outcome = await store.begin(key)
      if (outcome.status !== 'new') throw new Error(`${key} is ${outcome.status}`)
      await store.complete(key, { key }, { token: outcome.token })
      say(key)
    }
  }
  await Promise.all(Array.from({ length: 64 }, caller))
}

async function once(store: SqliteStore): Promise<void> {
  say((await store.begin('once')).status)
}

const store = sqliteStore({ path })
try {
  await modes[mode]?.(store)
  await store.close()
} catch (error) {
  say(JSON.stringify(isRetrysafeError(error) ? { code: error.code, message: error.message } : String(error)))
}
