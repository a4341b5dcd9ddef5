/* Ways to break who may claim, complete, renew and release: rules 1 to 5. */
import { drop, type Mutant, swap } from './mutant.js'

const liveOnBegin =
  'export function onBegin(record, ask, now, skewMs = 0) {\n    const live = record !== undefined && !isOver(record, now, skewMs) ? record : undefined;'
const liveOnComplete =
  'export function onComplete(record, ask, now, skewMs = 0) {\n    const live = record !== undefined && !isOver(record, now, skewMs) ? record : undefined;'
const mismatch =
  "    if (differ(live.fingerprint, ask.fingerprint))\n        return { outcome: { status: 'mismatch' } };\n"
const replay = "    if (live.status === 'completed')\n        return replay(live);\n"
const ownToken = 'if (live.token !== undefined && live.token === ask.token)'
const liveLease = 'if (live.token !== undefined && live.leaseUntil !== undefined && !isLapsed(live, now, skewMs))'
const holding = 'live.attempt === 1 && live.token !== undefined : live.token === ask.token;'
const fencing = 'return record.token === token ? record : undefined;'
const takenToken = 'token: ask.token,\n        fingerprint: live.fingerprint ?? ask.fingerprint,'
const renewKept = "expiresAt: live.afterCrash === 'uncertain' ? undefined : (leaseUntil ?? now) + live.retentionMs,"
const freshLease = 'const leaseUntil = lapsed ? now + live.leaseMs : (live.leaseUntil ?? now);'

const order: readonly Mutant[] = [
  swap(1, 'a record that is over decides', liveOnBegin, liveOnBegin.replace(/record !== .*;/, 'record;')),
  swap(1, 'completed comes before mismatch', mismatch + replay, replay + mismatch),
  swap(
    1,
    'the own token comes before mismatch',
    mismatch,
    mismatch.replace('(differ', '(live.token !== ask.token && differ'),
  ),
  swap(
    1,
    'the own token comes before completed',
    replay,
    replay.replace("'completed'", "'completed' && live.token !== ask.token"),
  ),
  swap(
    1,
    'a live lease comes before the own token',
    ownToken,
    ownToken.replace('(', '(isLapsed(live, now, skewMs) && '),
  ),
  swap(
    1,
    'a live lease yields to a reconciler',
    liveLease,
    liveLease.replace('(', '(ask.rerunAttempt !== live.attempt && '),
  ),
  swap(1, 'a live lease yields to anyone', liveLease, 'if (false)'),
  swap(1, 'a lease ends a moment late', 'now >= record.leaseUntil + skewMs', 'now > record.leaseUntil + skewMs'),
  swap(1, 'a lease ends a moment early', 'now >= record.leaseUntil + skewMs', 'now + 1 >= record.leaseUntil + skewMs'),
  swap(1, 'a record ends a moment late', 'now >= record.expiresAt + skewMs', 'now > record.expiresAt + skewMs'),
  swap(1, 'a record ends a moment early', 'now >= record.expiresAt + skewMs', 'now + 1 >= record.expiresAt + skewMs'),
]

const fingerprints: readonly Mutant[] = [
  drop(2, 'fingerprints of two versions are compared', ' && versionOf(stored) === versionOf(asked)'),
  swap(
    2,
    'a missing fingerprint matches nothing',
    'return stored !== undefined && asked !== undefined && stored !== asked && versionOf(stored) === versionOf(asked);',
    'return stored !== asked && (stored === undefined || asked === undefined || versionOf(stored) === versionOf(asked));',
  ),
  swap(
    2,
    'fingerprints are not compared',
    'asked !== undefined && stored !== asked && versionOf',
    'false && versionOf',
  ),
  swap(2, 'the last fingerprint stays', 'live.fingerprint ?? ask.fingerprint', 'ask.fingerprint ?? live.fingerprint'),
  swap(2, 'a record without a fingerprint takes none', 'live.fingerprint ?? ask.fingerprint', 'live.fingerprint'),
  swap(
    2,
    'only the same version hides a checkpoint',
    'return stored !== undefined && stored !== asked;',
    'return differ(stored, asked);',
  ),
  swap(
    2,
    'a record without a fingerprint hides its checkpoint',
    'return stored !== undefined && stored !== asked;',
    'return stored !== asked;',
  ),
  drop(2, 'a reconciler gets no checkpoint', 'ask.rerunAttempt !== live.attempt && '),
  swap(2, 'begin repeated shows what was withheld', 'live.withheld ? undefined : live.checkpoint,', 'live.checkpoint,'),
  swap(
    2,
    'a takeover shows what is withheld',
    'const checkpoint = withheld ? undefined',
    'const checkpoint = false ? undefined',
  ),
  swap(
    2,
    'uncertain shows a checkpoint to anyone',
    'crosses(live.fingerprint, ask.fingerprint) ? undefined',
    'false ? undefined',
  ),
]

