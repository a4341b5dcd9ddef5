import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOver, type Rec, RetrysafeError, toRecord } from '../../../src/contract/index.js'
import { compareAndSwapStore } from '../../../src/stores/cas.js'
import { maxHeadBytes, packedFormat, packRecord, unpackRecord } from '../../../src/stores/shared/packed-record.js'
import { simulatedClock } from '../../../src/testkit/simulated-clock.js'
import type { OpenedStore } from '../../../src/testkit/store-case.js'
import { callOf } from '../calls.js'
import { storeCaseSuite } from '../network/store-cases.js'
import { standingClock } from './clock.js'
import { type MapTable, mapTable } from './table.js'

type Deny = 'scan' | 'now'

/** A store on a map, opened as the store cases want it; without what is denied. */
function opener(...denied: Deny[]): () => Promise<OpenedStore> {
  return async () => {
    const clock = standingClock()
    const first = mapTable()
    const skewMs = denied.includes('now') ? 5000 : 0
    const open = (table: MapTable) =>
      compareAndSwapStore(
        {
          ...table,
          ...(denied.includes('scan') && { scan: undefined as never }),
          ...(!denied.includes('now') && { now: async () => clock.now() }),
        },
        // Where the engine has a clock, those of the machines are wrong.
        { clock: denied.includes('now') ? clock : standingClock(0) },
      )
    const stores = [open(first)]
    const another = async () => {
      const store = open(mapTable(first.entries))
      stores.push(store)
      return store
    }
    return {
      store: stores[0] ?? open(first),
      scratch: 'case/',
      frozen: true,
      skewMs,
      limits: { maxValueBytes: first.maxValueBytes },
      age: async (_key, ms) => clock.jump(ms),
      again: another,
      reopen: another,
      ...(!denied.includes('scan') && { stored: async () => first.entries.size }),
      close: async () => {
        for (const store of stores) await store.close()
      },
    }
  }
}

storeCaseSuite('compare-and-swap with the clock of the engine', opener())
storeCaseSuite('compare-and-swap with the clocks of the machines', opener('now'))
storeCaseSuite('compare-and-swap without a scan', opener('scan', 'now'))

const call = callOf({
  leaseMs: [undefined, 100, 1000],
  renewMs: [undefined, undefined, 0, 1000],
  retentionMs: [undefined, 1000, 2000],
  waitMs: [1, 99, 100, 999, 1000, 1100, 2000],
})

test('whatever is asked in whatever order, it answers and holds what the pure rules say', async () => {
  const clock = simulatedClock()
  const store = compareAndSwapStore(mapTable(), { clock, maxClockSkewMs: 0 })
  let keys = 0
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 25 }), async (calls) => {
      const key = `key-${++keys}`
      let record: Rec | undefined
      for (const { what, ms, step, rule } of calls) {
        if (ms !== undefined) clock.jump(ms)
        if (step === undefined || rule === undefined) continue
        const { decision, answer } = rule(record, clock.now())
        expect(await step(store, key).catch((error: { code?: string }) => error.code), what).toEqual(answer)
        if (decision.write !== undefined) record = decision.write
        if (decision.remove) record = undefined
        const shown = record === undefined || isOver(record, clock.now()) ? undefined : toRecord(key, record)
        expect(await store.get(key), what).toEqual(shown)
      }
    }),
    { numRuns: 300 },
  )
})

