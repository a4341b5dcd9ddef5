/* Bodies of responses, byte for byte. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase, Script } from './adapter-case.js'
import { expectReply } from './judge.js'
import { adapterCase, bytesOf, headerOf } from './scene.js'

const allBytes = new Uint8Array(1024).map((_, index) => index % 256)
const large = new Uint8Array(1_000_000).map((_, index) => (index * 31) % 251)
const gzipped = new Uint8Array([
  0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0xc8, 4, 0, 0xac, 0x2a, 0x93, 0xd8, 2, 0, 0, 0,
])

const length = (bytes: Uint8Array): readonly [string, string] => ['Content-Length', `${bytes.byteLength}`]
const parts = (bytes: Uint8Array): Uint8Array[] => [bytes.subarray(0, 1), bytes.subarray(1, 700), bytes.subarray(700)]

const bodies: readonly (readonly [what: string, script: Script, body: Uint8Array])[] = [
  ['text', { body: 'grüße ✓' }, bytesOf('grüße ✓')],
  ['bytes of every value', { body: allBytes }, allBytes],
  ['nothing', {}, new Uint8Array()],
  ['an empty text', { body: '' }, new Uint8Array()],
  ['a length of zero', { headers: [['Content-Length', '0']] }, new Uint8Array()],
  ['a megabyte', { body: large }, large],
  ['bytes with their length', { headers: [length(allBytes)], body: allBytes }, allBytes],
  ['one chunk', { chunks: [allBytes] }, allBytes],
  ['chunks', { chunks: parts(allBytes) }, allBytes],
  ['chunks with their length', { headers: [length(allBytes)], chunks: parts(allBytes) }, allBytes],
  [
    'chunks and a last one with the end',
    { chunks: parts(allBytes), body: 'last' },
    bytesOf(Uint8Array.from([...allBytes, ...bytesOf('last')])),
  ],
  [
    'chunks and a last one with the end, with their length',
    { headers: [length(allBytes)], chunks: parts(allBytes).slice(0, 2), body: allBytes.subarray(700) },
    allBytes,
  ],
  ['no chunks', { chunks: [] }, new Uint8Array()],
  ['empty chunks', { chunks: ['', 'a', '', 'b', ''] }, bytesOf('ab')],
  [
    'a megabyte in chunks',
    { chunks: Array.from({ length: 25 }, (_, index) => large.subarray(index * 40_000, (index + 1) * 40_000)) },
    large,
  ],
  [
    'a megabyte in chunks, with their length',
    {
      headers: [length(large)],
      chunks: Array.from({ length: 25 }, (_, index) => large.subarray(index * 40_000, (index + 1) * 40_000)),
    },
    large,
  ],
  ['a head of its own, and text', { flush: 'head', body: 'later' }, bytesOf('later')],
  ['a head of its own, and nothing', { flush: 'head' }, new Uint8Array()],
  ['compressed bytes', { headers: [['Content-Encoding', 'gzip']], body: gzipped }, gzipped],
]

/** What the lists above hold is written anew for every run. */
function fresh(script: Script): Script {
  return script.chunks === undefined
    ? script
    : { ...script, chunks: [...(script.chunks as Iterable<string | Uint8Array>)] }
}

export const bodyCases: readonly Omit<AdapterCase, 'about'>[] = [
  ...bodies.map(([what, script, body]) =>
    adapterCase(
      `a body is delivered and replayed byte for byte: ${what}`,
      'Signatures and digests of the body would fail, or the client would read another text.',
      [],
      async (set) => {
        const scene = await set({ handler: () => fresh({ status: 201, ...script }) })
        expectReply(await scene.ask(), { status: 201, body, replayed: false }, 'the first')
        const retry = await scene.ask()
        expectReply(retry, { status: 201, body, replayed: true }, 'the retry')
        expectEqual(headerOf(retry, 'content-encoding'), what === 'compressed bytes' ? 'gzip' : undefined, 'encoding')
        expectEqual(scene.runs(), 1, 'runs')
      },
    ),
  ),
  ...[204, 304].map((status) =>
    adapterCase(
      `${status} has no body, and its replay has none`,
      'Bytes after it would be read as the next response.',
      [],
      async (set) => {
        const scene = await set({
          handler: {
            status,
            headers: [
              ['ETag', '"v1"'],
              ['X-Run', '1'],
            ],
          },
        })
        expectReply(await scene.ask(), { status, body: '', headers: { etag: '"v1"' } }, 'the first')
        const retry = await scene.ask()
        expectReply(retry, { status, body: '', replayed: true, headers: { etag: '"v1"', 'x-run': '1' } }, 'the retry')
        expectThat(['0', undefined].includes(headerOf(retry, 'content-length')), 'it has no length')
        expectEqual(headerOf(retry, 'transfer-encoding'), undefined, 'it is not chunked')
      },
    ),
  ),
  adapterCase(
    'the length of a replay is that of its body',
    'Its client would wait for bytes that never come.',
    [],
    async (set) => {
      const scene = await set({ handler: () => ({ chunks: ['abc', 'def'] }) })
      await scene.ask()
      const retry = await scene.ask()
      expectReply(retry, { status: 200, body: 'abcdef', replayed: true }, 'the retry')
      expectThat(['6', undefined].includes(headerOf(retry, 'content-length')), 'its length is 6')
    },
  ),
  adapterCase(
    'trailers reach the first client',
    'A digest or a status that comes last (gRPC) would be lost.',
    ['trailers'],
    async (set) => {
      const scene = await set({
        handler: () => ({ headers: [['Trailer', 'X-Digest']], chunks: ['abc'], trailers: [['X-Digest', 'd1']] }),
      })
      const first = await scene.ask()
      expectReply(first, { status: 200, body: 'abc' }, 'the first')
      expectEqual(headerOf({ headers: first.trailers }, 'x-digest'), 'd1', 'the trailer')
      const retry = await scene.ask()
      expectReply(retry, { status: 200, body: 'abc', replayed: true, headers: { trailer: null } }, 'the retry')
    },
  ),
  adapterCase(
    'early hints reach the first client, and are no response',
    'The hint would be stored instead of the answer.',
    ['informational'],
    async (set) => {
      const scene = await set({
        handler: { earlyHints: [['Link', '</style.css>; rel=preload']], status: 201, body: 'done' },
      })
      const first = await scene.ask()
      expectReply(first, { status: 201, body: 'done' }, 'the first')
      expectEqual(
        first.informational.map(({ status }) => status),
        [103],
        'informational responses',
      )
      expectReply(await scene.ask(), { status: 201, body: 'done', replayed: true }, 'the retry')
    },
  ),
]
