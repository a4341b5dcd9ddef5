/* Ways to break what is kept, and for how long: rules 6 to 8, and 10. */
import { drop, type Mutant, swap } from './mutant.js'

const ownToken = 'if (live.token !== undefined && live.token === ask.token)'
const unsettled = 'if (isUncertain(live, now, skewMs) && ask.rerunAttempt !== live.attempt)'
const keepsCheckpoint = "if (live.checkpoint === undefined && live.afterCrash !== 'uncertain')"
const claimKept =
  "expiresAt: ask.afterCrash === 'uncertain' ? undefined : leaseUntil + ask.retentionMs,\n        afterCrash: ask.afterCrash,"
const takeoverKept = "expiresAt: afterCrash === 'uncertain' ? undefined : leaseUntil + ask.retentionMs,"
const renewKept = "expiresAt: live.afterCrash === 'uncertain' ? undefined : (leaseUntil ?? now) + live.retentionMs,"
const againKept = "const expiresAt = live.afterCrash === 'uncertain' ? undefined : leaseUntil + live.retentionMs;"
const ended = 'token: undefined, leaseUntil: undefined, expiresAt: now + live.retentionMs'
const retention: readonly Mutant[] = [
  swap(6, 'a claim is kept without its lease', claimKept, claimKept.replace('leaseUntil +', 'now +')),
  swap(6, 'a takeover is kept without its lease', takeoverKept, takeoverKept.replace('leaseUntil +', 'now +')),
  swap(6, 'a renewal does not lengthen what is kept', renewKept, renewKept.replace('leaseUntil ?? now', 'now')),
  swap(6, 'a renewal leaves the end as it was', renewKept, 'expiresAt: live.expiresAt,'),
  swap(6, 'a fresh lease does not lengthen what is kept', againKept, 'const expiresAt = live.expiresAt;'),
  swap(
    6,
    'a response is kept from the claim on',
    'expiresAt: now + retentionMs,',
    'expiresAt: live.createdAt + retentionMs,',
  ),
  swap(6, 'complete ignores its own retention', 'ask.retentionMs ?? live.retentionMs', 'live.retentionMs'),
  swap(6, 'complete falls back to a default', 'ask.retentionMs ?? live.retentionMs', 'ask.retentionMs ?? 86_400_000'),
  swap(6, 'renew falls back to a default', 'ask.leaseMs ?? live.leaseMs', 'ask.leaseMs ?? 30_000'),
  swap(
    6,
    'a renewal becomes the lease of the claim',
    'leaseUntil,\n            expiresAt: live.afterCrash',
    'leaseUntil, leaseMs,\n            expiresAt: live.afterCrash',
  ),
  swap(
    6,
    'a takeover keeps the lease of the first claim',
    'leaseMs: ask.leaseMs,\n        retentionMs: ask.retentionMs,\n        leaseUntil,\n        expiresAt: afterCrash',
    'retentionMs: ask.retentionMs,\n        leaseUntil,\n        expiresAt: afterCrash',
  ),
  swap(
    6,
    'a takeover keeps the retention of the first claim',
    'retentionMs: ask.retentionMs,\n        leaseUntil,\n        expiresAt: afterCrash',
    'leaseUntil,\n        expiresAt: afterCrash',
  ),
  swap(6, 'a release leaves the end as it was', ended, ended.replace('now + live.retentionMs', 'live.expiresAt')),
  swap(
    6,
    'a completed key keeps its lease',
    'leaseUntil: undefined,\n        expiresAt: now + retentionMs',
    'expiresAt: now + retentionMs',
  ),
]

