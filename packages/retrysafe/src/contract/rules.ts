/*
 * The rules of the store contract, once, as pure functions: (record, request, now) -> what to write and what to answer.
 * A store reads the record, asks a rule and writes what it says, atomically, and says what time it is.
 * This file has no imports that run, so that the model check can break it and see the promises fail.
 */

import type { AfterCrash } from './types.js'
import type { Encoded } from './values.js'

/** What a store keeps of a key. Instants are epoch milliseconds. Every field is always there, in this order. */
export interface Rec {
  status: 'in_progress' | 'completed'
  attempt: number
  /** Of the claim that holds the key or completed it; undefined once released or freed. */
  token: string | undefined
  fingerprint: string | undefined
  leaseMs: number
  retentionMs: number
  /** Undefined where no lease runs: completed, released, or given up. */
  leaseUntil: number | undefined
  /** Undefined: kept until settled. */
  expiresAt: number | undefined
  afterCrash: AfterCrash
  createdAt: number
  updatedAt: number
  completedAt: number | undefined
  kind: string | undefined
  response: Encoded | undefined
  checkpoint: Encoded | undefined
  /** Orders the saves of one claim. */
  checkpointNumber: number
  /** The claim was given no checkpoint, since its fingerprint is missing or of another version, and saves none. */
  withheld: boolean
}

export interface BeginAsk {
  token: string
  fingerprint: string | undefined
  leaseMs: number
  retentionMs: number
  afterCrash: AfterCrash
  rerunAttempt: number | undefined
}

export interface CompleteAsk {
  token: string | undefined
  retentionMs: number | undefined
  kind: string
  response: Encoded
}

export interface RenewAsk {
  token: string
  leaseMs: number | undefined
  checkpoint: Encoded | undefined
  checkpointNumber: number | undefined
}

/** The answer of `begin`, as the rules give it. */
export type Begun =
  | { status: 'new'; token: string; attempt: number; leaseUntil: number; checkpoint: Encoded | undefined }
  | { status: 'in_progress'; attempt: number; leaseUntil: number }
  | {
      status: 'completed'
      response: Encoded
      kind: string
      attempt: number
      completedAt: number
      expiresAt: number
    }
  | { status: 'mismatch' }
  | { status: 'uncertain'; attempt: number; checkpoint: Encoded | undefined }

/** What to write: a record, or that the record is to be removed. Absent: nothing. */
export interface BeginDecision {
  write?: Rec
  outcome: Begun
}

export type Refusal = 'lease_lost' | 'already_completed' | 'unknown_key'

export interface WriteDecision {
  write?: Rec
  remove?: true
  refuse?: Refusal
}

/**
 * `skewMs` is how far the clocks of machines that share a store without a server clock may be apart: a lease counts as
 * lapsed, and a record as over, only that much later.
 */
export function onBegin(record: Rec | undefined, ask: BeginAsk, now: number, skewMs = 0): BeginDecision {
  const live = record !== undefined && !isOver(record, now, skewMs) ? record : undefined
  if (live === undefined) return claim(ask, now)
  if (differ(live.fingerprint, ask.fingerprint)) return { outcome: { status: 'mismatch' } }
  if (live.status === 'completed') return replay(live)
  if (live.token !== undefined && live.token === ask.token) return again(live, now, skewMs)
  if (live.token !== undefined && live.leaseUntil !== undefined && !isLapsed(live, now, skewMs))
    return { outcome: { status: 'in_progress', attempt: live.attempt, leaseUntil: live.leaseUntil } }
  if (isUncertain(live, now, skewMs) && ask.rerunAttempt !== live.attempt) return uncertain(live, ask)
  return takeOver(live, ask, now)
}

