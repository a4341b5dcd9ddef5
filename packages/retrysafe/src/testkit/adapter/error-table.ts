/* Every refusal, over HTTP. */
import { type ErrorCode, type IdempotencyStore, RetrysafeError } from '../../contract/index.js'
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase } from './adapter-case.js'
import { expectProblem, expectReply, refusals } from './judge.js'
import { adapterCase, headerOf, textOf } from './scene.js'

const codes = Object.keys(refusals) as ErrorCode[]

/** A store whose `begin` rejects. */
function refusing(error: () => unknown): (store: IdempotencyStore) => IdempotencyStore {
  return (store) => ({
    ...store,
    begin: async () => {
      throw error()
    },
  })
}

/** What a message of the inside must never show to a client. */
const inside = 'postgres://user:hunter2@10.0.0.7/ledger'

const storeCodes: readonly ErrorCode[] = ['store_unavailable', 'store_full', 'store_closed', 'store_corrupt']

export const errorTableCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...codes.map((code) =>
    adapterCase(
      `${code} of the store answers with its status and advice`,
      'A client that is told the wrong thing to do next sends the operation again under a new key.',
      ['store'],
      async (set) => {
        const scene = await set({ between: refusing(() => new RetrysafeError(code, `Thrown by plan. ${inside}`)) })
        const reply = await scene.ask({ key: 'secret-key' })
        expectProblem(reply, code, 'the refusal')
        expectEqual(scene.runs(), 0, 'runs')
        const text = textOf(reply.body)
        expectThat(
          !text.includes('secret-key') && !text.includes('token-of-alice'),
          'it shows no key and no credential',
        )
        if (storeCodes.includes(code)) expectThat(!text.includes('hunter2'), 'it shows nothing of the inside')
      },
    ),
  ),
  ...codes.map((code) =>
    adapterCase(
      `${code} thrown by a handler answers with its status and advice`,
      'A handler that uses the library itself would answer 500 for what the client could repair.',
      ['throws'],
      async (set) => {
        const scene = await set({
          handler: () => {
            throw new RetrysafeError(code, 'Thrown by plan.')
          },
        })
        expectProblem(await scene.ask(), code, 'with a key')
        expectProblem(await scene.ask({ key: null }), code, 'without a key')
      },
    ),
  ),
  adapterCase(
    'an error of the store without a code answers store_unavailable and shows nothing of it',
    'Messages of drivers hold hosts, users and statements.',
    ['store'],
    async (set) => {
      const scene = await set({ between: refusing(() => new Error(`connect ECONNREFUSED ${inside}`)) })
      const reply = await scene.ask()
      expectProblem(reply, 'store_unavailable', 'the refusal')
      expectThat(!textOf(reply.body).includes('hunter2'), 'it shows nothing of the inside')
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
  adapterCase(
    'Retry-After and expiresAt are those of the error',
    'Clients would come too early, again and again, or wait for nothing.',
    ['store'],
    async (set) => {
      const expiresAt = new Date(1_800_000_000_000)
      const full = await set({
        between: refusing(() => new RetrysafeError('store_full', 'full', { retryAfterMs: 2500 })),
      })
      const refused = await full.ask()
      const { retryAfterMs } = expectProblem(refused, 'store_full', 'store_full')
      expectEqual(headerOf(refused, 'retry-after'), '3', 'Retry-After')
      expectThat(
        Number(retryAfterMs) >= 2500 && Number(retryAfterMs) <= 3750,
        `the jitter is within half: ${retryAfterMs}`,
      )
      const expired = await set({ between: refusing(() => new RetrysafeError('expired', 'over', { expiresAt })) })
      const problem = expectProblem(await expired.ask(), 'expired', 'expired')
      expectEqual(problem.expiresAt, expiresAt.toISOString(), 'expiresAt')
    },
  ),
  adapterCase(
    'an expired key is refused and nothing runs',
    'A retry that comes after the retention would charge again.',
    ['store'],
    async (set) => {
      const expiredAt = new Date(1_800_000_000_000)
      const scene = await set({
        between: (store) => ({ ...store, begin: async () => ({ status: 'expired', expiredAt }) }),
      })
      const problem = expectProblem(await scene.ask(), 'expired', 'the late retry')
      expectEqual(problem.expiresAt, expiredAt.toISOString(), 'expiresAt')
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
  adapterCase(
    'the type of a refusal is the documentation that was set',
    'Readers of a refusal would look for its meaning at a page that is not the service’s own.',
    ['options'],
    async (set) => {
      const scene = await set({ options: { documentation: 'https://pay.example/errors' } })
      const problem = expectProblem(await scene.ask({ key: '' }), 'invalid_key', 'the refusal')
      expectEqual(problem.type, 'https://pay.example/errors#invalid_key', 'type')
    },
  ),
  adapterCase(
    'what a handler throws answers 500, shows nothing of it and gives the key back',
    'Stack traces leak, or the retry of a failed request waits for a day.',
    ['throws'],
    async (set) => {
      let fails = true
      const scene = await set({
        handler: () => {
          if (fails) throw new Error(inside)
          return { status: 201, body: 'done' }
        },
      })
      const failed = await scene.ask()
      expectReply(failed, { status: 500, replayed: false }, 'the failure')
      expectThat(!textOf(failed.body).includes('hunter2'), 'it shows nothing of the inside')
      fails = false
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: false }, 'the retry')
      expectEqual(scene.runs(), 2, 'runs')
    },
  ),
  adapterCase(
    'refusals under corsOrigins can be read by their scripts, and by no others',
    'A browser hides a refusal from its own page, which then retries under a new key.',
    [],
    async (set) => {
      const scene = await set({ options: { corsOrigins: ['https://shop.example'] } })
      const from = (origin: string) => scene.ask({ key: '', headers: [['Origin', origin]] })
      const shop = await from('https://shop.example')
      expectProblem(shop, 'invalid_key', 'to the shop')
      expectEqual(headerOf(shop, 'access-control-allow-origin'), 'https://shop.example', 'allowed origin')
      const exposed = headerOf(shop, 'access-control-expose-headers')?.toLowerCase() ?? ''
      expectThat(exposed.includes('retry-after') && exposed.includes('idempotent-replayed'), `exposed: ${exposed}`)
      expectThat(/\borigin\b/i.test(headerOf(shop, 'vary') ?? ''), 'caches keep origins apart')
      const evil = await from('https://evil.example')
      expectProblem(evil, 'invalid_key', 'to another')
      expectEqual(headerOf(evil, 'access-control-allow-origin'), undefined, 'allowed origin of another')
      const none = await set({})
      const reply = await none.ask({ key: '', headers: [['Origin', 'https://shop.example']] })
      expectEqual(headerOf(reply, 'access-control-allow-origin'), undefined, 'allowed origin without the option')
    },
  ),
  adapterCase(
    'refusals under corsOrigins * can be read by every script',
    'An open API would be open but for its refusals.',
    [],
    async (set) => {
      const scene = await set({ options: { corsOrigins: ['*'] } })
      const reply = await scene.ask({ key: '', headers: [['Origin', 'https://any.example']] })
      expectProblem(reply, 'invalid_key', 'the refusal')
      expectEqual(headerOf(reply, 'access-control-allow-origin'), '*', 'allowed origin')
    },
  ),
]