describe('the engine', () => {
  test('is asked once for a replay and a duplicate, which write nothing', async () => {
    const table = mapTable()
    const store = compareAndSwapStore(table)
    await store.begin('done', { token: 'mine' })
    await store.complete('done', 'response', { token: 'mine' })
    await store.begin('running')
    const before = { ...table.calls }
    expect(await store.begin('done')).toMatchObject({ status: 'completed' })
    expect(await store.begin('running')).toMatchObject({ status: 'in_progress' })
    expect(table.calls).toEqual({ ...before, read: before.read + 2 })
  })

  test('is told when it may forget a key, the skew of clocks included, and that it may not before that', async () => {
    const clock = simulatedClock(1_000_000)
    const table = mapTable()
    const store = compareAndSwapStore(table, { clock, maxClockSkewMs: 700 })
    await store.begin('a', { leaseMs: 1000, retentionMs: 2000, token: 'mine' })
    expect(table.entries.get('a')?.expiresAt).toBe(1_000_000 + 3000 + 700)
    await store.complete('a', 1, { token: 'mine', retentionMs: 5000 })
    expect(table.entries.get('a')?.expiresAt).toBe(1_000_000 + 5000 + 700)
    await store.begin('b', { afterCrash: 'uncertain' })
    expect(table.entries.get('b')?.expiresAt).toBeUndefined()
  })

  test('that forgets a key while it is decided upon is not written over from what was seen', async () => {
    const table = mapTable()
    const store = compareAndSwapStore({
      ...table,
      async put(key, value, seen, expiresAt) {
        if (seen !== undefined) table.entries.delete(key)
        return table.put(key, value, seen, expiresAt)
      },
    })
    await store.begin('key', { token: 'mine' })
    await expect(store.complete('key', 1, { token: 'mine' })).rejects.toMatchObject({ code: 'lease_lost' })
    expect(table.entries.size).toBe(0)
  })

  test('may lose the answer of a write, which is then found to be the caller’s own', async () => {
    const table = mapTable()
    let lose = true
    const store = compareAndSwapStore({
      ...table,
      // A client that sends the request again by itself, and is refused for what it wrote the first time.
      async put(key, value, seen, expiresAt) {
        const written = await table.put(key, value, seen, expiresAt)
        return lose ? table.put(key, value, seen, expiresAt) : written
      },
    })
    const ends = [
      await store.begin('key', { token: 'mine', leaseMs: 60_000 }),
      await store.complete('key', 'done', { token: 'mine' }),
    ]
    lose = false
    expect(ends).toMatchObject([{ status: 'new', attempt: 1 }, undefined])
    expect(await store.begin('key')).toMatchObject({ status: 'completed', response: 'done' })
  })

  test('that answers late lets no call decide by the time before it was asked', async () => {
    const clock = simulatedClock()
    const table = mapTable()
    const store = compareAndSwapStore(
      {
        ...table,
        async read(key) {
          const seen = await table.read(key)
          clock.jump(60_000)
          return seen
        },
      },
      { clock },
    )
    const outcome = await store.begin('key', { leaseMs: 1000 })
    expect(outcome).toMatchObject({ status: 'new', leaseUntil: new Date(clock.now() + 1000) })
  })

  test('whose time is no time is told so', async () => {
    const store = compareAndSwapStore({ ...mapTable(), now: async () => Number.NaN })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('now()'),
    })
  })

  test('fails, and the caller has its error as the cause', async () => {
    const cause = new Error('connection reset')
    const store = compareAndSwapStore({ ...mapTable(), read: () => Promise.reject(cause) })
    await expect(store.begin('key')).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('The map: connection reset'),
      cause,
    })
  })

  test('may fail in the words of the contract', async () => {
    const full = new RetrysafeError('store_full', 'No room.')
    const store = compareAndSwapStore({ ...mapTable(), put: () => Promise.reject(full) })
    await expect(store.begin('key')).rejects.toBe(full)
  })

  test('is closed once, after the last call has its answer', async () => {
    const order: string[] = []
    const table = mapTable()
    const store = compareAndSwapStore({
      ...table,
      async put(key, value, seen, expiresAt) {
        const written = await table.put(key, value, seen, expiresAt)
        order.push('written')
        return written
      },
      close: async () => {
        order.push('closed')
      },
    })
    const begun = store.begin('key')
    await Promise.all([store.close(), store.close(), begun])
    expect(order).toEqual(['written', 'closed'])
  })
})