/** A token holds until another claim, a release, completion or expiry ends it, not until its lease lapses. */
export function onComplete(record: Rec | undefined, ask: CompleteAsk, now: number, skewMs = 0): WriteDecision {
  const live = record !== undefined && !isOver(record, now, skewMs) ? record : undefined
  if (live === undefined) return { refuse: ask.token === undefined ? 'unknown_key' : 'lease_lost' }
  if (live.status === 'completed') {
    if (ask.token === undefined) return { refuse: 'already_completed' }
    return live.token === ask.token ? {} : { refuse: 'lease_lost' } // our own lost answer keeps the first response
  }
  const holds = ask.token === undefined ? live.attempt === 1 && live.token !== undefined : live.token === ask.token
  return holds ? { write: complete(live, ask, now) } : { refuse: 'lease_lost' }
}

export function onRenew(record: Rec | undefined, ask: RenewAsk, now: number, skewMs = 0): WriteDecision {
  const live = held(record, ask.token, now, skewMs)
  if (live === undefined) return { refuse: 'lease_lost' }
  const leaseMs = ask.leaseMs ?? live.leaseMs
  const leaseUntil = leaseMs === 0 ? undefined : now + leaseMs
  const saves = ask.checkpoint !== undefined && !live.withheld && isNewer(live, ask.checkpointNumber)
  return {
    write: {
      ...live,
      leaseUntil,
      expiresAt: live.afterCrash === 'uncertain' ? undefined : (leaseUntil ?? now) + live.retentionMs,
      updatedAt: now,
      checkpoint: saves ? ask.checkpoint : live.checkpoint,
      checkpointNumber: saves ? (ask.checkpointNumber ?? live.checkpointNumber + 1) : live.checkpointNumber,
    },
  }
}

export function onRelease(record: Rec | undefined, token: string, now: number, skewMs = 0): WriteDecision {
  const live = held(record, token, now, skewMs)
  return live === undefined ? { refuse: 'lease_lost' } : end(live, now)
}

/** For operators: ends the claim of that attempt, whoever holds it. */
export function onFree(record: Rec | undefined, attempt: number, now: number, skewMs = 0): WriteDecision {
  if (record === undefined || isOver(record, now, skewMs)) return { refuse: 'unknown_key' }
  if (record.status === 'completed' || record.token === undefined || record.attempt !== attempt)
    return { refuse: 'lease_lost' }
  return end(record, now)
}

/** Past its retention: as if it were absent. */
export function isOver(record: Rec, now: number, skewMs = 0): boolean {
  return record.expiresAt !== undefined && now >= record.expiresAt + skewMs
}

/** An attempt died under `'uncertain'` and nobody knows how far it got. A released or freed record never is. */
export function isUncertain(record: Rec, now: number, skewMs = 0): boolean {
  return (
    record.status === 'in_progress' &&
    record.afterCrash === 'uncertain' &&
    record.token !== undefined &&
    isLapsed(record, now, skewMs)
  )
}

function isLapsed(record: Rec, now: number, skewMs: number): boolean {
  return record.leaseUntil === undefined || now >= record.leaseUntil + skewMs
}

function held(record: Rec | undefined, token: string, now: number, skewMs: number): Rec | undefined {
  if (record === undefined || isOver(record, now, skewMs) || record.status === 'completed') return undefined
  return record.token === token ? record : undefined
}

function claim(ask: BeginAsk, now: number): BeginDecision {
  const leaseUntil = now + ask.leaseMs
  const write: Rec = {
    status: 'in_progress',
    attempt: 1,
    token: ask.token,
    fingerprint: ask.fingerprint,
    leaseMs: ask.leaseMs,
    retentionMs: ask.retentionMs,
    leaseUntil,
    expiresAt: ask.afterCrash === 'uncertain' ? undefined : leaseUntil + ask.retentionMs,
    afterCrash: ask.afterCrash,
    createdAt: now,
    updatedAt: now,
    completedAt: undefined,
    kind: undefined,
    response: undefined,
    checkpoint: undefined,
    checkpointNumber: 0,
    withheld: false,
  }
  return { write, outcome: { status: 'new', token: ask.token, attempt: 1, leaseUntil, checkpoint: undefined } }
}

