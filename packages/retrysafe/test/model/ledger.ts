/*
 * What callers were promised, kept as a ledger of who was told what. It never looks into a record to learn: it is
 * written from requests and answers alone, and judges each answer by the statements of the store contract.
 * The instant at which a lease or a record ends counts as ended; `skewMs` moves both.
 */
import type { BeginAsk, Begun, Rec, Refusal } from '../../src/contract/rules.js'

/** The claim that holds the key, as its owner knows it. */
export interface Holder {
  readonly token: string
  readonly attempt: number
  readonly leaseMs: number
  readonly retentionMs: number
  /** When its lease ends by the last answer; undefined once it was given up. */
  readonly leaseEnd: number | undefined
  /** It was denied the checkpoint, and what it saves is dropped. */
  readonly blind: boolean
  /** The number of its last save. */
  readonly saves: number
}

export interface Ledger {
  /** The highest attempt of the record's life; 0 where nothing lives. */
  readonly attempts: number
  readonly firstFingerprint: string | undefined
  /** A claim of this life asked for 'uncertain'. */
  readonly strict: boolean
  readonly holder: Holder | undefined
  readonly saved: string | undefined
  readonly response: { readonly value: string; readonly token: string; readonly attempt: number } | undefined
  /** Until when the record was promised to be kept; undefined: until it is settled. */
  readonly keptUntil: number | undefined
}

export const nothing: Ledger = {
  attempts: 0,
  firstFingerprint: undefined,
  strict: false,
  holder: undefined,
  saved: undefined,
  response: undefined,
  keptUntil: undefined,
}

/** Throws the name of the promise that does not hold. */
export function claimThat(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new Error(promise)
}

export function lives(ledger: Ledger, now: number, skewMs: number): boolean {
  return ledger.attempts > 0 && (ledger.keptUntil === undefined || now < ledger.keptUntil + skewMs)
}

function hasLease({ holder }: Ledger, now: number, skewMs: number): boolean {
  return holder?.leaseEnd !== undefined && now < holder.leaseEnd + skewMs
}

/** Both have a fingerprint of one version, and they are not equal. */
function isOther(ledger: Ledger, asked: string | undefined): boolean {
  const [version, digest] = (ledger.firstFingerprint ?? '?').split(':')
  const [askedVersion, askedDigest] = (asked ?? '??').split(':')
  return version === askedVersion && digest !== askedDigest
}

/** Whether progress of this record may be shown to whoever brings that fingerprint. */
function maySee(ledger: Ledger, asked: string | undefined): boolean {
  return ledger.firstFingerprint === undefined || ledger.firstFingerprint === asked
}

export function judgeBegin(ledger: Ledger, ask: BeginAsk, begun: Begun, now: number, skewMs: number): Ledger {
  const alive = lives(ledger, now, skewMs)
  const mine = alive && ledger.response === undefined && ledger.holder?.token === ask.token
  if (begun.status === 'new' && !mine) {
    claimThat(!hasLease(ledger, now, skewMs) || ledger.response !== undefined, 'promise 1: at most one claim is live')
    claimThat(begun.token === ask.token, 'rule 3: a claim carries the token of its caller')
    claimThat(begun.leaseUntil === now + ask.leaseMs, 'rule 4: a claim gets the lease that it asked for')
  }
  if (!alive) {
    claimThat(begun.status === 'new', `rule 1: a record that is over is as if absent, but begin said ${begun.status}`)
    claimThat(begun.attempt === 1 && begun.checkpoint === undefined, 'rule 1: a new record begins anew')
    return hold({ ...nothing, firstFingerprint: ask.fingerprint }, ask, 1, now)
  }
  claimThat((begun.status === 'mismatch') === isOther(ledger, ask.fingerprint), 'rule 2: mismatch, and only that')
  if (begun.status === 'mismatch') return ledger
  if (ledger.response !== undefined) {
    claimThat(begun.status === 'completed', `promise 3: a response is replayed, but begin said ${begun.status}`)
    const same = begun.response === ledger.response.value && begun.attempt === ledger.response.attempt
    claimThat(same && begun.expiresAt === ledger.keptUntil, 'promise 3: a response is immutable')
    return ledger
  }
  return mine
    ? judgeOwnBegin(ledger, ledger.holder, begun, now, skewMs)
    : judgeOthersBegin(ledger, ask, begun, now, skewMs)
}