describe('scans', () => {
  test('in any order make pages in the byte order of keys, without a key twice', async () => {
    const table = mapTable()
    const store = compareAndSwapStore({
      ...table,
      async *scan(prefix) {
        yield* table.scan(prefix)
        yield* table.scan('')
      },
    })
    const keys = ['b', '\u{1f600}', 'a', '\uffee', 'ab', 'é', 'c']
    for (const key of keys) await store.begin(key)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list({ limit: 2, cursor })
      seen.push(...page.records.map(({ key }) => key))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(seen).toEqual(['a', 'ab', 'b', 'c', 'é', '\uffee', '\u{1f600}'])
  })

  test('purge what is over, never more than is asked, and leave what they cannot read', async () => {
    const clock = simulatedClock()
    const table = mapTable()
    const store = compareAndSwapStore(table, { clock, maxClockSkewMs: 0 })
    for (const key of ['a', 'b', 'c']) await store.begin(key, { leaseMs: 100, retentionMs: 1000 })
    table.entries.set('foreign', { value: Uint8Array.of(1, 2, 3), version: 'x', expiresAt: 0 })
    clock.jump(1100)
    await store.begin('live')
    expect([await store.purge({ limit: 2 }), await store.purge({ limit: 2 })]).toEqual([2, 1])
    expect([...table.entries.keys()]).toEqual(['foreign', 'live'])
  })

  test('do not take the claim that came after they looked', async () => {
    const clock = simulatedClock()
    const table = mapTable()
    const store = compareAndSwapStore(
      {
        ...table,
        async *scan(prefix) {
          for await (const seen of table.scan(prefix)) {
            await store.begin(seen.key, { token: 'next' })
            yield seen
          }
        },
      },
      { clock, maxClockSkewMs: 0 },
    )
    await store.begin('key', { leaseMs: 100, retentionMs: 1000 })
    clock.jump(1100)
    expect(await store.purge()).toBe(0)
    await store.complete('key', 1, { token: 'next' })
  })

  test('are not needed where the engine purges by itself', async () => {
    const asked: unknown[] = []
    const clock = simulatedClock(1000)
    const store = compareAndSwapStore(
      {
        ...mapTable(),
        purge: async (limit, now) => {
          asked.push([limit, now])
          return 7
        },
      },
      { clock },
    )
    expect(await store.purge({ limit: 10 })).toBe(7)
    expect(asked).toEqual([[10, 1000]])
  })

  test('are not to be had where the table has none', async () => {
    const { scan, ...table } = mapTable()
    const store = compareAndSwapStore(table)
    expect('list' in store).toBe(false)
    expect(await store.purge()).toBe(0)
    await store.begin('key')
    expect(await store.free('key', { attempt: 1 })).toBe(true)
    await store.begin('key')
    expect([await store.delete('key'), await store.delete('key')]).toEqual([true, false])
  })
})

describe('options', () => {
  test.each([
    ['maxValueBytes', { maxValueBytes: 0 }, {}],
    ['maxValueBytes', { maxValueBytes: undefined as never }, {}],
    ['maxClockSkewMs', {}, { maxClockSkewMs: -1 }],
    ['maxClockSkewMs', {}, { maxClockSkewMs: 60_001 }],
  ])('a %s that will not do is refused at once: %j %j', (name, table, options) => {
    const open = () => compareAndSwapStore({ ...mapTable(), ...table }, options)
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(name) }))
  })

  test('an engine with a clock allows for no skew unless it is told to', async () => {
    const clock = simulatedClock()
    const now = async () => clock.now()
    const exact = compareAndSwapStore({ ...mapTable(), now })
    const skewed = compareAndSwapStore({ ...mapTable(), now }, { maxClockSkewMs: 10 })
    for (const store of [exact, skewed]) await store.begin('key', { leaseMs: 100 })
    clock.jump(109)
    expect(await exact.begin('key')).toMatchObject({ status: 'new', attempt: 2 })
    expect(await skewed.begin('key')).toMatchObject({ status: 'in_progress' })
    clock.jump(1)
    expect(await skewed.begin('key')).toMatchObject({ status: 'new', attempt: 2 })
  })
})

const whole: Rec = {
  status: 'completed',
  attempt: 3,
  token: 'tökén',
  fingerprint: 'v1:abc',
  leaseMs: 30_000,
  retentionMs: 86_400_000,
  leaseUntil: 1_767_225_630_000,
  expiresAt: 1_767_312_000_000,
  afterCrash: 'uncertain',
  createdAt: 1_767_225_600_000,
  updatedAt: 1_767_225_600_001,
  completedAt: 1_767_225_600_001,
  kind: 'http',
  response: Uint8Array.of(0, 255, 10),
  checkpoint: '{"a":"é"}',
  checkpointNumber: 4,
  withheld: true,
}
const bare: Rec = {
  ...whole,
  status: 'in_progress',
  token: undefined,
  fingerprint: undefined,
  leaseUntil: undefined,
  expiresAt: undefined,
  completedAt: undefined,
  kind: undefined,
  response: undefined,
  checkpoint: undefined,
  withheld: false,
}

