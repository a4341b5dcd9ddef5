/* What must be equal on a retry. */
import { expectEqual } from '../expect.js'
import type { AdapterCase } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { type Ask, adapterCase, counting, latch, until } from './scene.js'

type Body = string | Uint8Array | readonly (string | Uint8Array)[]

const json = (body: Body): Ask => ({ body })
const typed = (type: string | null, body: Body = 'a=1'): Ask => ({ type, body })
const multipart = (boundary: string, content = 'one', quoted = false): Ask => ({
  type: `multipart/form-data; boundary=${quoted ? `"${boundary}"` : boundary}`,
  body: `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n${content}\r\n--${boundary}--\r\n`,
})
const form = (body: string, parameters = ''): Ask => typed(`application/x-www-form-urlencoded${parameters}`, body)
const field = (name: string, value = '1'): string => `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`
const file = (name: string, content = '1', filename = 'b.txt', type = 'text/plain'): string =>
  `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${type}\r\n\r\n${content}`
const partsUnder = (boundary: string, ...all: string[]): Ask => ({
  type: `multipart/form-data; boundary=${boundary}`,
  body: `${all.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`,
})
const parts = (...all: string[]): Ask => partsUnder('abc123', ...all)
const deep = (levels: number, inner: string): string => `${'['.repeat(levels)}${inner}${']'.repeat(levels)}`
const lone = '{"a":"\\ud800"}'

