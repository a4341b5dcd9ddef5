/* The worlds that are searched: each brings together what may interfere, and leaves out what another one covers. */
import type { BeginAsk } from '../../src/contract/rules.js'
import type { Move, World } from './check.js'

const shortLease = { leaseMs: 10, retentionMs: 100 }
const longLease = { leaseMs: 100, retentionMs: 10 }

function begin(token: string, options: Partial<BeginAsk> = {}): Move {
  const plain = { fingerprint: undefined, afterCrash: 'rerun' as const, rerunAttempt: undefined }
  return { verb: 'begin', ask: { ...plain, ...shortLease, ...options, token } }
}

function writes(tokens: readonly string[]): Move[] {
  return tokens.flatMap((token) => [{ verb: 'complete', token } as const, { verb: 'release', token } as const])
}

const unfenced: Move = { verb: 'complete', token: undefined }
const purge: Move = { verb: 'purge' }
const frees: readonly Move[] = [1, 2, 3].map((attempt) => ({ verb: 'free', attempt }))

const fingerprints = [undefined, 'v1:x', 'v1:y', 'v2:x']
const crashes = ['rerun', 'uncertain'] as const
const reruns = [undefined, 1, 2, 3]

export const worlds: readonly World[] = [
  {
    name: 'three workers, leases and retentions of either length',
    depth: 14,
    moves: [
      begin('a'),
      begin('b', longLease),
      begin('c'),
      ...writes(['a', 'b', 'c']),
      { verb: 'complete', token: 'a', retentionMs: 7 },
      { verb: 'renew', token: 'a' },
      { verb: 'renew', token: 'a', leaseMs: 0 },
      { verb: 'renew', token: 'b', leaseMs: 0 },
      { verb: 'renew', token: 'b', leaseMs: 3 },
      { verb: 'renew', token: 'c', save: {} },
      unfenced,
      purge,
      ...frees,
    ],
  },
  {
    name: 'fingerprints and checkpoints',
    depth: 12,
    moves: [
      ...['a', 'b'].flatMap((token) => fingerprints.map((fingerprint) => begin(token, { fingerprint }))),
      ...['a', 'b'].flatMap((token) => [
        { verb: 'renew', token, save: {} } as const,
        { verb: 'renew', token, leaseMs: 0 } as const,
      ]),
      ...writes(['a', 'b']),
    ],
  },
  {
    name: 'uncertain attempts, reconcilers and operators',
    depth: 12,
    moves: [
      ...['a', 'b', 'c'].flatMap((token) =>
        crashes.flatMap((afterCrash) => reruns.map((rerunAttempt) => begin(token, { afterCrash, rerunAttempt }))),
      ),
      ...['a', 'b', 'c'].flatMap((token) => [
        { verb: 'renew', token } as const,
        { verb: 'renew', token, leaseMs: 0 } as const,
      ]),
      ...writes(['a', 'b', 'c']),
      unfenced,
      purge,
      ...frees,
    ],
  },
  {
    name: 'what reconcilers see of other fingerprints',
    depth: 9,
    moves: [
      ...['a', 'b'].flatMap((token) =>
        fingerprints.flatMap((fingerprint) =>
          [undefined, 1, 2].map((rerunAttempt) => begin(token, { fingerprint, rerunAttempt, afterCrash: 'uncertain' })),
        ),
      ),
      ...['a', 'b'].flatMap((token) => [
        { verb: 'renew', token, save: {} } as const,
        { verb: 'renew', token, leaseMs: 0 } as const,
      ]),
      ...writes(['a', 'b']),
    ],
  },
  {
    name: 'saves that overtake each other',
    depth: 14,
    moves: [
      begin('a'),
      begin('b', longLease),
      ...['a', 'b'].flatMap((token) =>
        [undefined, 1, 2, 3].map((number) => ({ verb: 'renew', token, save: { ...(number && { number }) } }) as const),
      ),
      ...writes(['a', 'b']),
      { verb: 'renew', token: 'b', leaseMs: 0 },
    ],
  },
  {
    name: 'clocks that are apart',
    depth: 11,
    skewMs: 4,
    moves: [
      begin('a'),
      begin('b', { ...longLease, afterCrash: 'uncertain' }),
      begin('c', { rerunAttempt: 1 }),
      ...writes(['a', 'b', 'c']),
      { verb: 'renew', token: 'a', save: {} },
      { verb: 'renew', token: 'b', leaseMs: 0 },
      unfenced,
      purge,
      ...frees,
    ],
  },
  {
    name: 'everything at once',
    depth: 6,
    moves: [
      ...['a', 'b', 'c'].flatMap((token) =>
        fingerprints.flatMap((fingerprint) =>
          crashes.flatMap((afterCrash) =>
            [undefined, 1, 2].flatMap((rerunAttempt) =>
              [shortLease, longLease].map((times) => begin(token, { fingerprint, afterCrash, rerunAttempt, ...times })),
            ),
          ),
        ),
      ),
      ...['a', 'b', 'c'].flatMap((token) => [
        { verb: 'renew', token } as const,
        { verb: 'renew', token, leaseMs: 0 } as const,
        { verb: 'renew', token, save: { number: 1 } } as const,
        { verb: 'renew', token, save: { number: 2 } } as const,
      ]),
      ...writes(['a', 'b', 'c']),
      unfenced,
      purge,
      ...frees,
    ],
  },
]