describe('a packed record', () => {
  test.each([
    ['with all there is', whole],
    ['with the least', bare],
    ['with bytes of no length', { ...whole, checkpoint: new Uint8Array(0), response: new Uint8Array(0) }],
    ['with a text that begins with a byte order mark', { ...whole, response: '"\ufeff"', checkpoint: '\ufeff1' }],
  ])('is given back as it was, %s', (_, record) => {
    const packed = packRecord(record)
    expect(unpackRecord('key', packed)).toEqual(record)
    const within = new Uint8Array(packed.byteLength + 20)
    within.set(packed, 7)
    const view = within.subarray(7, 7 + packed.byteLength)
    const unpacked = unpackRecord('key', view)
    within.fill(0)
    expect(unpacked).toEqual(record)
  })

  test('of a Node Buffer is a copy too', () => {
    const buffer = Buffer.from(packRecord(whole))
    const { response } = unpackRecord('key', buffer)
    buffer.fill(0)
    expect(response).toEqual(Uint8Array.of(0, 255, 10))
    expect(Object.getPrototypeOf(response)).toBe(Uint8Array.prototype)
  })

  test('of format 1 is read for ever', () => {
    const fixture = readFileSync(new URL('../fixtures/packed-record-1.bin', import.meta.url))
    expect(unpackRecord('key', fixture)).toEqual(whole)
    expect(packedFormat).toBe(1)
  })

  test('has no more besides its values than it says, however long the words in it are', () => {
    for (const letter of ['"', '\\', '€']) {
      const words = { token: letter.repeat(255), fingerprint: letter.repeat(255), kind: letter.repeat(255) }
      const most = Number.MAX_SAFE_INTEGER
      const instants = { leaseUntil: most, expiresAt: most, createdAt: most, updatedAt: most, completedAt: most }
      const numbers = { attempt: most, leaseMs: most, retentionMs: most, checkpointNumber: most }
      const { byteLength } = packRecord({ ...whole, ...words, ...instants, ...numbers })
      expect(byteLength - 3 - 10).toBeLessThanOrEqual(maxHeadBytes)
    }
  })

  test('of a later format is left to those that know it', async () => {
    const packed = packRecord(whole)
    packed[2] = packedFormat + 1
    const table = mapTable(new Map([['key', { value: packed, version: 'x', expiresAt: undefined }]]))
    const store = compareAndSwapStore(table)
    for (const ask of [() => store.begin('key'), () => store.get('key'), () => store.delete('key')])
      await expect(ask()).rejects.toMatchObject({ code: 'unsupported', key: 'key' })
    expect(table.entries.get('key')?.value).toBe(packed)
  })

  test('that is none, or damaged anywhere, is store_corrupt', () => {
    const packed = packRecord(whole)
    const foreign = [new Uint8Array(0), new TextEncoder().encode('{"a":1}'), Uint8Array.of(0x72, 0x73, 1, 0, 0, 0, 0)]
    const cut = Array.from({ length: packed.byteLength }, (_, length) => packed.slice(0, length))
    const longer = new Uint8Array([...packed, 0])
    for (const bytes of [...foreign, ...cut, longer])
      expect(() => unpackRecord('key', bytes)).toThrow(expect.objectContaining({ code: 'store_corrupt', key: 'key' }))
    const zero = packed.slice()
    zero[2] = 0
    expect(() => unpackRecord('key', zero)).toThrow(expect.objectContaining({ code: 'store_corrupt' }))
  })

  test.each([
    '"status":"done"',
    '"attempt":"3"',
    '"lease_until":null',
    '"token":1',
    '"checkpoint":{"as":"x","length":9}',
  ])('whose head says %s is store_corrupt', (member) => {
    const name = member.slice(0, member.indexOf(':'))
    const packed = packRecord(whole)
    const length = new DataView(packed.buffer).getUint32(3)
    const head = JSON.parse(new TextDecoder().decode(packed.subarray(7, 7 + length))) as Record<string, unknown>
    const changed = new TextEncoder().encode(
      JSON.stringify({
        ...head,
        [JSON.parse(name) as string]: (JSON.parse(`{${member}}`) as object)[JSON.parse(name) as never],
      }),
    )
    const bytes = new Uint8Array([...packed.subarray(0, 7), ...changed, ...packed.subarray(7 + length)])
    new DataView(bytes.buffer).setUint32(3, changed.byteLength)
    expect(() => unpackRecord('key', bytes)).toThrow(expect.objectContaining({ code: 'store_corrupt' }))
  })
})
