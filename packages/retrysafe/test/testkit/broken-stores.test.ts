/* The cases must turn red on stores that are broken in one place. */
import { type CaseResult, type OpenedStore, type OpenStore, runStoreCase, storeCases } from 'retrysafe/testkit'
import { expect, test, vi } from 'vitest'
import type { IdempotencyStore } from '../../src/contract/index.js'
import { quirks, wraps } from './broken-stores.js'
import { openRuleStore, type RuleStore } from './rule-store.js'

async function resultOf(name: string, open: OpenStore): Promise<CaseResult['status']> {
  const storeCase = storeCases.find((candidate) => candidate.name === name)
  if (storeCase === undefined) throw new Error(`There is no case "${name}".`)
  return (await runStoreCase(storeCase, open)).status
}

async function brokenCases(open: OpenStore): Promise<string[]> {
  const broken: string[] = []
  for (const storeCase of storeCases)
    if ((await runStoreCase(storeCase, open)).status === 'broken') broken.push(storeCase.name)
  return broken
}

for (const [what, notices, quirk] of quirks)
  test(`a store that ${what} is found out: ${notices}`, async () => {
    expect(await resultOf(notices, () => openRuleStore(quirk))).toBe('broken')
  })
for (const [what, notices, wrap] of wraps)
  test(`a store that ${what} is found out: ${notices}`, async () => {
    expect(await resultOf(notices, () => openRuleStore({}, wrap))).toBe('broken')
  })

test('a store that never wakes is found out, and holds nobody up', async () => {
  vi.useFakeTimers()
  try {
    const result = resultOf('a waiter is woken by a completion and by a release', () => openRuleStore({ wakes: false }))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await result).toBe('broken')
  } finally {
    vi.useRealTimers()
  }
})

test('a store that forgets on reopening is found out', async () => {
  const open = async (): Promise<OpenedStore> => {
    const opened = await openRuleStore()
    return { ...opened, reopen: async () => (await openRuleStore()).store }
  }
  expect(await brokenCases(open)).toEqual([
    'a response outlives the process',
    'a claim outlives the process, and its token with it',
    'an uncertain key outlives the process',
  ])
})

test('a store that offers only the contract skips what it does not offer, and says so', async () => {
  const bare = ({ begin, complete, get, renew, release, purge, close }: RuleStore): IdempotencyStore => ({
    begin,
    complete,
    get,
    renew,
    release,
    purge,
    close,
  })
  const open = async (): Promise<OpenedStore> => {
    const { store, scratch, age, again, close } = await openRuleStore({}, bare)
    return { store, scratch, age, again, close }
  }
  const reasons = new Set<string>()
  for (const storeCase of storeCases) {
    const result = await runStoreCase(storeCase, open)
    expect(result.status).not.toBe('broken')
    if (result.status === 'skipped') reasons.add(result.reason)
  }
  expect([...reasons].sort()).toEqual(
    ['countable', 'inspectable', 'limited', 'migratable', 'reopening', 'wakeable'].map(
      (need) => `the store is not ${need}`,
    ),
  )
})
