/* Stores that are broken in one place, as engines and careless code break them, and a case that must notice. */
import {
  type Encoded,
  type IdempotencyStore,
  type Inspectable,
  type Migratable,
  RetrysafeError,
  type StoredValue,
} from '../../src/contract/index.js'
import type { Quirks, RuleStore } from './rule-store.js'

/** Text that went through something: an engine's type, a driver, a careless line. */
function text(change: (json: string) => string): (value: Encoded) => Encoded {
  return (value) => (typeof value === 'string' ? change(value) : value)
}

function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sortMembers(member)]),
  )
}

const tick = (): Promise<void> => Promise.resolve()

export const quirks: readonly (readonly [what: string, notices: string, quirk: Quirks])[] = [
  ['folds the case of keys', 'keys that differ by case are two', { keep: (key) => key.toLowerCase() }],
  ['trims keys', 'keys that differ by a trailing space are two', { keep: (key) => key.trim() }],
  [
    'composes keys',
    'keys that differ by composed and decomposed form are two',
    { keep: (key) => key.normalize('NFC') },
  ],
  [
    'folds compatible forms of keys',
    'keys that differ by full width are two',
    { keep: (key) => key.normalize('NFKC') },
  ],
  [
    'compares keys without their accents',
    'keys that differ by an accent are two',
    { keep: (key) => key.normalize('NFD').replace(/\p{M}/gu, '') },
  ],
  [
    'keeps three bytes of a character',
    'keys that differ by two emoji are two',
    { keep: (key) => key.replace(/[\u{10000}-\u{10ffff}]/gu, '\ufffd') },
  ],
  ['cuts keys', 'the longest keys, of a, that differ in the last byte are two', { keep: (key) => key.slice(0, 2000) }],
  ['decides on what it read before it waited', 'of a hundred begins at once one claims', { dither: tick }],
  ['decides on what it read before it waited', 'a completion that races a takeover has one outcome', { dither: tick }],
  [
    'sorts members',
    'members keep their order',
    { keepValue: text((json) => JSON.stringify(sortMembers(JSON.parse(json)))) },
  ],
  ['loses -0', 'a value is given back as it was: -0', { keepValue: text((json) => JSON.stringify(JSON.parse(json))) }],
  [
    'drops NUL',
    'a doubtful value is kept as it is or refused: NUL in a string',
    { keepValue: text((json) => json.replaceAll('\\u0000', '')) },
  ],
  [
    'replaces lone surrogates',
    'a doubtful value is kept as it is or refused: a lone surrogate',
    { keepValue: text((json) => json.replace(/\\ud[89a-f]../g, '\ufffd')) },
  ],
  [
    'replaces wide characters',
    'a value is given back as it was: Unicode',
    { keepValue: text((json) => json.replace(/[^\0-\uffff]/gu, '?')) },
  ],
  [
    'reads bytes as text',
    'bytes are given back byte for byte: broken UTF-8',
    { keepValue: (value) => (typeof value === 'string' ? value : Buffer.from(Buffer.from(value).toString('utf8'))) },
  ],
  [
    'keeps bytes as text',
    'bytes are given back byte for byte: what looks like text',
    { keepValue: (value) => (typeof value === 'string' ? value : Buffer.from(value).toString('latin1')) },
  ],
  [
    'drops trailing zero bytes',
    'bytes are given back byte for byte: a single NUL',
    { keepValue: (value) => (typeof value === 'string' || value.at(-1) !== 0 ? value : value.subarray(0, -1)) },
  ],
  [
    'cuts large values',
    'large values are given back whole',
    { keepValue: (value) => (typeof value === 'string' ? value : value.subarray(0, 65_535)) },
  ],
  ['takes any value', 'a value over the store’s limit is refused, at the limit it is kept', { maxValueBytes: 2 ** 30 }],
  [
    'purges lapsed claims',
    'purge never touches a lapsed claim within its retention',
    { purges: (record) => record.status === 'in_progress' },
  ],
  [
    'purges responses',
    'purge never touches an unexpired response',
    { purges: (record) => record.status === 'completed' },
  ],
  [
    'purges uncertain keys',
    'purge never touches an uncertain key',
    { purges: (record, over) => over || record.expiresAt === undefined },
  ],
  ['never purges', 'purge deletes what is over, in batches with a bound', { purges: () => false }],
  [
    'purges only responses',
    'purge deletes claims and checkpoints that are over too',
    { purges: (record, over) => over && record.status === 'completed' },
  ],
  ['purges without a bound', 'purge deletes what is over, in batches with a bound', { purgeLimit: 1_000_000 }],
  [
    'lists by LIKE',
    'a prefix is taken literally',
    {
      sees: (prefix, key) =>
        new RegExp(
          `^${prefix
            .replace(/[\\[*]/g, '\\$&')
            .replaceAll('_', '.')
            .replaceAll('%', '.*')}`,
        ).test(key),
    },
  ],
  [
    'lists without regard to case',
    'a prefix is taken literally',
    { sees: (prefix, key) => key.toLowerCase().startsWith(prefix.toLowerCase()) },
  ],
  [
    'lists by UTF-16',
    'list gives every key under a prefix once, in byte order, page by page',
    { compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0) },
  ],
]

