/* Ways to break the rules, one statement at a time, as edits of the compiled rules. Each must be seen to break them. */
import { readFileSync } from 'node:fs'
import type { Rules } from './check.js'

export interface Mutant {
  readonly rule: number
  /** What the broken rules do. */
  readonly what: string
  /** Occurs exactly once in the compiled rules. */
  readonly find: string
  readonly replace: string
}

const compiled = new URL('../../dist/contract/rules.js', import.meta.url)

/** The compiled rules, broken by the mutant; `npm run build` must have been run before. */
export async function breakRules(mutant?: Mutant): Promise<Rules> {
  const sound = readFileSync(compiled, 'utf8')
  if (mutant === undefined) return load(sound)
  const found = sound.split(mutant.find).length - 1
  if (found !== 1) throw new Error(`The mutant "${mutant.what}" must match once, and matches ${found} times.`)
  return load(sound.replace(mutant.find, () => mutant.replace))
}

async function load(source: string): Promise<Rules> {
  return (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`)) as Rules
}

export function drop(rule: number, what: string, find: string): Mutant {
  return { rule, what, find, replace: '' }
}

export function swap(rule: number, what: string, find: string, replace: string): Mutant {
  return { rule, what, find, replace }
}