function replay(live: Rec): BeginDecision {
  return {
    outcome: {
      status: 'completed',
      response: live.response ?? 'null',
      kind: live.kind ?? 'value',
      attempt: live.attempt,
      completedAt: live.completedAt ?? live.updatedAt,
      expiresAt: live.expiresAt ?? live.updatedAt,
    },
  }
}

/** The holder asks again, since the answer of its `begin` was lost. */
function again(live: Rec, now: number, skewMs: number): BeginDecision {
  const lapsed = isLapsed(live, now, skewMs)
  const leaseUntil = lapsed ? now + live.leaseMs : (live.leaseUntil ?? now)
  const outcome = {
    status: 'new' as const,
    token: live.token ?? '',
    attempt: live.attempt,
    leaseUntil,
    checkpoint: live.withheld ? undefined : live.checkpoint,
  }
  if (!lapsed) return { outcome }
  const expiresAt = live.afterCrash === 'uncertain' ? undefined : leaseUntil + live.retentionMs
  return { write: { ...live, leaseUntil, expiresAt, updatedAt: now }, outcome }
}

function uncertain(live: Rec, ask: BeginAsk): BeginDecision {
  const checkpoint = crosses(live.fingerprint, ask.fingerprint) ? undefined : live.checkpoint
  return { outcome: { status: 'uncertain', attempt: live.attempt, checkpoint } }
}

/** Also the claim after a release: attempt, checkpoint and fingerprint go on. */
function takeOver(live: Rec, ask: BeginAsk, now: number): BeginDecision {
  const leaseUntil = now + ask.leaseMs
  const afterCrash = live.afterCrash === 'uncertain' ? 'uncertain' : ask.afterCrash
  const withheld = ask.rerunAttempt !== live.attempt && crosses(live.fingerprint, ask.fingerprint)
  const write: Rec = {
    ...live,
    attempt: live.attempt + 1,
    token: ask.token,
    fingerprint: live.fingerprint ?? ask.fingerprint,
    leaseMs: ask.leaseMs,
    retentionMs: ask.retentionMs,
    leaseUntil,
    expiresAt: afterCrash === 'uncertain' ? undefined : leaseUntil + ask.retentionMs,
    afterCrash,
    updatedAt: now,
    checkpointNumber: 0,
    withheld,
  }
  const checkpoint = withheld ? undefined : live.checkpoint
  return { write, outcome: { status: 'new', token: ask.token, attempt: write.attempt, leaseUntil, checkpoint } }
}

function complete(live: Rec, ask: CompleteAsk, now: number): Rec {
  const retentionMs = ask.retentionMs ?? live.retentionMs
  return {
    ...live,
    status: 'completed',
    retentionMs,
    leaseUntil: undefined,
    expiresAt: now + retentionMs,
    updatedAt: now,
    completedAt: now,
    kind: ask.kind,
    response: ask.response,
    checkpoint: undefined,
  }
}

/** A claim ends without a response. What must outlive it stays, free for the next claim; else nothing does. */
function end(live: Rec, now: number): WriteDecision {
  if (live.checkpoint === undefined && live.afterCrash !== 'uncertain') return { remove: true }
  return {
    write: { ...live, token: undefined, leaseUntil: undefined, expiresAt: now + live.retentionMs, updatedAt: now },
  }
}

function isNewer(live: Rec, checkpointNumber: number | undefined): boolean {
  return checkpointNumber === undefined || checkpointNumber > live.checkpointNumber
}

/** Fingerprints are compared only where both sides have one of the same version; a missing one matches anything. */
function differ(stored: string | undefined, asked: string | undefined): boolean {
  return stored !== undefined && asked !== undefined && stored !== asked && versionOf(stored) === versionOf(asked)
}

/** A checkpoint goes to a claim of the same fingerprint; a record without one hands its own to anybody. */
function crosses(stored: string | undefined, asked: string | undefined): boolean {
  return stored !== undefined && stored !== asked
}

function versionOf(fingerprint: string): string {
  return /^v\d+:/.exec(fingerprint)?.[0] ?? ''
}
