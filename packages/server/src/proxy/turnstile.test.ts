import { expect, test } from 'vitest'
import { createTurnstile } from './turnstile.js'

const never = new AbortController().signal

test('so many are inside at once, and the others come in as they came', () => {
  const turnstile = createTurnstile(2)
  const leaves: (() => void)[] = []
  const came: string[] = []
  for (const name of ['a', 'b', 'c', 'd'])
    turnstile.enter(never, (leave) => {
      came.push(name)
      leaves.push(leave)
    })
  expect(came).toEqual(['a', 'b'])
  expect(turnstile.waiting()).toBe(2)
  leaves[0]?.()
  expect(came).toEqual(['a', 'b', 'c'])
  // Who has left cannot give a place away once more.
  leaves[0]?.()
  expect(came).toEqual(['a', 'b', 'c'])
  leaves[1]?.()
  expect(came).toEqual(['a', 'b', 'c', 'd'])
  expect(turnstile.waiting()).toBe(0)
})

test('who gives up waiting is forgotten, and takes no place', () => {
  const turnstile = createTurnstile(1)
  const patience = new AbortController()
  let leave = (): void => {}
  const came: string[] = []
  turnstile.enter(never, (go) => {
    leave = go
  })
  turnstile.enter(patience.signal, () => came.push('left'))
  turnstile.enter(never, () => came.push('waited'))
  patience.abort()
  expect(turnstile.waiting()).toBe(1)
  leave()
  expect(came).toEqual(['waited'])
  turnstile.enter(patience.signal, () => came.push('late'))
  turnstile.open()
  expect(came).toEqual(['waited'])
})

test('an open turnstile lets everybody in', () => {
  const turnstile = createTurnstile(1)
  let inside = 0
  for (let n = 0; n < 3; n++) turnstile.enter(never, () => inside++)
  expect(inside).toBe(1)
  turnstile.open()
  expect(inside).toBe(3)
  turnstile.enter(never, () => inside++)
  expect(inside).toBe(4)
})