function judgeOwnBegin(ledger: Ledger, holder: Holder, begun: Begun, now: number, skewMs: number): Ledger {
  claimThat(begun.status === 'new', `rule 3: begin repeated with its own token is a claim, but it said ${begun.status}`)
  claimThat(begun.attempt === holder.attempt, 'rule 3: begin repeated is the same attempt')
  claimThat(begun.checkpoint === (holder.blind ? undefined : ledger.saved), 'rule 2: begin repeated shows the same')
  const leased = hasLease(ledger, now, skewMs)
  const leaseEnd = leased ? holder.leaseEnd : now + holder.leaseMs
  claimThat(begun.leaseUntil === leaseEnd, 'rule 3: begin repeated keeps its lease, or gets a fresh one after a lapse')
  return leased ? ledger : extend(ledger, { ...holder, leaseEnd }, now)
}

function judgeOthersBegin(ledger: Ledger, ask: BeginAsk, begun: Begun, now: number, skewMs: number): Ledger {
  if (hasLease(ledger, now, skewMs)) {
    claimThat(begun.status === 'in_progress', `rule 1: a live lease stands, but begin said ${begun.status}`)
    const { attempt, leaseEnd } = ledger.holder ?? {}
    claimThat(begun.attempt === attempt && begun.leaseUntil === leaseEnd, 'rule 9: a loser is told the truth')
    return ledger
  }
  const dead = ledger.strict && ledger.holder !== undefined
  const settles = ask.rerunAttempt === ledger.attempts
  if (dead && !settles) {
    claimThat(begun.status === 'uncertain', `rule 8: a dead attempt is uncertain, but begin said ${begun.status}`)
    claimThat(begun.attempt === ledger.attempts, 'rule 8: uncertain names the attempt')
    const shown = maySee(ledger, ask.fingerprint) ? ledger.saved : undefined
    claimThat(begun.checkpoint === shown, 'rule 2: uncertain shows a checkpoint only to its fingerprint')
    return ledger
  }
  claimThat(begun.status === 'new', `promise 7: the key is free, but begin said ${begun.status}`)
  claimThat(begun.attempt === ledger.attempts + 1, 'promise 5: attempt only grows, by one')
  const sees = settles || maySee(ledger, ask.fingerprint)
  claimThat(begun.checkpoint === (sees ? ledger.saved : undefined), 'rule 2: a checkpoint never crosses fingerprints')
  return hold(ledger, ask, begun.attempt, now, !sees)
}

function hold(ledger: Ledger, ask: BeginAsk, attempt: number, now: number, blind = false): Ledger {
  const { token, leaseMs, retentionMs } = ask
  const next: Ledger = {
    ...ledger,
    attempts: attempt,
    firstFingerprint: ledger.firstFingerprint ?? ask.fingerprint,
    strict: ledger.strict || ask.afterCrash === 'uncertain',
  }
  return extend(next, { token, attempt, leaseMs, retentionMs, leaseEnd: now + leaseMs, blind, saves: 0 }, now)
}

/** A claim under a lease is kept until its lease and its retention have passed; under 'uncertain' until it is settled. */
function extend(ledger: Ledger, holder: Holder, now: number): Ledger {
  return { ...ledger, holder, keptUntil: ledger.strict ? undefined : (holder.leaseEnd ?? now) + holder.retentionMs }
}

function holds(ledger: Ledger, token: string | undefined, now: number, skewMs: number): Holder | undefined {
  const { holder, response } = ledger
  if (!lives(ledger, now, skewMs) || response !== undefined || holder === undefined) return undefined
  if (token === undefined) return ledger.attempts === 1 ? holder : undefined
  return holder.token === token ? holder : undefined
}

export interface CompleteCall {
  readonly token: string | undefined
  readonly value: string
  readonly retentionMs: number | undefined
}

export function judgeComplete(
  ledger: Ledger,
  call: CompleteCall,
  refused: Refusal | undefined,
  now: number,
  skewMs: number,
): Ledger {
  const alive = lives(ledger, now, skewMs)
  const { response } = ledger
  if (alive && response !== undefined) {
    const answer =
      call.token === undefined ? 'already_completed' : call.token === response.token ? undefined : 'lease_lost'
    claimThat(refused === answer, `promise 3, rule 3: complete after completion was ${refused}, and not ${answer}`)
    return ledger
  }
  const holder = holds(ledger, call.token, now, skewMs)
  if (holder === undefined) {
    const answer = call.token === undefined && !alive ? 'unknown_key' : 'lease_lost'
    claimThat(refused === answer, `promise 2, rule 5: a stale complete was ${refused}, and not ${answer}`)
    return ledger
  }
  claimThat(refused === undefined, `rule 4: a token that holds may complete, but it was ${refused}`)
  return {
    ...ledger,
    holder: undefined,
    saved: undefined,
    response: { value: call.value, token: holder.token, attempt: holder.attempt },
    keptUntil: now + (call.retentionMs ?? holder.retentionMs),
  }
}

