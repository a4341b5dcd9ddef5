import { type OpenStore, runStoreCase, storeCases } from 'retrysafe/testkit'
import { expect, test } from 'vitest'
import { breakRules } from '../model/mutant.js'
import { mutants } from '../model/mutants.js'
import { openRuleStore } from './rule-store.js'

/** The first case that the store breaks. */
async function firstBroken(open: OpenStore): Promise<string | undefined> {
  for (const storeCase of storeCases)
    if ((await runStoreCase(storeCase, open)).status === 'broken') return storeCase.name
  return undefined
}

test('the names of the cases are unique sentences', () => {
  const names = storeCases.map((storeCase) => storeCase.name)
  expect(new Set(names).size).toBe(names.length)
  for (const { name, why } of storeCases) expect([name.length > 10, why.endsWith('.')]).toEqual([true, true])
})

for (const storeCase of storeCases)
  test(`a store of rules and a map holds: ${storeCase.name}`, async () => {
    expect(await runStoreCase(storeCase, () => openRuleStore())).toEqual({ status: 'held' })
  })

test('a store whose machines’ clocks are apart holds every case', async () => {
  expect(await firstBroken(() => openRuleStore({ skewMs: 5000 }))).toBeUndefined()
})

test('a store whose clock goes on between two calls holds every case', async () => {
  expect(await firstBroken(() => openRuleStore({ ticks: true }))).toBeUndefined()
  expect(await firstBroken(() => openRuleStore({ ticks: true, skewMs: 5000 }))).toBeUndefined()
})

for (const mutant of mutants)
  test(`rule ${mutant.rule}: the cases see when ${mutant.what}`, async () => {
    const rules = await breakRules(mutant)
    const skewMs = mutant.rule === 10 ? 5000 : 0
    expect(await firstBroken(() => openRuleStore({ rules, skewMs }))).toBeDefined()
  })
