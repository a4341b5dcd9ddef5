import { describe, expect, test } from 'vitest'
import type { Bench } from './bench.js'
import { type Child, childrenOf } from './children.js'
import { patience } from './patience.js'
import { placesOf } from './places.js'

export interface ProcessOptions {
  /** Keys that four processes race for. Default 500. */
  readonly raced?: number
}

/** Keys with a hundred duplicates each. */
const duplicated = 100

/** Real processes that race, and one that is stopped. */
export function processSuite(bench: Bench, { raced = 500 }: ProcessOptions = {}): void {
  const places = placesOf(bench)
  const children = childrenOf(bench)

  describe(`several processes on ${bench.name}`, patience, () => {
    test(`of ${100 * duplicated} duplicates of ${duplicated} keys in two processes each key runs once, and all get one response`, async (context) => {
      const place = await places.make(context)
      const each = String(50 * duplicated)
      const lines = await together(await Promise.all([1, 2].map(() => children.start('duplicates', place, each))))
      const keys = Array.from({ length: duplicated }, (_, index) => `key-${index}`)
      expect(lines.filter((line) => line.startsWith('ran ')).sort()).toEqual(keys.map((key) => `ran ${key}`).sort())
      const responses = new Set(lines.filter((line) => !line.startsWith('ran ')))
      expect([...responses].map((line) => line.split(' is ')[0]).sort()).toEqual(keys.sort())
    })

    test(`of four processes that race for ${raced} keys exactly one wins each`, async (context) => {
      const place = await places.make(context)
      const racers = await Promise.all([1, 2, 3, 4].map(() => children.start('race', place, String(raced))))
      const lines = await together(racers)
      expect(lines.filter((line) => !/^(new|in_progress|completed) race-\d+$/.test(line))).toEqual([])
      expect(lines.length).toBe(4 * raced)
      const won = lines.filter((line) => line.startsWith('new ')).sort()
      expect(won).toEqual(Array.from({ length: raced }, (_, index) => `new race-${index}`).sort())
    })

    test('a process that was stopped beyond its lease cannot overwrite who took its key over', async (context) => {
      const place = await places.make(context)
      const { store, age } = await places.open(place)
      const child = await children.start('hold', place, 'key')
      child.tell('begin')
      await child.until((line) => line === 'new')
      child.signal('SIGSTOP')
      // It is in its pipe when the process goes on, so nothing else comes first.
      child.tell('complete')
      await age('key', 61_000)
      const taken = await store.begin('key', { token: 'successor' })
      expect(taken).toMatchObject({ status: 'new', attempt: 2 })
      child.signal('SIGCONT')
      await child.until((line) => line.startsWith('refused') || line === 'completed')
      expect(await store.get('key')).toMatchObject({ status: 'in_progress', attempt: 2 })
      await store.complete('key', 'right', { token: 'successor' })
      await child.ended
      expect(child.lines).toEqual(['new', 'refused lease_lost', 'renewal refused lease_lost'])
      expect(await store.begin('key')).toMatchObject({ status: 'completed', response: 'right', attempt: 2 })
    })

    test('a process that was stopped beyond its lease still completes what nobody took over', async (context) => {
      const place = await places.make(context)
      const { store, age } = await places.open(place)
      const child = await children.start('hold', place, 'key')
      child.tell('begin')
      await child.until((line) => line === 'new')
      child.signal('SIGSTOP')
      child.tell('complete')
      await age('key', 61_000)
      child.signal('SIGCONT')
      await child.ended
      expect(child.lines).toEqual(['new', 'completed', 'renewal refused lease_lost'])
      expect(await store.begin('key')).toMatchObject({ status: 'completed', response: 'late', attempt: 1 })
    })
  })
}

/** Lets them begin at the same time; gives what all of them said. */
async function together(all: readonly Child[]): Promise<string[]> {
  for (const child of all) child.tell('begin')
  await Promise.all(all.map(({ ended }) => ended))
  return all.flatMap(({ lines }) => lines)
}