export interface RenewCall {
  readonly token: string
  readonly leaseMs: number | undefined
  readonly save: { readonly value: string; readonly number: number | undefined } | undefined
}

export function judgeRenew(
  ledger: Ledger,
  call: RenewCall,
  refused: Refusal | undefined,
  now: number,
  skewMs: number,
): Ledger {
  const holder = holds(ledger, call.token, now, skewMs)
  if (holder === undefined) {
    claimThat(refused === 'lease_lost', `promise 2: a stale renew was ${refused}`)
    return ledger
  }
  claimThat(refused === undefined, `rule 4: a token that holds may renew, but it was ${refused}`)
  const leaseMs = call.leaseMs ?? holder.leaseMs
  const renewed = { ...holder, leaseEnd: leaseMs === 0 ? undefined : now + leaseMs }
  const { save } = call
  if (save === undefined || holder.blind || (save.number ?? Number.POSITIVE_INFINITY) <= holder.saves)
    return extend(ledger, renewed, now)
  return extend({ ...ledger, saved: save.value }, { ...renewed, saves: save.number ?? holder.saves + 1 }, now)
}

export function judgeRelease(
  ledger: Ledger,
  token: string,
  refused: Refusal | undefined,
  now: number,
  skewMs: number,
): Ledger {
  const holder = holds(ledger, token, now, skewMs)
  if (holder === undefined) {
    claimThat(refused === 'lease_lost', `promise 2: a stale release was ${refused}`)
    return ledger
  }
  claimThat(refused === undefined, `rule 4: a token that holds may release, but it was ${refused}`)
  return letGo(ledger, holder, now)
}

export function judgeFree(
  ledger: Ledger,
  attempt: number,
  refused: Refusal | undefined,
  now: number,
  skewMs: number,
): Ledger {
  const { holder } = ledger
  const due = lives(ledger, now, skewMs) && ledger.response === undefined && holder?.attempt === attempt
  claimThat(
    (refused === undefined) === due,
    `rule 8: free ends that attempt's claim and no other, but it was ${refused}`,
  )
  return due && holder !== undefined ? letGo(ledger, holder, now) : ledger
}

function letGo(ledger: Ledger, holder: Holder, now: number): Ledger {
  if (ledger.saved === undefined && !ledger.strict) return nothing
  return { ...ledger, holder: undefined, keptUntil: now + holder.retentionMs }
}

export function judgePurge(
  ledger: Ledger,
  record: Rec | undefined,
  purged: boolean,
  now: number,
  skewMs: number,
): Ledger {
  const kept = lives(ledger, now, skewMs)
  claimThat(!(purged && kept), 'promise 9: purge never touches what is kept')
  claimThat(purged || kept || record === undefined, 'rule 6: purge deletes what is over')
  return purged ? nothing : ledger
}

/** What get shows must be what was promised. */
export function judgeRecord(ledger: Ledger, record: Rec | undefined, now: number, skewMs: number): void {
  if (!lives(ledger, now, skewMs)) return
  claimThat(record !== undefined, 'rule 6: a record is kept until its end')
  const { holder, response } = ledger
  claimThat(record.attempt === ledger.attempts, 'promise 5: the attempt is kept')
  claimThat(record.fingerprint === ledger.firstFingerprint, 'rule 2: the first fingerprint stays')
  claimThat(record.status === (response === undefined ? 'in_progress' : 'completed'), 'promise 3: the status is kept')
  claimThat(record.response === response?.value, 'promise 3: the response is kept')
  claimThat(record.checkpoint === ledger.saved, 'rule 7: the checkpoint is kept, and none is left of a completed one')
  claimThat(record.leaseUntil === holder?.leaseEnd, 'rule 4: the lease is as its holder was told')
  claimThat(record.expiresAt === ledger.keptUntil, 'rule 6: the record is kept as long as it must be, and no longer')
  claimThat(record.afterCrash === (ledger.strict ? 'uncertain' : 'rerun'), 'rule 8: uncertain never weakens')
}
