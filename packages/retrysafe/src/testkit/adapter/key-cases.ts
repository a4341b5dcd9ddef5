/* Which requests are deduplicated, and under which key. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, counting, textOf } from './scene.js'

const uuid = '8e03978e-40d5-43e8-bc93-6894a57f9324'

/** Two spellings of one field value that name one key. */
const sameKeys: readonly (readonly [what: string, first: string, second: string])[] = [
  ['bare and quoted', uuid, `"${uuid}"`],
  ['quoted and bare', `"${uuid}"`, uuid],
  ['with and without spaces around', ` ${uuid} `, uuid],
  ['one character', 'a', '"a"'],
  ['255 characters', 'k'.repeat(255), `"${'k'.repeat(255)}"`],
  ['all punctuation that may stand bare', "!#$%&'()*+-./:<=>?@[]^_`{|}~", '"!#$%&\'()*+-./:<=>?@[]^_`{|}~"'],
]

const malformedKeys: readonly (readonly [what: string, field: string | readonly string[]])[] = [
  ['empty', ''],
  ['empty in quotes', '""'],
  ['256 characters', 'k'.repeat(256)],
  ['256 characters in quotes', `"${'k'.repeat(256)}"`],
  ['never closed', '"abc'],
  ['only a quote', '"'],
  ['closed without being opened', 'abc"'],
  ['a list', 'abc, def'],
  ['a list without space', 'abc,def'],
  ['a list of quoted keys', '"abc", "def"'],
  ['parameters', 'abc;v=1'],
  ['parameters of a quoted key', '"abc";v=1'],
  ['more after the closing quote', '"abc"def'],
  ['a space inside', 'abc def'],
  ['a tab inside quotes', '"abc\tdef"'],
  ['a backslash', 'abc\\def'],
  ['a wrong escape', '"abc\\def"'],
  ['letters outside ASCII', 'schlüssel'],
  ['letters outside ASCII in quotes', '"schlüssel"'],
]

const differentKeys: readonly (readonly [what: string, first: string, second: string])[] = [
  ['case', 'abc', 'ABC'],
  ['a slash and its escape', 'a/b', 'a%2Fb'],
  ['a space at the end, in quotes', '"abc "', 'abc'],
]