const checkpoints: readonly Mutant[] = [
  swap(7, 'a release removes the checkpoint', keepsCheckpoint, "if (live.afterCrash !== 'uncertain')"),
  swap(7, 'a release never removes the record', keepsCheckpoint, 'if (false)'),
  swap(7, 'a release keeps the token', ended, ended.replace('token: undefined, ', '')),
  swap(7, 'a release keeps the lease', ended, ended.replace('leaseUntil: undefined, ', '')),
  swap(7, 'a release forgets the fingerprint', ended, `fingerprint: undefined, ${ended}`),
  swap(7, 'a release forgets the attempt', ended, `attempt: 0, ${ended}`),
  drop(7, 'a claim saves over what it was not shown', ' && !live.withheld'),
  swap(7, 'a delayed save takes back a later step', 'checkpointNumber > live.checkpointNumber', 'true'),
  swap(
    7,
    'a repeated save overwrites',
    'checkpointNumber > live.checkpointNumber',
    'checkpointNumber >= live.checkpointNumber',
  ),
  swap(7, 'a takeover goes on counting saves', 'checkpointNumber: 0,\n        withheld,', 'withheld,'),
  swap(7, 'a takeover drops the checkpoint', 'withheld,\n    };', 'withheld,\n        checkpoint: undefined,\n    };'),
  swap(
    7,
    'a renewal drops the checkpoint',
    'checkpoint: saves ? ask.checkpoint : live.checkpoint,',
    'checkpoint: ask.checkpoint,',
  ),
  swap(
    7,
    'a completed key keeps its checkpoint',
    'response: ask.response,\n        checkpoint: undefined,',
    'response: ask.response,',
  ),
]

const uncertainty: readonly Mutant[] = [
  swap(8, 'a dead attempt is taken over', unsettled, 'if (false)'),
  swap(8, 'any rerunAttempt settles', unsettled, unsettled.replace('!== live.attempt', '=== undefined')),
  swap(
    8,
    'an older rerunAttempt settles',
    unsettled,
    unsettled.replace('ask.rerunAttempt !== live.attempt', '!(ask.rerunAttempt <= live.attempt)'),
  ),
  swap(8, 'rerunAttempt does not settle', unsettled, unsettled.replace(' && ask.rerunAttempt !== live.attempt', '')),
  swap(
    8,
    'rerunAttempt repeats the attempt',
    'attempt: live.attempt + 1,',
    'attempt: ask.rerunAttempt ?? live.attempt + 1,',
  ),
  swap(8, 'uncertain weakens', "live.afterCrash === 'uncertain' ? 'uncertain' : ask.afterCrash", 'ask.afterCrash'),
  swap(
    8,
    'rerun never strengthens',
    "live.afterCrash === 'uncertain' ? 'uncertain' : ask.afterCrash",
    'live.afterCrash',
  ),
  swap(8, 'the holder is told uncertain', ownToken, ownToken.replace('(', '(!isUncertain(live, now, skewMs) && ')),
  swap(
    8,
    'a claim under uncertain ends by itself',
    claimKept,
    claimKept.replace("ask.afterCrash === 'uncertain' ? undefined : ", ''),
  ),
  swap(
    8,
    'a takeover under uncertain ends by itself',
    takeoverKept,
    takeoverKept.replace("afterCrash === 'uncertain' ? undefined : ", ''),
  ),
  swap(
    8,
    'a renewal under uncertain ends by itself',
    renewKept,
    renewKept.replace("live.afterCrash === 'uncertain' ? undefined : ", ''),
  ),
  swap(
    8,
    'a fresh lease under uncertain ends by itself',
    againKept,
    againKept.replace("live.afterCrash === 'uncertain' ? undefined : ", ''),
  ),
  swap(8, 'a release under uncertain removes the attempt', keepsCheckpoint, 'if (live.checkpoint === undefined)'),
  drop(8, 'a released key is uncertain', 'record.token !== undefined &&\n        '),
  swap(
    8,
    'a lease that was given up is not uncertain',
    'record.leaseUntil === undefined || now',
    'record.leaseUntil !== undefined && now',
  ),
  drop(8, 'free ends any attempt', ' || record.attempt !== attempt'),
  drop(8, 'free ends a completed key', "record.status === 'completed' || "),
]

const skew: readonly Mutant[] = [
  swap(
    10,
    'a lease lapses by the clock of one machine',
    'now >= record.leaseUntil + skewMs',
    'now >= record.leaseUntil',
  ),
  swap(
    10,
    'a record is over by the clock of one machine',
    'now >= record.expiresAt + skewMs',
    'now >= record.expiresAt',
  ),
]

export const mutantsOfRecords: readonly Mutant[] = [...retention, ...checkpoints, ...uncertainty, ...skew]