/** Two requests with one key: whether the second is the first again. */
const pairs: readonly (readonly [what: string, isSame: boolean, first: Ask, second: Ask])[] = [
  ['members in another order', true, json('{"a":1,"b":{"c":2,"d":3}}'), json('{"b":{"d":3,"c":2},"a":1}')],
  ['white space', true, json('{"a":[1,2]}'), json(' {\n "a" : [ 1 , 2 ] }\r\n')],
  ['escapes of one text', true, json('{"a":"é/"}'), json('{"\\u0061":"\\u00e9\\/"}')],
  ['1 and 1.0', true, json('{"a":1}'), json('{"a":1.0}')],
  ['1 and 1e0', true, json('{"a":1}'), json('{"a":1e0}')],
  ['100 and 1E+2', true, json('{"a":100}'), json('{"a":1E+2}')],
  ['0.1 and 1e-1', true, json('{"a":0.1}'), json('{"a":1e-1}')],
  ['1 and 2', false, json('{"a":1}'), json('{"a":2}')],
  ['2^53 and 2^53+1', false, json('{"a":9007199254740992}'), json('{"a":9007199254740993}')],
  ['1e400 and 1e401', false, json('{"a":1e400}'), json('{"a":1e401}')],
  ['0.1 and a tiny bit more', false, json('{"a":0.1}'), json('{"a":0.10000000000000000001}')],
  ['1 and "1"', false, json('{"a":1}'), json('{"a":"1"}')],
  ['null and nothing', false, json('{"a":null}'), json('{}')],
  ['elements in another order', false, json('[1,2]'), json('[2,1]')],
  ['equal bytes of odd JSON', true, json('{"a":1,}'), json('{"a":1,}')],
  ['white space of odd JSON', false, json('{"a":1,}'), json('{"a":1, }')],
  ['a name twice, and its last value', false, json('{"a":1,"a":2}'), json('{"a":2}')],
  ['a name twice, and its first value', false, json('{"a":1,"a":2}'), json('{"a":1}')],
  ['a name twice, in the same bytes', true, json('{"a":1,"a":2}'), json('{"a":1,"a":2}')],
  ['a lone surrogate, in the same bytes', true, json(lone), json(lone)],
  ['a lone surrogate, and a space', false, json(lone), json(` ${lone}`)],
  ['a composed letter and its parts', false, json('"\\u00e9"'), json('"e\\u0301"')],
  ['a byte order mark', false, json('\ufeff{"a":1}'), json('{"a":1}')],
  ['1,000 levels with a space', true, json(deep(1000, '')), json(deep(1000, ' '))],
  ['1,001 levels with a space', false, json(deep(1001, '')), json(deep(1001, ' '))],
  ['names of built-in members', false, json('{"__proto__":1}'), json('{}')],
  [
    'JSON as a problem type',
    true,
    { type: 'application/problem+json', body: '{"a":1,"b":2}' },
    { type: 'application/problem+json', body: '{"b":2,"a":1}' },
  ],
  [
    'JSON in a type that is none',
    false,
    { type: 'text/plain', body: '{"a":1}' },
    { type: 'text/plain', body: '{"a":1.0}' },
  ],
  ['empty JSON', true, json(''), json('')],
  ['one body with its length and in chunks', true, json('{"a":1}'), json(['{"a"', ':1}'])],
  [
    'equal bytes',
    true,
    typed('application/octet-stream', new Uint8Array([0, 255, 10, 13])),
    typed('application/octet-stream', new Uint8Array([0, 255, 10, 13])),
  ],
  [
    'bytes that are no text',
    false,
    typed('application/octet-stream', new Uint8Array([0xff])),
    typed('application/octet-stream', new Uint8Array([0xfe])),
  ],
  ['names of a form in another order', true, form('a=1&b=2'), form('b=2&a=1')],
  ['names of one form between those of another', true, form('a=1&b=3&a=2'), form('a=1&a=2&b=3')],
  ['the spelling of a form', true, form('a=x y&b=é'), form('%61=x+y&b=%C3%a9')],
  ['brackets of a form, encoded', true, form('a[b]=1&c[]=2'), form('a%5Bb%5D=1&c%5b%5d=2')],
  ['a list of a form, with its indexes', true, form('a[]=1&a[]=2'), form('a[0]=1&a[1]=2')],
  ['a form with and without its charset', true, form('a=1'), form('a=1', '; charset=utf-8')],
  ['values of a form in another order', false, form('a=1&a=2'), form('a=2&a=1')],
  ['a value of a form, and a list of it', false, form('a=1'), form('a[]=1')],
  ['a value of a form once more', false, form('a=1'), form('a=1&a=1')],
  ['another value of a form', false, form('a=1'), form('a=2')],
  ['another name of a form', false, form('a[b]=1'), form('a[c]=1')],
  ['a name of a form with a dot and with brackets', false, form('a.b=1'), form('a[b]=1')],
  ['a name of a form left out', false, form('a=1&b='), form('a=1')],
  ['an encoded ampersand of a form', false, form('a=1%26b=2'), form('a=1&b=2')],
  ['an odd form, in the same bytes', true, form('a=1&a[b]=%zz'), form('a=1&a[b]=%zz')],
  ['an odd form, in another order', false, form('a=1&a[b]=2'), form('a[b]=2&a=1')],
  ['names of built-in members of a form', false, form('__proto__=1'), form('')],
  ['another boundary', true, multipart('abc123'), multipart('xyz987654')],
  ['another boundary, in quotes', true, multipart('abc123'), multipart('abc 123', 'one', true)],
  ['another field', false, multipart('abc123'), multipart('abc123', 'two')],
  ['parts in another order', true, parts(field('a'), field('b'), file('c')), parts(file('c'), field('b'), field('a'))],
  [
    'headers of a part in another spelling',
    true,
    parts(field('a'), 'Content-Disposition: form-data; name="f"; filename="b"\r\nContent-Type: text/csv\r\n\r\n1'),
    parts(field('a'), 'content-type:TEXT/CSV\r\ncontent-disposition: form-data;filename=b;name=f\r\n\r\n1'),
  ],
  [
    'values of one field in another order',
    false,
    parts(field('a', '1'), field('a', '2')),
    parts(field('a', '2'), field('a', '1')),
  ],
  [
    'files of one field in another order',
    false,
    parts(file('a', '1'), file('a', '2')),
    parts(file('a', '2'), file('a', '1')),
  ],
  ['another name of a field', false, parts(field('a')), parts(field('b'))],
  ['a field, and a list of it', false, parts(field('a')), parts(field('a[]'))],
  ['a field, and a file', false, parts(field('a')), parts(file('a'))],
  ['a field once more', false, parts(field('a')), parts(field('a'), field('a'))],
  ['another content of a file', false, parts(file('a', '1')), parts(file('a', '2'))],
  ['another name of a file', false, parts(file('a')), parts(file('a', '1', 'other.txt'))],
  ['another type of a file', false, parts(file('a')), parts(file('a', '1', 'b.txt', 'text/csv'))],
  ['odd parts, in the same bytes', true, parts(file('a', '1', 'é.txt')), parts(file('a', '1', 'é.txt'))],
  [
    'odd parts, under another boundary',
    true,
    parts(file('a', '1', 'é.txt')),
    partsUnder('other', file('a', '1', 'é.txt')),
  ],
  ['odd parts, in another order', false, parts(field('a'), file('b', '1', '')), parts(file('b', '1', ''), field('a'))],
  ['a boundary and content that names it', false, multipart('abc', 'xyz'), multipart('xyz', 'abc')],
  [
    'parameters of the media type',
    true,
    typed('application/json; charset=utf-8', '{}'),
    typed('application/json', '{}'),
  ],
  ['the media type in capitals', true, typed('Application/JSON', '{}'), typed('application/json', '{}')],
  ['another media type', false, typed('text/plain'), typed('text/csv')],
  ['no media type', false, typed(null), typed('text/plain')],
  ['another path', false, { target: '/charges' }, { target: '/refunds' }],
  ['a slash at the end', false, { target: '/charges' }, { target: '/charges/' }],
  ['the path in another case', false, { target: '/charges' }, { target: '/Charges' }],
  ['a query', false, { target: '/charges' }, { target: '/charges?dry=1' }],
  ['another query', false, { target: '/charges?dry=1' }, { target: '/charges?dry=0' }],
  ['a query in another order', false, { target: '/charges?a=1&b=2' }, { target: '/charges?b=2&a=1' }],
  ['the same query', true, { target: '/charges?a=1&b=2' }, { target: '/charges?a=1&b=2' }],
  ['another method', false, { method: 'POST' }, { method: 'PATCH' }],
  [
    'another header',
    true,
    {
      headers: [
        ['X-Attempt', '1'],
        ['User-Agent', 'a'],
      ],
    },
    { headers: [['X-Attempt', '2']] },
  ],
  [
    'no body, and an empty one',
    true,
    { body: null, headers: [['Content-Type', 'text/plain']] },
    { body: '', type: 'text/plain' },
  ],
]

