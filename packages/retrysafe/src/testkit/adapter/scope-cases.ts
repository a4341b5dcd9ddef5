/* Whose key it is. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase, AdapterOptions, HeaderLines } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, alice, bob, counting } from './scene.js'

type Who = HeaderLines

const bearerOfAlice: Who = [['Authorization', alice]]
const sigV4 = (key: string, signature: string): Who => [
  [
    'Authorization',
    `AWS4-HMAC-SHA256 Credential=${key}/20260101/eu-central-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
  ],
]
const jwt = (claims: string): string => `Bearer eyJhbGciOiJIUzI1NiJ9.${btoa(claims).replaceAll('=', '')}.c2ln`

/** Two requests with one key: whether they are of one and the same. */
const pairs: readonly (readonly [what: string, isSame: boolean, first: Who, second: Who, options?: AdapterOptions])[] =
  [
    ['the same bearer token', true, bearerOfAlice, bearerOfAlice],
    ['two bearer tokens', false, bearerOfAlice, [['Authorization', bob]]],
    ['bearer in another case', true, bearerOfAlice, [['Authorization', alice.replace('Bearer', 'bearer')]]],
    ['two Basic users', false, [['Authorization', 'Basic YWxpY2U6MQ==']], [['Authorization', 'Basic Ym9iOjE=']]],
    ['one secret as Basic and as Bearer', false, [['Authorization', 'Basic abc']], [['Authorization', 'Bearer abc']]],
    ['the same API key', true, [['X-API-Key', 'k1']], [['x-api-key', 'k1']]],
    ['two API keys', false, [['X-API-Key', 'k1']], [['X-API-Key', 'k2']]],
    ['one secret in two headers', false, [['X-API-Key', 'k1']], [['Api-Key', 'k1']]],
    ['a bearer token, and it with an API key', false, bearerOfAlice, [...bearerOfAlice, ['X-API-Key', 'k1']]],
    [
      'one application token, two users’ API keys',
      false,
      [...bearerOfAlice, ['X-API-Key', 'k1']],
      [...bearerOfAlice, ['X-API-Key', 'k2']],
    ],
    [
      'one DPoP token with two proofs',
      true,
      [
        ['Authorization', 'DPoP t1'],
        ['DPoP', 'proof-1'],
      ],
      [
        ['Authorization', 'DPoP t1'],
        ['DPoP', 'proof-2'],
      ],
    ],
    [
      'two DPoP tokens with one proof',
      false,
      [
        ['Authorization', 'DPoP t1'],
        ['DPoP', 'proof-1'],
      ],
      [
        ['Authorization', 'DPoP t2'],
        ['DPoP', 'proof-1'],
      ],
    ],
    [
      'a bearer token with two cookies',
      true,
      [...bearerOfAlice, ['Cookie', 'a=1']],
      [...bearerOfAlice, ['Cookie', 'a=2']],
    ],
    [
      'a refreshed token',
      false,
      [['Authorization', jwt('{"sub":"alice","exp":4000000000}')]],
      [['Authorization', jwt('{"sub":"alice","exp":4000000001}')]],
    ],
    [
      'two signatures of one SigV4 key, verified before',
      true,
      sigV4('AKIA1', 'aa'),
      sigV4('AKIA1', 'bb'),
      { authenticated: true },
    ],
    ['two SigV4 keys, verified before', false, sigV4('AKIA1', 'aa'), sigV4('AKIA2', 'aa'), { authenticated: true }],
    ['nobody and nobody, where that is allowed', true, [], [], { allowAnonymous: true }],
    ['nobody and somebody, where that is allowed', false, [], bearerOfAlice, { allowAnonymous: true }],
  ]

const unknown: readonly (readonly [what: string, who: Who, options?: AdapterOptions])[] = [
  ['no credential at all', []],
  ['an empty Authorization', [['Authorization', '']]],
  ['a cookie alone', [['Cookie', 'session=1']]],
  ['a cookie alone, where nobody is allowed', [['Cookie', 'session=1']], { allowAnonymous: true }],
  ['an unknown scheme', [['Authorization', 'Negotiate YII']]],
  [
    'an unknown scheme beside an API key',
    [
      ['Authorization', 'Negotiate YII'],
      ['X-API-Key', 'k1'],
    ],
  ],
  ['an unknown scheme, where nobody is allowed', [['Authorization', 'Negotiate YII']], { allowAnonymous: true }],
  ['a scheme without a credential', [['Authorization', 'Bearer']]],
  ['SigV4 that nobody verified', sigV4('AKIA1', 'aa')],
  ['SigV4 that nobody verified, where nobody is allowed', sigV4('AKIA1', 'aa'), { allowAnonymous: true }],
  [
    'an HTTP signature that nobody verified',
    [
      ['Signature-Input', 'sig=("@method");keyid="k1"'],
      ['Signature', 'sig=:YQ==:'],
    ],
  ],
  ['Digest that nobody verified', [['Authorization', 'Digest username="alice", realm="r", nonce="n", response="x"']]],
  [
    'OAuth 1 that nobody verified',
    [['Authorization', 'OAuth oauth_consumer_key="c", oauth_token="t", oauth_signature="s"']],
  ],
  ['an unknown scheme that is said to be verified', [['Authorization', 'Negotiate YII']], { authenticated: true }],
]

