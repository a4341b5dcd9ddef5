import { expect, test } from 'vitest'
import * as rules from '../../src/contract/rules.js'
import { checkRules } from './check.js'
import { worlds } from './worlds.js'

for (const world of worlds)
  test(`no history breaks a promise: ${world.name}`, () => {
    const { states, transitions, violation } = checkRules(rules, world)
    console.info(`${world.name}: ${states} states, ${transitions} transitions, histories of up to ${world.depth} calls`)
    expect(violation).toBeUndefined()
    expect(states).toBeGreaterThan(400)
  })
