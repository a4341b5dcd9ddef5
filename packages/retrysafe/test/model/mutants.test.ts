import { expect, test } from 'vitest'
import { checkRules, type Rules, type World } from './check.js'
import { breakRules } from './mutant.js'
import { mutants } from './mutants.js'
import { worlds } from './worlds.js'

// Five calls are enough to see every mutant; rules.test.ts goes as deep as time allows.
const shallow: readonly World[] = worlds.map((world) => ({ ...world, depth: Math.min(world.depth, 5) }))

function firstViolation(rules: Rules): string | undefined {
  for (const world of shallow) {
    const { violation } = checkRules(rules, world)
    if (violation !== undefined) return violation
  }
  return undefined
}

test('the compiled rules hold', async () => {
  expect(firstViolation(await breakRules())).toBeUndefined()
})

for (const mutant of mutants)
  test(`rule ${mutant.rule}: the model sees when ${mutant.what}`, async () => {
    expect(firstViolation(await breakRules(mutant))).toMatch(/^Error: (promise|rule) \d/)
  })

test('each of the rules 1 to 8 is broken in several ways', () => {
  for (const rule of [1, 2, 3, 4, 5, 6, 7, 8])
    expect(mutants.filter((mutant) => mutant.rule === rule).length).toBeGreaterThan(3)
})
