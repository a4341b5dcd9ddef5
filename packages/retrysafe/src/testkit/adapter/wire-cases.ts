/* HTTP/1.1 byte by byte. */
import { expectEqual, expectThat } from '../expect.js'
import type { AdapterCase, RawConnection } from './adapter-case.js'
import { expectProblem, expectReply } from './judge.js'
import { adapterCase, bytesOf, counting, headerOf, latch, type Scene, until } from './scene.js'

function connect(scene: Scene): RawConnection {
  const connection = scene.opened.connect?.()
  if (connection === undefined) throw new Error('the adapter has no connection for bytes')
  return connection
}

function post(key: string, body: string, lines: readonly string[] = []): string {
  const length = lines.some((line) => /^transfer-encoding/i.test(line))
    ? []
    : [`Content-Length: ${bytesOf(body).byteLength}`]
  const head = [
    'POST /charges HTTP/1.1',
    'Host: h',
    'Authorization: Bearer a',
    `Idempotency-Key: ${key}`,
    ...length,
    ...lines,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

export const wireCases: readonly Omit<AdapterCase, 'about'>[] = [
  adapterCase(
    'requests in a pipeline are answered in their order, each with its own response',
    'One response would be taken for another.',
    ['raw'],
    async (set) => {
      const scene = await set({ handler: async (request) => ({ body: await request.body() }) })
      const connection = connect(scene)
      connection.send(
        post('k1', 'one') + post('k2', 'two') + post('k1', 'one') + post('k1', 'uno') + post('k3', 'three'),
      )
      expectReply(await connection.next(), { status: 200, body: 'one', replayed: false }, 'the first')
      expectReply(await connection.next(), { status: 200, body: 'two', replayed: false }, 'the second')
      const third = await connection.next()
      // The first may still run when the third is asked for.
      if (third.status === 409) expectProblem(third, 'in_progress', 'the third')
      else expectReply(third, { status: 200, body: 'one', replayed: true }, 'the third')
      expectProblem(await connection.next(), 'mismatch', 'the fourth')
      expectReply(await connection.next(), { status: 200, body: 'three', replayed: false }, 'the fifth')
      connection.send(post('k2', 'two'))
      expectReply(await connection.next(), { status: 200, body: 'two', replayed: true }, 'the sixth')
      connection.leave()
    },
  ),
  adapterCase(
    'responses that wait in a pipeline whose client left are stored all the same',
    'Their work would hang, or run again.',
    ['raw', 'pressure'],
    async (set) => {
      const go = latch()
      const chunk = 'x'.repeat(64 * 1024)
      const scene = await set({
        handler: async (request) => {
          const body = await request.body()
          if (bytesOf('one').byteLength === body.byteLength) await go.opened
          return { status: 201, chunks: Array.from({ length: 20 }, () => chunk) }
        },
      })
      const connection = connect(scene)
      connection.send(post('k1', 'one') + post('k2', 'second'))
      await until(() => scene.runs() === 2, 'both run')
      await scene.settle()
      connection.leave()
      await scene.settle()
      go.open()
      await until(async () => (await scene.records()).every(({ status }) => status === 'completed'), 'both are stored')
      for (const [key, body] of [
        ['k1', 'one'],
        ['k2', 'second'],
      ] as const) {
        const again = connect(scene)
        again.send(post(key, body))
        expectReply(await again.next(), { status: 201, body: chunk.repeat(20), replayed: true }, `the retry of ${key}`)
        again.leave()
      }
    },
  ),
  adapterCase(
    'a client that asks before it sends its body is told to, or refused',
    'Both sides would wait for each other.',
    ['raw'],
    async (set) => {
      const scene = await set({
        options: { maxBodyBytes: 100 },
        handler: async (request) => ({ body: await request.body() }),
      })
      const asking = connect(scene)
      asking.send(post('k1', '', ['Content-Length: 5', 'Expect: 100-continue']).replace('Content-Length: 0\r\n', ''))
      await scene.settle()
      asking.send('hello')
      const reply = await asking.next()
      expectReply(reply, { status: 200, body: 'hello', replayed: false }, 'the answer')
      expectEqual(
        reply.informational.map(({ status }) => status),
        [100],
        'informational responses',
      )
      asking.leave()
      const refused = connect(scene)
      refused.send(post('k2', '', ['Content-Length: 500', 'Expect: 100-continue']).replace('Content-Length: 0\r\n', ''))
      expectProblem(await refused.next(), 'body_too_large', 'a body that is too large')
      refused.leave()
    },
  ),
  adapterCase(
    'a connection goes on after a refusal',
    'Every refusal would cost a new connection, or what follows would be read wrongly.',
    ['raw'],
    async (set) => {
      const scene = await set({ handler: counting() })
      const connection = connect(scene)
      connection.send(post('"', 'body of a refused request'))
      expectProblem(await connection.next(), 'invalid_key', 'the refusal')
      connection.send(post('k1', 'body'))
      expectReply(await connection.next(), { status: 201, body: 'run 1' }, 'the next')
      connection.send(post('k1', 'body'))
      expectReply(await connection.next(), { status: 201, body: 'run 1', replayed: true }, 'the one after')
      connection.send(post('k1', 'other'))
      expectProblem(await connection.next(), 'mismatch', 'a mismatch')
      connection.send(post('k2', 'body'))
      expectReply(await connection.next(), { status: 201, body: 'run 2' }, 'the last')
      connection.leave()
    },
  ),
  adapterCase(
    'the refusal of a long upload ends its connection',
    'The server would read gigabytes only to throw them away, or take them for the next request.',
    ['raw'],
    async (set) => {
      const scene = await set({ options: { maxBodyBytes: 100 } })
      for (const line of ['Content-Length: 1000000000', 'Transfer-Encoding: chunked']) {
        const connection = connect(scene)
        const head = post(line.startsWith('T') ? '"' : 'k1', '', [line]).replace('Content-Length: 0\r\n', '')
        connection.send(head)
        const reply = await connection.next()
        expectThat(reply.status === 413 || reply.status === 400, `it is refused: ${reply.status}`)
        expectEqual(headerOf(reply, 'connection'), 'close', 'Connection')
        await connection.ended
      }
    },
  ),
  adapterCase(
    'a body that comes byte by byte is one body',
    'Its fingerprint would depend on the network.',
    ['raw'],
    async (set) => {
      const scene = await set({ handler: counting() })
      const slow = connect(scene)
      for (const byte of bytesOf(post('k1', '{"a":1}', ['Content-Type: application/json']))) {
        slow.send(new Uint8Array([byte]))
        if (byte === 10) await scene.settle()
      }
      expectReply(await slow.next(), { status: 201, body: 'run 1' }, 'the first')
      const chunked = connect(scene)
      const head = ['Transfer-Encoding: chunked', 'Content-Type: application/json']
      chunked.send(post('k1', '1\r\n{\r\n', head))
      await scene.settle()
      chunked.send('6;name=value\r\n"a":1}\r\n')
      await scene.settle()
      chunked.send('0\r\nX-Trailer: 1\r\n\r\n')
      expectReply(await chunked.next(), { status: 201, body: 'run 1', replayed: true }, 'the retry')
      slow.leave()
      chunked.leave()
    },
  ),
  adapterCase('an empty body in chunks ends', 'Its reader would wait for ever.', ['raw'], async (set) => {
    const scene = await set({ handler: async (request) => ({ body: `${(await request.body()).byteLength} bytes` }) })
    const connection = connect(scene)
    connection.send(post('k1', '', ['Transfer-Encoding: chunked']))
    await scene.settle()
    connection.send('0\r\n\r\n')
    expectReply(await connection.next(), { status: 200, body: '0 bytes' }, 'the answer')
    connection.send(post('k2', '0\r\n\r\n', ['Transfer-Encoding: chunked']))
    expectReply(await connection.next(), { status: 200, body: '0 bytes' }, 'the answer to one piece')
    connection.leave()
  }),
  adapterCase(
    'a key outside of its characters is refused, whatever its encoding',
    'It would mean one thing here and another behind.',
    ['raw'],
    async (set) => {
      const scene = await set()
      for (const key of ['schl\u00fcssel', '\u00ff', '"\u0080"', 'a\tb']) {
        const connection = connect(scene)
        connection.send(Uint8Array.from(post(key, '{}'), (character) => character.charCodeAt(0)))
        const reply = await connection.next()
        expectThat(reply.status === 400, `${JSON.stringify(key)} answers ${reply.status}`)
        connection.leave()
      }
      expectEqual(scene.runs(), 0, 'runs')
    },
  ),
]