export type Wrap = (store: RuleStore) => IdempotencyStore & Partial<Inspectable & Migratable>

export const wraps: readonly (readonly [what: string, notices: string, wrap: Wrap])[] = [
  [
    'hands out one copy of a response',
    'what a caller does to a replay reaches nobody else',
    (store) => {
      const shared = new Map<string, StoredValue>()
      return {
        ...store,
        async begin(key, options) {
          const outcome = await store.begin(key, options)
          if (outcome.status !== 'completed') return outcome
          const response = shared.get(key) ?? outcome.response
          shared.set(key, response)
          return { ...outcome, response }
        },
      }
    },
  ],
  [
    'serialises a response after it waited',
    'the caller’s own copy may change without changing the stored one',
    (store) => ({
      ...store,
      async complete(key, response, options) {
        await tick()
        await store.complete(key, response, options)
      },
    }),
  ],
  [
    'takes a late completion',
    'a token that was taken over changes nothing',
    (store) => ({
      ...store,
      async complete(key, response, options) {
        await store.complete(key, response, options).catch(() => undefined)
      },
    }),
  ],
  [
    'caches what it read',
    'one process sees at once what another did',
    (store) => {
      const cache = new Map<string, Awaited<ReturnType<IdempotencyStore['begin']>>>()
      return {
        ...store,
        async begin(key, options) {
          const cached = cache.get(key) ?? (await store.begin(key, options))
          if (cached.status === 'in_progress') cache.set(key, cached)
          return cached
        },
      }
    },
  ],
  [
    'throws where it should reject',
    'a wrong option is refused by its name and changes nothing',
    (store) => ({
      ...store,
      begin(key, options) {
        if (options?.token === '') throw new RetrysafeError('invalid_option', 'token is empty.')
        return store.begin(key, options)
      },
    }),
  ],
  [
    'takes a wrong option for none',
    'a wrong option is refused by its name and changes nothing',
    (store) => ({
      ...store,
      begin: (key, options) => store.begin(key, { ...options, leaseMs: options?.leaseMs || undefined }),
    }),
  ],
  [
    'answers after close',
    'every call after close is store_closed',
    (store) => ({ ...store, close: async () => undefined }),
  ],
  [
    'shows its tokens',
    'the token is shown to nobody but its owner',
    (store) => {
      let last: string | undefined
      return {
        ...store,
        async begin(key, options) {
          last ??= options?.token
          return Object.assign(await store.begin(key, options), { holder: last })
        },
      }
    },
  ],
  [
    'takes a repeated call for a new one',
    'begin repeated with its own token is the same claim',
    (store) => ({
      ...store,
      begin: (key, options) => store.begin(key, { ...options, token: crypto.randomUUID() }),
    }),
  ],
  [
    'lets one bad call fail the others',
    'among many calls at once a bad one fails alone',
    (store) => {
      let failed = false
      return {
        ...store,
        async begin(key, options) {
          if (failed) throw new RetrysafeError('store_unavailable', 'The batch failed.')
          failed = key === '\u0000'
          return store.begin(key, options)
        },
      }
    },
  ],
  [
    'pages by number',
    'a cursor outlives the record it points at',
    (store) => ({
      ...store,
      async list(query) {
        const from = Number(query?.cursor ?? 0)
        const { records } = await store.list({ ...query, cursor: undefined, limit: 1000 })
        const to = from + (query?.limit ?? 100)
        return { records: records.slice(from, to), ...(to < records.length ? { cursor: String(to) } : {}) }
      },
    }),
  ],
  [
    'frees whatever it finds',
    'free of another attempt changes nothing',
    (store) => ({
      ...store,
      async free(key, { attempt }) {
        const record = await store.get(key)
        return store.free(key, { attempt: record?.attempt ?? attempt })
      },
    }),
  ],
  [
    'forgets what it was told on a migration',
    'migrate may be repeated, by many at once, and touches no record',
    (store) => ({
      ...store,
      async migrate() {
        for (const record of (await store.list()).records) await store.delete(record.key)
      },
    }),
  ],
]
