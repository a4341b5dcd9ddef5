import { describe, expect, test } from 'vitest'
import { type IdempotencyStore, type Rec, RetrysafeError } from '../../src/contract/index.js'
import { type Driver, storeOf } from '../../src/stores/shared/driver.js'
import { type SwapTable, swapCalls } from '../../src/stores/shared/swap.js'
import { type SimulatedClock, simulatedClock } from '../../src/testkit/simulated-clock.js'

type Table = SwapTable<number>

interface Bed {
  readonly clock: SimulatedClock
  readonly entries: Map<string, { record: Rec; version: number }>
  readonly store: IdempotencyStore
}

/** A store on a map, with parts of its table and driver replaced. */
function bed(
  change: (table: Table, clock: SimulatedClock) => Partial<Table> = () => ({}),
  driver: Partial<Driver> = {},
): Bed {
  const clock = simulatedClock()
  const entries: Bed['entries'] = new Map()
  let version = 0
  const table: Table = {
    clock,
    random: () => 0.5,
    where: 'The map',
    skewMs: 0,
    async read(key) {
      const seen = entries.get(key)
      return { now: clock.now(), record: seen?.record, version: seen?.version }
    },
    async write(key, record, seen) {
      if (entries.get(key)?.version !== seen) return false
      entries.set(key, { record, version: ++version })
      return true
    },
    remove: async (key, seen) => entries.get(key)?.version === seen && entries.delete(key),
  }
  const store = storeOf({
    where: 'The map',
    maxValueBytes: 1000,
    skewMs: 0,
    ...swapCalls({ ...table, ...change(table, clock) }),
    purge: async () => 0,
    list: async () => [],
    toError: (error) => new RetrysafeError('store_unavailable', String(error), { cause: error }),
    ...driver,
  })
  return { clock, entries, store }
}

/** Lets simulated time pass until the call has ended. */
async function ended<T>(clock: SimulatedClock, call: Promise<T>): Promise<T> {
  let open = true
  const end = () => {
    open = false
  }
  call.then(end, end)
  for (let turn = 0; open && turn < 100_000; turn++) await clock.advance(1)
  return call
}

describe('a race', () => {
  test('that is lost is decided anew, by what the winner wrote', async () => {
    let rival: IdempotencyStore | undefined
    const { store, clock } = bed((table) => ({
      async write(key, record, seen) {
        const other = rival
        rival = undefined
        await other?.begin(key, { token: 'rival' })
        return table.write(key, record, seen)
      },
    }))
    rival = store
    expect(await ended(clock, store.begin('key', { token: 'mine' }))).toMatchObject({ status: 'in_progress' })
    await expect(store.complete('key', 1, { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
    await store.complete('key', 1, { token: 'rival' })
  })

  test('that is lost while removing leaves the winner’s record', async () => {
    let steal = true
    const { store, clock, entries } = bed((table) => ({
      async remove(key, seen) {
        const held = entries.get(key)
        if (steal && held !== undefined) entries.set(key, { record: { ...held.record, token: 'next' }, version: -1 })
        steal = false
        return table.remove(key, seen)
      },
    }))
    await store.begin('key', { token: 'mine' })
    await expect(ended(clock, store.release('key', 'mine'))).rejects.toMatchObject({ code: 'lease_lost' })
    expect(entries.get('key')?.record.token).toBe('next')
  })

  test('without an end is store_unavailable after 5 seconds, and not before', async () => {
    let tries = 0
    const { store, clock } = bed(() => ({
      write: async () => {
        tries++
        return false
      },
    }))
    const call = store.begin('key').catch((error: RetrysafeError) => error)
    await clock.advance(4900)
    expect(clock.pending).toBe(1)
    await clock.advance(200)
    expect(await call).toMatchObject({ code: 'store_unavailable', message: expect.stringContaining('5 s') })
    expect(clock.pending).toBe(0)
    // Naps grow to 64 ms, so that losers do not keep the winners from the engine.
    expect(tries).toBeGreaterThan(5000 / 64)
    expect(tries).toBeLessThan(5000 / 16)
  })

  test('is not run by a call that writes nothing', async () => {
    let writes = 0
    const { store } = bed((table) => ({
      write: (...all) => {
        writes++
        return table.write(...all)
      },
    }))
    await store.begin('key', { token: 'mine' })
    await store.begin('key')
    await store.complete('key', 1, { token: 'mine' })
    await store.complete('key', 1, { token: 'mine' })
    await store.begin('key')
    expect(writes).toBe(2)
  })
})

describe('an engine that fails', () => {
  test('is not asked again, since nobody knows what it did', async () => {
    let reads = 0
    const { store } = bed(() => ({
      read: async () => {
        reads++
        throw new Error('cut')
      },
    }))
    for (const call of [() => store.begin('a'), () => store.get('a'), () => store.complete('a', 1)])
      await expect(call()).rejects.toMatchObject({ code: 'store_unavailable', cause: expect.any(Error) })
    expect(reads).toBe(3)
  })

  test('is asked again where the failure passes, for up to 5 seconds', async () => {
    let failures = 3
    const { store, clock } = bed((table) => ({
      passes: (error) => error instanceof Error && error.message === 'deadlock',
      async read(key) {
        if (failures-- > 0) throw new Error('deadlock')
        return table.read(key)
      },
    }))
    expect(await ended(clock, store.begin('key'))).toMatchObject({ status: 'new' })
    failures = Number.POSITIVE_INFINITY
    await expect(ended(clock, store.begin('key'))).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('deadlock'),
      cause: expect.objectContaining({ message: 'deadlock' }),
    })
  })

  test('in the words of the contract is quoted, not wrapped', async () => {
    const full = new RetrysafeError('store_full', 'No room.')
    const { store } = bed(() => ({ read: () => Promise.reject(full) }))
    await expect(store.begin('key')).rejects.toBe(full)
  })
})

describe('close', () => {
  test('waits for the calls under way, then closes once, and refuses those that come after', async () => {
    const order: string[] = []
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const driver = { purge: () => gate.then(() => order.push('purged')) }
    const store = storeOf(Object.assign({ ...(driver as unknown as Driver) }), async () => {
      order.push('closed')
    })
    const purging = store.purge()
    const closing = [store.close(), store.close()]
    await expect(store.begin('key')).rejects.toMatchObject({ code: 'store_closed' })
    go()
    await Promise.all([purging, ...closing])
    expect(order).toEqual(['purged', 'closed'])
  })

  test('waits for a call that fails too', async () => {
    const { store } = bed(() => ({ read: () => Promise.reject(new Error('cut')) }))
    const ends = await Promise.allSettled([store.begin('key'), store.close()])
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })

  test('is for migrate too, and there is no migrate where there is nothing to create', async () => {
    const { store } = bed(undefined, { migrate: async () => undefined })
    const { migrate } = store as unknown as { migrate(): Promise<void> }
    await migrate()
    await store.close()
    await expect(migrate()).rejects.toMatchObject({ code: 'store_closed' })
    expect('migrate' in bed().store).toBe(false)
  })
})

test('a value over the limit never reaches the engine', async () => {
  let asked = 0
  const { store } = bed(() => ({
    read: async () => {
      asked++
      throw new Error('asked')
    },
  }))
  for (const call of [
    () => store.complete('key', new Uint8Array(1001)),
    () => store.renew('key', 'mine', { checkpoint: 'é'.repeat(500) }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'value_too_large', key: 'key' })
  expect(asked).toBe(0)
})