export const keyCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...sameKeys.map(([what, first, second]) =>
    adapterCase(
      `two spellings are one key: ${what}`,
      'A retry that another library spells differently would run again.',
      // HTTP/2 has no spaces around a field value (RFC 9113, 8.2.1).
      first.startsWith(' ') ? ['raw'] : [],
      async (set) => {
        const scene = await set({ handler: counting() })
        expectReply(await scene.ask({ key: first }), { status: 201, body: 'run 1', replayed: false }, 'the first')
        expectReply(await scene.ask({ key: second }), { status: 201, body: 'run 1', replayed: true }, 'the retry')
        expectEqual(scene.runs(), 1, 'runs')
      },
    ),
  ),
  ...differentKeys.map(([what, first, second]) =>
    adapterCase(
      `two keys are two operations: ${what}`,
      'One client’s response would answer another operation.',
      [],
      async (set) => {
        const scene = await set({ handler: counting() })
        await scene.ask({ key: first })
        expectReply(await scene.ask({ key: second }), { status: 201, body: 'run 2', replayed: false }, 'the second')
      },
    ),
  ),
  ...malformedKeys.map(([what, field]) =>
    adapterCase(
      `a malformed key is refused and nothing runs: ${what}`,
      'Whoever guesses what was meant takes two operations for one, or one for two.',
      ['lines'],
      async (set) => {
        const scene = await set()
        const { detail } = expectProblem(await scene.ask({ key: field }), 'invalid_key', 'the refusal')
        expectThat(String(detail).includes('Idempotency-Key'), `the detail names the field: ${detail}`)
        expectEqual([scene.runs(), (await scene.records()).length], [0, 0], 'runs and records')
      },
    ),
  ),
  adapterCase(
    'a key that is sent on two lines is refused and nothing runs',
    'Middle boxes pick different ones of two.',
    ['lines'],
    async (set) => {
      const scene = await set()
      expectProblem(await scene.ask({ key: ['abc', 'def'] }), 'invalid_key', 'two keys')
      expectProblem(await scene.ask({ key: ['abc', 'abc'] }), 'invalid_key', 'one key twice')
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
  ...['GET', 'PUT', 'DELETE', 'OPTIONS'].map((method) =>
    adapterCase(
      `${method} passes through, with a key too`,
      'What is safe to repeat by itself needs no memory, and old answers to it would be wrong.',
      [],
      async (set) => {
        let runs = 0
        const scene = await set({ handler: ({ method: seen }) => ({ body: `${seen} ${++runs}` }) })
        const body = method === 'PUT' ? '{}' : null
        // Of OPTIONS the handler's own runs are not counted, so only the store tells.
        await scene.ask({ method, body, authorization: null })
        const second = await scene.ask({ method, body, authorization: null })
        expectReply(second, { status: 200, replayed: false }, 'the second')
        if (method !== 'OPTIONS') expectEqual(textOf(second.body), `${method} 2`, 'the second body')
        expectEqual((await scene.records()).length, 0, 'records')
      },
    ),
  ),
  adapterCase('HEAD passes through, with a key too', 'It has no body to replay.', [], async (set) => {
    const scene = await set({ handler: { headers: [['X-Answer', '42']] } })
    for (let time = 0; time < 2; time++) {
      const reply = await scene.ask({ method: 'HEAD', body: null })
      expectReply(reply, { status: 200, headers: { 'x-answer': '42' }, replayed: false }, 'the answer')
    }
    expectEqual(scene.runs(), 2, 'runs')
  }),
  adapterCase('PATCH is deduplicated', 'A relative change that is made twice is wrong.', [], async (set) => {
    const scene = await set({ handler: counting() })
    await scene.ask({ method: 'PATCH' })
    expectReply(await scene.ask({ method: 'PATCH' }), { status: 201, body: 'run 1', replayed: true }, 'the retry')
  }),
  adapterCase(
    'methods says which methods are deduplicated',
    'An API whose PUT has side effects wants it too.',
    ['options'],
    async (set) => {
      const scene = await set({ handler: counting(), options: { methods: ['put'] } })
      await scene.ask({ method: 'PUT' })
      expectReply(await scene.ask({ method: 'PUT' }), { status: 201, body: 'run 1', replayed: true }, 'PUT again')
      await scene.ask({ method: 'POST' })
      expectReply(await scene.ask({ method: 'POST' }), { status: 201, body: 'run 3', replayed: false }, 'POST again')
    },
  ),
  adapterCase(
    'a request without a key passes through, and no key is invented',
    'Two orders that happen to be equal would become one.',
    [],
    async (set) => {
      const scene = await set({ handler: counting() })
      const first = await scene.ask({ key: null })
      expectReply(first, { status: 201, body: 'run 1', replayed: false }, 'the first')
      const second = await scene.ask({ key: null })
      expectReply(
        second,
        { status: 201, body: 'run 2', replayed: false, headers: { 'idempotency-key': null } },
        'the second',
      )
      expectEqual((await scene.records()).length, 0, 'records')
    },
  ),
  adapterCase(
    'requireKey refuses a request without a key, and says what to send',
    'A client that forgets the key finds out when it charges twice.',
    [],
    async (set) => {
      const scene = await set({ options: { requireKey: true } })
      const { detail } = expectProblem(await scene.ask({ key: null }), 'invalid_key', 'without a key')
      expectThat(String(detail).includes('Idempotency-Key'), `the detail names the field: ${detail}`)
      expectEqual(scene.runs(), 0, 'runs')
      expectReply(await scene.ask(), { status: 201 }, 'with a key')
      expectReply(await scene.ask({ method: 'GET', key: null, body: null }), { status: 201 }, 'GET without a key')
    },
  ),
  adapterCase(
    'a request that covers excludes passes through, with a malformed key too',
    'GraphQL queries are POST requests, and nobody wants old answers to them.',
    ['functions'],
    async (set) => {
      const covers = (header: (name: string) => string | undefined): boolean => header('x-query') === undefined
      const scene = await set({ handler: counting(), options: { covers, requireKey: true } })
      const query = { headers: [['X-Query', 'yes']] } as const
      await scene.ask(query)
      expectReply(await scene.ask(query), { status: 201, body: 'run 2', replayed: false }, 'a query again')
      expectReply(await scene.ask({ ...query, key: '"' }), { status: 201, body: 'run 3' }, 'a query with a bad key')
      await scene.ask()
      expectReply(await scene.ask(), { status: 201, body: 'run 4', replayed: true }, 'a mutation again')
    },
  ),
  adapterCase(
    'a malformed key is told before a missing scope, and both before the body',
    'Clients would repair one thing to be told of the next, and send megabytes for it.',
    [],
    async (set) => {
      const scene = await set({ options: { maxBodyBytes: 10 } })
      const body = 'x'.repeat(100)
      expectProblem(await scene.ask({ key: '', authorization: null, body }), 'invalid_key', 'all wrong')
      expectProblem(await scene.ask({ authorization: null, body }), 'scope_required', 'scope and body wrong')
      expectProblem(await scene.ask({ body }), 'body_too_large', 'body wrong')
      const unread = { declaredLength: 1_000_000, unfinished: true, body: 'some' } as const
      expectProblem(await scene.ask({ ...unread, key: '' }), 'invalid_key', 'without waiting for the body')
      expectProblem(
        await scene.ask({ ...unread, authorization: null }),
        'scope_required',
        'without waiting for the body',
      )
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
  adapterCase(
    'the operation of a handler has the key without its quotes, and its attempt',
    'Steps and keys of downstream calls would differ from retry to retry.',
    ['operation'],
    async (set) => {
      const scene = await set({
        handler: ({ operation }) => ({ body: `${operation?.key} ${operation?.attempt} ${operation?.signal.aborted}` }),
      })
      expectReply(await scene.ask({ key: '"a b"' }), { status: 200, body: 'a b 1 false' }, 'with a key')
      expectReply(
        await scene.ask({ key: null }),
        { status: 200, body: 'undefined undefined undefined' },
        'without a key',
      )
    },
  ),
]
