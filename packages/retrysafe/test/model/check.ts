/*
 * Walks through every short history of a few workers that share one key, breadth first, and lets the ledger judge each
 * answer. States that are equal up to the time of day are visited once: all that can follow from them is the same.
 */
import type * as RulesModule from '../../src/contract/rules.js'
import type { BeginAsk, Rec } from '../../src/contract/rules.js'
import * as ledgers from './ledger.js'

export type Rules = Pick<
  typeof RulesModule,
  'onBegin' | 'onComplete' | 'onRenew' | 'onRelease' | 'onFree' | 'isOver' | 'isUncertain'
>

/** One call. Calls whose answer was lost need no move of their own: callers repeat any call at any time. */
export type Move =
  | { readonly verb: 'begin'; readonly ask: BeginAsk }
  | { readonly verb: 'complete'; readonly token: string | undefined; readonly retentionMs?: number }
  | {
      readonly verb: 'renew'
      readonly token: string
      readonly leaseMs?: number
      readonly save?: { readonly number?: number }
    }
  | { readonly verb: 'release'; readonly token: string }
  | { readonly verb: 'free'; readonly attempt: number }
  | { readonly verb: 'purge' }

/** The calls that may come in any order, and how far the histories go. */
export interface World {
  readonly name: string
  readonly moves: readonly Move[]
  readonly depth: number
  readonly skewMs?: number
}

interface State {
  readonly record: Rec | undefined
  readonly ledger: ledgers.Ledger
  readonly now: number
  /** How it came to this, for the report of a violation. */
  readonly before: State | undefined
  readonly move: Move | number | undefined
}

export interface Report {
  readonly states: number
  readonly transitions: number
  /** Which promise was broken, and by which history. */
  readonly violation?: string
}

export function checkRules(rules: Rules, { moves, depth, skewMs = 0 }: World): Report {
  const start: State = { record: undefined, ledger: ledgers.nothing, now: 0, before: undefined, move: undefined }
  const seen = new Set([keyOf(start)])
  let level = [start]
  let transitions = 0
  for (let step = 0; step < depth && level.length > 0; step++) {
    const next: State[] = []
    for (const state of level) {
      for (const move of [...moves, ...instants(state, skewMs)]) {
        transitions++
        let after: State
        try {
          after =
            typeof move === 'number' ? { ...state, now: move, before: state, move } : play(rules, state, move, skewMs)
          ledgers.judgeRecord(after.ledger, after.record, after.now, skewMs)
        } catch (error) {
          return { states: seen.size, transitions, violation: `${String(error)}\n${tell(state, move)}` }
        }
        const key = keyOf(after)
        if (seen.has(key)) continue
        seen.add(key)
        next.push(after)
      }
    }
    level = next
  }
  return { states: seen.size, transitions }
}

/** Just before, at and just after each end, ahead of the clock or behind it: clocks jump backwards too. */
function instants({ ledger, now }: State, skewMs: number): number[] {
  const found = new Set<number>()
  for (const end of [ledger.holder?.leaseEnd, ledger.keptUntil])
    if (end !== undefined) for (const offset of [-1, 0, 1]) found.add(end + skewMs + offset)
  found.delete(now)
  return [...found]
}

function play(rules: Rules, state: State, move: Move, skewMs: number): State {
  const { record, ledger, now } = state
  const after = (write: Rec | undefined, removed: boolean, judged: ledgers.Ledger): State => ({
    record: removed ? undefined : (write ?? record),
    ledger: judged,
    now,
    before: state,
    move,
  })
  switch (move.verb) {
    case 'begin': {
      const { write, outcome } = rules.onBegin(record, move.ask, now, skewMs)
      ledgers.claimThat(write === undefined || outcome.status === 'new', 'rule 9: only a claim writes')
      const judged = ledgers.judgeBegin(ledger, move.ask, outcome, now, skewMs)
      ledgers.claimThat(write !== undefined || judged === ledger, 'rule 3: a claim is written down')
      return after(write, false, judged)
    }
    case 'complete': {
      const value = `${move.token ?? 'nobody'}${ledger.response === undefined ? '' : ' again'}`
      const call = { token: move.token, value, retentionMs: move.retentionMs }
      const ask = { ...call, kind: 'value', response: value }
      const { write, refuse } = changed(rules.onComplete(record, ask, now, skewMs))
      return after(write, false, ledgers.judgeComplete(ledger, call, refuse, now, skewMs))
    }
    case 'renew': {
      const value = `${move.token}${move.save?.number ?? '?'}${ledger.saved?.startsWith(move.token) ? ' again' : ''}`
      const save = move.save && { value, number: move.save.number }
      const ask = { token: move.token, leaseMs: move.leaseMs, checkpoint: save?.value, checkpointNumber: save?.number }
      const { write, refuse } = changed(rules.onRenew(record, ask, now, skewMs))
      const call = { token: move.token, leaseMs: move.leaseMs, save }
      return after(write, false, ledgers.judgeRenew(ledger, call, refuse, now, skewMs))
    }
    case 'release': {
      const { write, remove = false, refuse } = changed(rules.onRelease(record, move.token, now, skewMs))
      return after(write, remove, ledgers.judgeRelease(ledger, move.token, refuse, now, skewMs))
    }
    case 'free': {
      const { write, remove = false, refuse } = changed(rules.onFree(record, move.attempt, now, skewMs))
      return after(write, remove, ledgers.judgeFree(ledger, move.attempt, refuse, now, skewMs))
    }
    case 'purge': {
      const purged = record !== undefined && rules.isOver(record, now, skewMs)
      return after(undefined, purged, ledgers.judgePurge(ledger, record, purged, now, skewMs))
    }
  }
}

function changed(decision: RulesModule.WriteDecision): RulesModule.WriteDecision {
  const { write, remove, refuse } = decision
  ledgers.claimThat(refuse === undefined || (write === undefined && !remove), 'promise 2: a refusal changes nothing')
  return decision
}

/** Everything that what follows depends on, with instants as seen from now. */
function keyOf({ record, ledger, now }: State): string {
  const at = (instant: number | undefined): number | string => (instant === undefined ? '' : instant - now)
  const { holder, response } = ledger
  const known = `${ledger.attempts},${ledger.firstFingerprint},${ledger.strict},${ledger.saved},${at(ledger.keptUntil)}`
  const held =
    holder === undefined
      ? ''
      : `${holder.token},${holder.attempt},${holder.leaseMs},${holder.retentionMs},${at(holder.leaseEnd)},${holder.blind},${holder.saves}`
  const answered = response === undefined ? '' : `${response.value},${response.token},${response.attempt}`
  if (record === undefined) return `${known};${held};${answered}`
  const kept = `${record.status},${record.attempt},${record.token},${record.fingerprint},${record.leaseMs},${record.retentionMs}`
  const ends = `${at(record.leaseUntil)},${at(record.expiresAt)},${record.afterCrash},${record.response},${record.checkpoint}`
  return `${known};${held};${answered};${kept};${ends};${record.checkpointNumber},${record.withheld}`
}

function tell(state: State, last: Move | number): string {
  const moves: (Move | number)[] = [last]
  for (let at: State | undefined = state; at?.move !== undefined; at = at.before) moves.unshift(at.move)
  return moves.map((move) => (typeof move === 'number' ? `clock: ${move}` : JSON.stringify(move))).join('\n')
}