const lostAnswers: readonly Mutant[] = [
  swap(3, 'begin repeated is a takeover', 'return again(live, now, skewMs);', 'return takeOver(live, ask, now);'),
  swap(3, 'begin repeated is a stranger', ownToken, 'if (false)'),
  swap(3, 'begin repeated gets no fresh lease', freshLease, 'const leaseUntil = live.leaseUntil ?? now;'),
  swap(
    3,
    'begin repeated always gets a fresh lease',
    'const lapsed = isLapsed(live, now, skewMs);',
    'const lapsed = true;',
  ),
  swap(
    3,
    'a fresh lease is not written',
    'return { write: { ...live, leaseUntil, expiresAt, updatedAt: now }, outcome };',
    'return { outcome };',
  ),
  swap(
    3,
    'complete repeated overwrites',
    'live.token === ask.token ? {} :',
    'live.token === ask.token ? { write: complete(live, ask, now) } :',
  ),
  swap(3, 'complete repeated is refused', 'live.token === ask.token ? {} :', 'false ? {} :'),
  swap(3, 'complete of a stranger is taken for a repeated one', 'live.token === ask.token ? {} :', 'true ? {} :'),
]

const tokens: readonly Mutant[] = [
  swap(
    4,
    'a token ends with its lease, for renew and release',
    fencing,
    fencing.replace('?', '&& !isLapsed(record, now, skewMs) ?'),
  ),
  swap(
    4,
    'a token ends with its lease, for complete',
    'return holds ?',
    'return holds && !isLapsed(live, now, skewMs) ?',
  ),
  swap(4, 'any token completes', holding, holding.replace('live.token === ask.token', 'true')),
  swap(4, 'any token renews and releases', fencing, 'return record;'),
  drop(4, 'renew and release go on after completion', " || record.status === 'completed'"),
  swap(
    4,
    'renew and release go on after the record is over',
    'isOver(record, now, skewMs) || record.status ===',
    'record.status ===',
  ),
  swap(
    4,
    'complete goes on after the record is over',
    liveOnComplete,
    liveOnComplete.replace(/record !== .*;/, 'record;'),
  ),
  swap(4, 'renew with 0 is taken for none', 'ask.leaseMs ?? live.leaseMs', 'ask.leaseMs || live.leaseMs'),
  swap(4, 'renew with 0 ends the token', renewKept, `token: leaseMs === 0 ? undefined : live.token, ${renewKept}`),
  swap(4, 'a takeover does not fence', takenToken, takenToken.replace('ask.token', 'live.token ?? ask.token')),
  swap(
    4,
    'a takeover of a given-up lease does not fence',
    takenToken,
    takenToken.replace('ask.token', 'live.leaseUntil === undefined ? live.token : ask.token'),
  ),
]

const unfenced: readonly Mutant[] = [
  swap(
    5,
    'complete without a token on any attempt',
    'live.attempt === 1 && live.token !== undefined',
    'live.token !== undefined',
  ),
  swap(
    5,
    'complete without a token after a release',
    'live.attempt === 1 && live.token !== undefined',
    'live.attempt === 1',
  ),
  swap(5, 'complete without a token is never accepted', 'live.attempt === 1 && live.token !== undefined', 'false'),
  swap(5, 'complete without a token, repeated, resolves', "return { refuse: 'already_completed' };", 'return {};'),
  swap(
    5,
    'complete without a token, repeated, overwrites',
    "return { refuse: 'already_completed' };",
    'return { write: complete(live, ask, now) };',
  ),
  swap(
    5,
    'complete of an unknown key is lease_lost',
    "ask.token === undefined ? 'unknown_key' : 'lease_lost'",
    "'lease_lost'",
  ),
]

export const mutantsOfClaims: readonly Mutant[] = [...order, ...fingerprints, ...lostAnswers, ...tokens, ...unfenced]