function needsOf(options: AdapterOptions | undefined): readonly ('options' | 'lines')[] {
  return options?.authenticated === undefined ? ['lines'] : ['lines', 'options']
}

export const scopeCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...pairs.map(([what, isSame, first, second, options = {}]) =>
    adapterCase(
      isSame ? `one key of ${what} is one operation` : `one key of ${what} is two operations`,
      isSame ? 'The retry of one client would be a stranger’s.' : 'One client would be shown what belongs to another.',
      needsOf(options),
      async (set) => {
        const scene = await set({ handler: counting(), options })
        const opening = await scene.ask({ authorization: null, headers: first })
        expectReply(opening, { status: 201, body: 'run 1', replayed: false }, 'the first')
        const reply = await scene.ask({ authorization: null, headers: second })
        expectReply(reply, { status: 201, body: isSame ? 'run 1' : 'run 2', replayed: isSame }, 'the second')
      },
    ),
  ),
  ...unknown.map(([what, headers, options = {}]) =>
    adapterCase(
      `whose key it is cannot be told from ${what}: nothing runs`,
      'A shared scope shows the response of one client to another.',
      needsOf(options),
      async (set) => {
        const scene = await set({ options })
        const { detail } = expectProblem(
          await scene.ask({ authorization: null, headers }),
          'scope_required',
          'the refusal',
        )
        expectThat(/scope/.test(String(detail)), `the message says what to set: ${detail}`)
        expectEqual([scene.runs(), (await scene.records()).length], [0, 0], 'runs and records')
      },
    ),
  ),
  adapterCase(
    'the scope option decides whose key it is, whatever the credentials',
    'A retry after the token was refreshed would run again.',
    ['functions'],
    async (set) => {
      const scene = await set({ handler: counting(), options: { scope: (header) => header('x-tenant') } })
      const as = (tenant: string, authorization: string | null) =>
        scene.ask({ authorization, headers: [['X-Tenant', tenant]] })
      expectReply(await as('t1', alice), { status: 201, body: 'run 1', replayed: false }, 'the first of t1')
      expectReply(await as('t1', bob), { status: 201, body: 'run 1', replayed: true }, 'a retry with another token')
      expectReply(await as('t1', null), { status: 201, body: 'run 1', replayed: true }, 'a retry without a token')
      expectReply(await as('t2', alice), { status: 201, body: 'run 2', replayed: false }, 'the first of t2')
      expectReply(await as('t1/', alice), { status: 201, body: 'run 3', replayed: false }, 'the first of t1/')
    },
  ),
  ...(
    [
      ['gives nothing', () => undefined],
      ['gives an empty string', () => ''],
      [
        'throws',
        () => {
          throw new Error('hunter2')
        },
      ],
      ['gives a promise', () => Promise.resolve('t1') as unknown as string],
      ['gives a number', () => 7 as unknown as string],
    ] as const
  ).map(([what, scope]) =>
    adapterCase(
      `nothing runs where the scope option ${what}`,
      'A tenant that is missing by mistake would become everybody’s.',
      ['functions'],
      async (set) => {
        const scene = await set({ options: { scope, allowAnonymous: true } })
        const { detail } = expectProblem(await scene.ask(), 'scope_required', 'the refusal')
        expectThat(!String(detail).includes('hunter2'), 'it shows nothing of the inside')
        expectEqual([scene.runs(), (await scene.records()).length], [0, 0], 'runs and records')
      },
    ),
  ),
  adapterCase(
    'a scope that the store cannot hold is refused and nothing runs',
    'It would be cut, and two tenants would become one.',
    ['functions'],
    async (set) => {
      const scene = await set({ options: { scope: () => 't'.repeat(300) } })
      const reply = await scene.ask()
      expectThat(reply.status >= 400, `it is refused: ${reply.status}`)
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
  adapterCase(
    'credentials are not written into the store',
    'Whoever reads a backup would hold the keys of every client.',
    ['store'],
    async (set) => {
      const scene = await set()
      await scene.ask()
      const record = JSON.stringify(await scene.record())
      expectThat(!record.includes('token-of-alice'), 'the record holds no token')
    },
  ),
]