export const fingerprintCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...pairs.map(([what, isSame, first, second]) =>
    adapterCase(
      isSame ? `a retry may differ: ${what}` : `another request is told from a retry: ${what}`,
      isSame
        ? 'An honest retry, serialised anew, would be refused.'
        : 'The answer to one request would be given to another.',
      [],
      async (set) => {
        const scene = await set({ handler: counting() })
        expectReply(await scene.ask(first), { status: 201, body: 'run 1', replayed: false }, 'the first')
        const reply = await scene.ask(second)
        if (isSame) expectReply(reply, { status: 201, body: 'run 1', replayed: true }, 'the second')
        else expectProblem(reply, 'mismatch', 'the second')
        expectEqual(scene.runs(), 1, 'runs')
      },
    ),
  ),
  adapterCase(
    'another request with the key of one that runs is a mismatch, not in progress',
    'The client would retry for ever, or in the end be given the wrong answer.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        handler: async () => {
          await go.opened
          return { status: 201, body: 'done' }
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      expectProblem(await scene.ask({ body: '{"amount":7}' }), 'mismatch', 'the other request')
      expectProblem(await scene.ask(), 'in_progress', 'the same request')
      go.open()
      expectReply(await first.reply, { status: 201, body: 'done' }, 'the first')
      expectProblem(await scene.ask({ body: '{"amount":7}' }), 'mismatch', 'the other request afterwards')
    },
  ),
  adapterCase(
    'a mismatch is told at once where duplicates wait',
    'A wrong request would hold a connection only to be refused.',
    [],
    async (set) => {
      const go = latch()
      const scene = await set({
        options: { whenInProgress: { waitMs: 60_000 } },
        handler: async () => {
          await go.opened
          return {}
        },
      })
      const first = scene.start()
      await until(() => scene.runs() === 1, 'the first runs')
      expectProblem(await scene.ask({ body: '{"amount":7}' }), 'mismatch', 'the other request')
      go.open()
      await first.reply
    },
  ),
  adapterCase(
    'the fingerprint option decides what must be equal',
    'Retries that differ lawfully, by a time stamp or a fresh link, would be refused.',
    ['functions'],
    async (set) => {
      const scene = await set({ handler: counting(), options: { fingerprint: (header) => header('x-order') } })
      const order = (number: string, body: string): Ask => ({ headers: [['X-Order', number]], body })
      await scene.ask(order('1', '{"at":1}'))
      expectReply(
        await scene.ask(order('1', '{"at":2}')),
        { status: 201, body: 'run 1', replayed: true },
        'another time',
      )
      expectProblem(await scene.ask(order('2', '{"at":1}')), 'mismatch', 'another order')
    },
  ),
  adapterCase(
    'nothing runs where the fingerprint option throws',
    'Without a fingerprint any request would be taken for the first.',
    ['functions'],
    async (set) => {
      const scene = await set({
        options: {
          fingerprint: () => {
            throw new Error('hunter2')
          },
        },
      })
      const reply = await scene.ask()
      expectEqual([reply.status, scene.runs(), (await scene.records()).length], [500, 0, 0], 'status, runs, records')
    },
  ),
  adapterCase(
    'the handler reads the body byte for byte as it was sent',
    'What was read for the fingerprint would be missing, or changed.',
    [],
    async (set) => {
      const bytes = new Uint8Array(300_000).map((_, index) => (index * 7) % 256)
      const scene = await set({ handler: async (request) => ({ body: await request.body() }) })
      expectReply(await scene.ask({ key: 'k1', body: bytes }), { status: 200, body: bytes }, 'with its length')
      const parts = [bytes.subarray(0, 100_000), bytes.subarray(100_000, 100_001), bytes.subarray(100_001)]
      expectReply(await scene.ask({ key: 'k2', body: parts }), { status: 200, body: bytes }, 'in chunks')
      expectReply(await scene.ask({ key: 'k3', body: null }), { status: 200, body: '' }, 'no body')
      expectReply(await scene.ask({ key: 'k4', body: '' }), { status: 200, body: '' }, 'an empty body')
      expectReply(await scene.ask({ key: 'k5', body: [] }), { status: 200, body: '' }, 'an empty body in chunks')
      expectReply(await scene.ask({ key: 'k6', body: 'x' }), { status: 200, body: 'x' }, 'one byte')
    },
  ),
  adapterCase(
    'the handler may read the body late',
    'Work that first asks a database would wait for a body that has gone by.',
    [],
    async (set) => {
      const scene = await set({
        handler: async (request) => {
          await scene.settle()
          return { body: await request.body() }
        },
      })
      expectReply(await scene.ask({ key: 'k1', body: 'hello' }), { status: 200, body: 'hello' }, 'with its length')
      expectReply(await scene.ask({ key: 'k2', body: ['hel', 'lo'] }), { status: 200, body: 'hello' }, 'in chunks')
      expectReply(await scene.ask({ key: 'k3', body: [] }), { status: 200, body: '' }, 'an empty body in chunks')
    },
  ),
]
