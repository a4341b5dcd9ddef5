import { type BeginOptions, isRetrysafeError, type Outcome, RetrysafeError } from '../contract/index.js'
import { type Alarms, createAlarms } from './alarms.js'
import { type Attempt, openAttempt } from './attempt.js'
import { createGiveBack, type IdleClaim } from './give-back.js'
import type { Sent } from './lease.js'
import { createOpenWork, type OpenWork } from './open-work.js'
import type { RunSettings, Settings } from './settings.js'
import { createWaiters } from './wait.js'

/** One request for one key. */
export interface Entry {
  readonly storeKey: string
  /** As the caller gave it, for errors. */
  readonly key: string
  readonly fingerprint: string | undefined
  readonly run: RunSettings
  /** Ends the waiting for another attempt. */
  readonly signal?: AbortSignal | undefined
}

/** The right to do the work, or the stored response. */
export type Entered = { readonly status: 'new'; readonly attempt: Attempt } | Extract<Outcome, { status: 'completed' }>

type Refused = Exclude<Outcome, { status: 'new' | 'completed' }>

/** What all attempts of one instance share. */
export interface Engine extends OpenWork {
  readonly settings: Settings
  readonly alarms: Alarms
  /**
   * Claims the key, waiting for another attempt where the settings say so, or gives the stored response.
   *
   * @throws `in_progress`, `mismatch`, `uncertain`, `expired`, and the store's errors.
   */
  enter(entry: Entry): Promise<Entered>
  /** Has a claim under which nobody works released, behind its caller's back. */
  giveBack(claim: IdleClaim): void
  send(): Sent
  /** This process changed the key: whoever waits for it here looks again. */
  changed(storeKey: string): void
}

export function createEngine(settings: Settings): Engine {
  const { store, clock, random, observe } = settings
  const alarms = createAlarms(clock)
  const waiters = createWaiters(store, { clock, random, alarms, maxWaiters: settings.maxWaiters })
  const openWork = createOpenWork(clock)
  const giveBack = createGiveBack(settings, alarms, openWork)
  const send = (): Sent => ({ monotonic: clock.monotonic(), now: clock.now() })

  async function enter(entry: Entry): Promise<Entered> {
    const { storeKey, run } = entry
    let startedAt: number | undefined
    for (let waits = 0; ; waits++) {
      entry.signal?.throwIfAborted()
      let outcome: Outcome
      const token = crypto.randomUUID()
      engine.opened() // a begin that is on its way may become work, so a drain waits for it
      try {
        const sent = send()
        startedAt ??= sent.monotonic
        try {
          outcome = await store.begin(storeKey, beginOptions(token, entry))
        } catch (error) {
          onLostBegin(engine, { storeKey, token, run, mayLand: true }, error)
          throw error
        }
        if (waits > 0 && outcome.status !== 'in_progress')
          observe({ type: 'waited', storeKey, durationMs: clock.monotonic() - startedAt })
        if (outcome.status === 'completed') {
          observe({ type: 'replayed', storeKey, attempt: outcome.attempt })
          return outcome
        }
        if (outcome.status === 'new') {
          const { status, attempt, checkpoint } = outcome
          observe({ type: attempt === 1 ? 'claimed' : 'taken_over', storeKey, attempt })
          const claim = { storeKey, token, attempt, checkpoint, fingerprint: entry.fingerprint, run, sent }
          return { status, attempt: openAttempt(engine, claim) }
        }
      } finally {
        engine.closed()
      }
      if (outcome.status === 'in_progress') {
        const seen = { attempt: outcome.attempt, leaseMs: outcome.leaseUntil.getTime() - clock.now(), waits }
        const leftMs = run.waitMs - (clock.monotonic() - startedAt)
        if (await waiters.wait(storeKey, seen, leftMs, entry.signal)) continue
        entry.signal?.throwIfAborted()
      }
      throw refuse(settings, entry, outcome)
    }
  }

  const engine: Engine = { settings, alarms, enter, giveBack, send, changed: waiters.poke, ...openWork }
  return engine
}

/** Answers of `begin` after which the store surely holds no claim of ours. */
const claimsNothing = ['invalid_key', 'invalid_option', 'store_full', 'store_closed', 'unsupported'] as const

function beginOptions(token: string, { fingerprint, run }: Entry): BeginOptions {
  const { leaseMs, retentionMs, afterCrash } = run
  return { token, leaseMs, retentionMs, afterCrash, fingerprint }
}

function onLostBegin(engine: Engine, claim: IdleClaim, error: unknown): void {
  const code = isRetrysafeError(error) ? { code: error.code } : {}
  engine.settings.observe({ type: 'refused', storeKey: claim.storeKey, error, ...code })
  // Without an answer the claim may exist; it is given back, and its token is never used again.
  if (!isRetrysafeError(error, ...claimsNothing)) engine.giveBack(claim)
}

function refuse({ observe }: Settings, entry: Entry, outcome: Refused): RetrysafeError {
  const error = refusalOf(entry.key, outcome)
  const attempt = 'attempt' in outcome ? { attempt: outcome.attempt } : {}
  const type = outcome.status === 'uncertain' ? 'uncertain' : 'refused'
  observe({ type, storeKey: entry.storeKey, code: error.code, ...attempt })
  return error
}

function refusalOf(key: string, outcome: Refused): RetrysafeError {
  switch (outcome.status) {
    case 'in_progress':
      return new RetrysafeError(
        'in_progress',
        'Another attempt at this key is running. Ask again with the same key in a moment.',
        { key, attempt: outcome.attempt, retryAfterMs: 1000 },
      )
    case 'mismatch':
      return new RetrysafeError(
        'mismatch',
        'This key was used with another request. Send the first request again, or use a new key for a new operation.',
        { key },
      )
    case 'uncertain':
      return new RetrysafeError(
        'uncertain',
        `Attempt ${outcome.attempt} ended without an answer, and nobody knows how far it got. It must be settled before anything is run again; a new key could do the work twice.`,
        { key, attempt: outcome.attempt },
      )
    case 'expired':
      return new RetrysafeError(
        'expired',
        'The time in which this key could be retried is over. Nothing was run again.',
        {
          key,
          expiresAt: outcome.expiredAt,
        },
      )
  }
}
