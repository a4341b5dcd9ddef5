/* What a key may hold when answers are lost: every state that the pure rules allow, followed side by side. */
import {
  onBegin,
  onComplete,
  onFree,
  onRelease,
  onRenew,
  type Rec,
  readBegin,
  readComplete,
  readRenew,
  toOutcome,
} from '../../../src/contract/index.js'
import type { NetworkStore } from './bench.js'

/** A call with what the rules say of it. Time stands still in here: leases are long against the test. */
export interface Ask {
  readonly what: string
  send(store: NetworkStore): Promise<unknown>
  rule(record: Rec | undefined): { readonly record: Rec | undefined; readonly answer: unknown }
}

/** One possible truth: what the key holds, and the calls without an answer that may still take effect. */
interface World {
  readonly record: Rec | undefined
  readonly late: readonly Ask[]
}

export interface Worlds {
  /** The call was answered: only worlds that give this answer stay. False where there is none. */
  answered(ask: Ask, answer: unknown): boolean
  /** The call got no answer: it took effect, or will, or will not. */
  unanswered(ask: Ask): void
  /** What would have been the right answers, for messages. */
  answers(ask: Ask): readonly string[]
}

const now = 1_800_000_000_000
const leaseMs = 3_600_000
/** More calls than this are not on their way for one key at once. */
const mostLate = 4

/** `repeats`: the client may send a call again whose answer was lost, so that it takes effect twice. */
export function createWorlds(repeats: boolean): Worlds {
  let worlds: readonly World[] = [{ record: undefined, late: [] }]

  /** Every world with what is on its way arrived or not, in any order. */
  function arrived(): readonly World[] {
    const found = new Map<string, World>()
    const visit = (world: World): void => {
      const name = nameOf(world)
      if (found.has(name)) return
      found.set(name, world)
      for (const [index, ask] of world.late.entries())
        visit({ record: ask.rule(world.record).record, late: world.late.filter((_, other) => other !== index) })
    }
    for (const world of worlds) visit(world)
    return [...found.values()]
  }

  function outcomesOf(ask: Ask): { world: World; answer: string }[] {
    return arrived().flatMap(({ record, late }) => {
      const once = ask.rule(record)
      const twice = ask.rule(once.record)
      return [once, ...(repeats ? [twice] : [])].map((end) => ({
        world: { record: end.record, late },
        answer: textOf(end.answer),
      }))
    })
  }

  function keep(next: readonly World[]): void {
    worlds = [...new Map(next.map((world) => [nameOf(world), world])).values()]
  }

  return {
    answered(ask, answer) {
      const fitting = outcomesOf(ask).filter((one) => one.answer === textOf(answer))
      keep(fitting.map(({ world }) => world))
      return fitting.length > 0
    },
    unanswered(ask) {
      const copies = repeats ? [ask, ask] : [ask]
      keep(arrived().map(({ record, late }) => ({ record, late: [...late, ...copies].slice(-mostLate) })))
    },
    answers: (ask) => [...new Set(outcomesOf(ask).map(({ answer }) => answer))],
  }
}

export function beginAsk(key: string, token: string, options: { rerunAttempt?: number } = {}): Ask {
  const asked = { token, leaseMs, fingerprint: 'v1:same', ...options }
  return {
    what: `begin ${token}`,
    send: async (store) => plain(await store.begin(key, asked)),
    rule: (record) => {
      const { write, outcome } = onBegin(record, readBegin(asked), now)
      return { record: write ?? record, answer: plain(toOutcome(outcome)) }
    },
  }
}

export function completeAsk(key: string, token: string): Ask {
  const response = { of: token }
  return writeAsk(
    `complete ${token}`,
    (store) => store.complete(key, response, { token }),
    (record) => onComplete(record, readComplete(response, { token }), now),
  )
}

export function renewAsk(key: string, token: string, number: number, giveUp: boolean): Ask {
  const options = { leaseMs: giveUp ? 0 : leaseMs, checkpoint: { number }, checkpointNumber: number }
  return writeAsk(
    `renew ${token} ${number}${giveUp ? ' and give up' : ''}`,
    (store) => store.renew(key, token, options),
    (record) => onRenew(record, readRenew(token, options), now),
  )
}

export function releaseAsk(key: string, token: string): Ask {
  return writeAsk(
    `release ${token}`,
    (store) => store.release(key, token),
    (record) => onRelease(record, token, now),
  )
}

export function freeAsk(key: string, attempt: number): Ask {
  return {
    what: `free ${attempt}`,
    send: (store) => store.free(key, { attempt }),
    rule: (record) => {
      const { write, remove, refuse } = onFree(record, attempt, now)
      return { record: remove ? undefined : (write ?? record), answer: refuse === undefined }
    },
  }
}

export function getAsk(key: string): Ask {
  const shown = (record: { status: string; attempt: number } | undefined): unknown =>
    record === undefined ? 'nothing' : `${record.status} ${record.attempt}`
  return {
    what: 'get',
    send: async (store) => shown(await store.get(key)),
    rule: (record) => ({ record, answer: shown(record) }),
  }
}

function writeAsk(
  what: string,
  send: (store: NetworkStore) => Promise<unknown>,
  decide: (record: Rec | undefined) => ReturnType<typeof onComplete>,
): Ask {
  return {
    what,
    send,
    rule: (record) => {
      const { write, remove, refuse } = decide(record)
      return { record: remove ? undefined : (write ?? record), answer: refuse }
    },
  }
}

/** Without instants: time stands still for the rules and goes on for the engine. */
function plain(value: unknown): unknown {
  if (value instanceof Date || typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, member]) => !(member instanceof Date)))
}

function textOf(answer: unknown): string {
  return JSON.stringify(answer, sorted) ?? 'done'
}

/** Members in the order of their names. */
function sorted(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function nameOf({ record, late }: World): string {
  return `${JSON.stringify(record)} ${late.map(({ what }) => what).sort()}`
}
