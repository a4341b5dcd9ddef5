/* Headers of responses: which are replayed, and how. */
import { expectEqual } from '../expect.js'
import type { AdapterCase, HeaderLines } from './adapter-case.js'
import { expectReply } from './judge.js'
import { adapterCase, headerOf } from './scene.js'

const replayed: HeaderLines = [
  ['Location', '/charges/1'],
  ['Content-Location', '/charges/1'],
  ['ETag', '"v1"'],
  ['Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT'],
  ['Content-Type', 'application/vnd.charge+json; charset=utf-8'],
  ['Content-Language', 'de'],
  ['Content-Disposition', 'attachment; filename="a.csv"'],
  ['Cache-Control', 'private, max-age=60'],
  ['Vary', 'Accept'],
  ['Link', '</charges>; rel="collection"'],
  ['X-Charge-Id', 'ch_1'],
  ['WWW-Authenticate', 'Bearer'],
  ['Retry-After', '120'],
  ['Content-Security-Policy', "default-src 'none'"],
]

const neverReplayed: HeaderLines = [
  ['Set-Cookie', 'session=1; HttpOnly'],
  ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ['Age', '7'],
  ['Server-Timing', 'db;dur=53'],
  ['X-Response-Time', '53ms'],
  ['X-Request-Id', 'r-1'],
  ['Request-Id', 'r-1'],
  ['X-Correlation-Id', 'c-1'],
  ['X-Amzn-RequestId', 'r-1'],
  ['CF-Ray', '230b030023ae2822-SJC'],
  ['Traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['Tracestate', 'a=b'],
  ['X-B3-TraceId', 'abc'],
  ['X-RateLimit-Remaining', '41'],
  ['RateLimit', '"default";r=50;t=30'],
  ['RateLimit-Remaining', '41'],
  ['X-Rate-Limit-Reset', '1'],
  ['Authentication-Info', 'nextnonce="n"'],
]

const cors: HeaderLines = [
  ['Access-Control-Allow-Origin', 'https://shop.example'],
  ['Access-Control-Allow-Credentials', 'true'],
  ['Access-Control-Expose-Headers', 'X-Charge-Id'],
  ['Vary', 'Origin'],
]

const from = (origin: string | undefined) => ({ headers: origin === undefined ? [] : ([['Origin', origin]] as const) })

export const headerCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...replayed.map(([name, value]) =>
    adapterCase(`${name} is replayed`, 'A retry would learn less than the first request.', [], async (set) => {
      const scene = await set({ handler: { status: 201, headers: [[name, value]], body: 'x' } })
      expectReply(await scene.ask(), { status: 201, headers: { [name]: value } }, 'the first')
      expectReply(await scene.ask(), { status: 201, headers: { [name]: value }, replayed: true }, 'the retry')
    }),
  ),
  ...neverReplayed.map(([name, value]) =>
    adapterCase(
      `${name} reaches the first client and is not replayed`,
      'It speaks of one connection, one moment or one client, and would be wrong or harmful in another response.',
      [],
      async (set) => {
        let run = 0
        const scene = await set({ handler: () => (run++ === 0 ? { headers: [[name, value]], body: 'x' } : {}) })
        expectReply(await scene.ask(), { status: 200, headers: { [name]: value } }, 'the first')
        const retry = await scene.ask()
        expectReply(retry, { status: 200, body: 'x', replayed: true }, 'the retry')
        // The server sets a date of its own.
        expectEqual(headerOf(retry, name) === value, false, `whether ${name} is replayed`)
        if (name !== 'Date') expectEqual(headerOf(retry, name), undefined, name)
      },
    ),
  ),
  adapterCase(
    'headers that Connection names are not replayed, nor is Connection',
    'They belong to one connection (RFC 9110, 7.6.1).',
    ['raw'],
    async (set) => {
      const headers: HeaderLines = [
        ['Connection', 'close, X-Hop'],
        ['X-Hop', '1'],
        ['Keep-Alive', 'timeout=9'],
        ['X-Kept', '1'],
      ]
      const scene = await set({ handler: { headers, body: 'x' } })
      await scene.ask()
      const retry = await scene.ask()
      expectReply(retry, { status: 200, replayed: true, headers: { 'x-hop': null, 'x-kept': '1' } }, 'the retry')
      expectEqual(
        [headerOf(retry, 'connection'), headerOf(retry, 'keep-alive')].includes('timeout=9'),
        false,
        'keep-alive',
      )
      expectEqual(headerOf(retry, 'connection')?.includes('X-Hop') ?? false, false, 'connection')
    },
  ),
  adapterCase(
    'repeated headers are replayed line by line, in their order',
    'Links and challenges would be joined wrongly, or lost.',
    [],
    async (set) => {
      const lines: HeaderLines = [
        ['Link', '</a>; rel="next"'],
        ['X-One', '1'],
        ['Link', '</b>; rel="prev"'],
      ]
      const scene = await set({ handler: { headers: lines, body: 'x' } })
      const expected = { status: 200, headers: { link: '</a>; rel="next", </b>; rel="prev"', 'x-one': '1' } }
      expectReply(await scene.ask(), expected, 'the first')
      expectReply(await scene.ask(), { ...expected, replayed: true }, 'the retry')
    },
  ),
  adapterCase(
    'several Set-Cookie lines reach the first client',
    'A login would lose one of its cookies.',
    [],
    async (set) => {
      const lines: HeaderLines = [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ]
      const scene = await set({ handler: { headers: lines, body: 'x' } })
      const cookies = (await scene.ask()).headers.filter(([name]) => name.toLowerCase() === 'set-cookie')
      expectEqual(
        cookies.map(([, value]) => value),
        ['a=1', 'b=2'],
        'cookies',
      )
    },
  ),
  adapterCase(
    'a replay is not negotiated anew',
    'A client that asks for another language on its retry would get a body that its headers deny.',
    [],
    async (set) => {
      const scene = await set({
        handler: (request) => ({ headers: [['Content-Language', request.header('accept-language') ?? '']], body: 'x' }),
      })
      await scene.ask({ headers: [['Accept-Language', 'de']] })
      const retry = await scene.ask({ headers: [['Accept-Language', 'fr']] })
      expectReply(retry, { status: 200, replayed: true, headers: { 'content-language': 'de' } }, 'the retry')
    },
  ),
  adapterCase('a status text is replayed', 'Some clients show it.', ['reason'], async (set) => {
    const scene = await set({ handler: { status: 201, statusText: 'Charged', body: 'x' } })
    expectEqual((await scene.ask()).statusText, 'Charged', 'the first')
    expectEqual((await scene.ask()).statusText, 'Charged', 'the retry')
  }),
  adapterCase(
    'a response does not name itself a replay, even where the handler says so',
    'A service behind another that replays would make every first response look like a retry.',
    [],
    async (set) => {
      const scene = await set({ handler: { headers: [['Idempotent-Replayed', 'false']], body: 'x' } })
      await scene.ask()
      const lines = (await scene.ask()).headers.filter(([name]) => name.toLowerCase() === 'idempotent-replayed')
      expectEqual(
        lines.map(([, value]) => value),
        ['true'],
        'the replay header',
      )
    },
  ),
  adapterCase(
    'what stands on the current response wins over what was stored',
    'Request ids and security headers of outer middleware would be those of an old request.',
    ['outer'],
    async (set) => {
      let number = 0
      const scene = await set({
        outerHeaders: () => [
          ['X-Outer', `${++number}`],
          ['Access-Control-Allow-Origin', '*'],
        ],
        handler: { headers: [['X-Own', 'own']], body: 'x' },
      })
      const first = { status: 200, headers: { 'x-outer': '1', 'x-own': 'own' } }
      expectReply(await scene.ask(), first, 'the first')
      const retry = {
        status: 200,
        replayed: true,
        headers: { 'x-outer': '2', 'x-own': 'own', 'access-control-allow-origin': '*' },
      }
      expectReply(await scene.ask(), retry, 'the retry')
    },
  ),
  adapterCase(
    'refusals and failures keep what outer middleware set',
    'A browser may not read a response without its CORS headers.',
    ['outer', 'throws'],
    async (set) => {
      const scene = await set({
        outerHeaders: () => [
          ['Access-Control-Allow-Origin', 'https://shop.example'],
          ['Vary', 'Accept-Encoding'],
        ],
        options: { corsOrigins: ['https://shop.example'] },
        handler: () => {
          throw new Error('failed')
        },
      })
      const shop = from('https://shop.example')
      const failed = await scene.ask(shop)
      expectReply(
        failed,
        { status: 500, headers: { 'access-control-allow-origin': 'https://shop.example' } },
        'the failure',
      )
      const refused = await scene.ask({ ...shop, key: '' })
      const headers = { 'access-control-allow-origin': 'https://shop.example', vary: 'Accept-Encoding, Origin' }
      expectReply(refused, { status: 400, headers }, 'the refusal')
    },
  ),
  ...(
    [
      ['the same origin', 'https://shop.example', 'https://shop.example', true],
      ['another origin', 'https://shop.example', 'https://evil.example', false],
      ['no origin', 'https://shop.example', undefined, false],
    ] as const
  ).map(([what, first, second, isOpen]) =>
    adapterCase(
      `CORS headers are ${isOpen ? '' : 'not '}replayed to ${what}`,
      isOpen ? 'The page could not read its own retry.' : 'They would let one page read what was allowed to another.',
      [],
      async (set) => {
        const scene = await set({ handler: { headers: cors, body: 'x' } })
        expectReply(
          await scene.ask(from(first)),
          { status: 200, headers: { 'access-control-allow-origin': first } },
          'the first',
        )
        const retry = await scene.ask(from(second))
        const headers = {
          'access-control-allow-origin': isOpen ? 'https://shop.example' : null,
          'access-control-allow-credentials': isOpen ? 'true' : null,
          'access-control-expose-headers': isOpen ? 'X-Charge-Id' : null,
          vary: 'Origin',
        }
        expectReply(retry, { status: 200, body: 'x', replayed: true, headers }, 'the retry')
      },
    ),
  ),
  adapterCase(
    'CORS headers for every origin are replayed to every origin',
    'An open API would be closed to the retry.',
    [],
    async (set) => {
      const scene = await set({ handler: { headers: [['Access-Control-Allow-Origin', '*']], body: 'x' } })
      await scene.ask(from('https://shop.example'))
      const headers = { 'access-control-allow-origin': '*' }
      expectReply(await scene.ask(from('https://other.example')), { status: 200, replayed: true, headers }, 'the retry')
    },
  ),
]
