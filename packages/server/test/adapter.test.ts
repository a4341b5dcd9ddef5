/* What every adapter promises, seen through the proxy, and what only a proxy has to promise. */
import { adapterCases, type CaseResult, runAdapterCase } from 'retrysafe/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { proxyTo, readBody, until, upstreamOf, wireTo } from './bench.js'
import { isLack, lacksOfProxy, openProxy, unlikeCases, unlikeOfProxy } from './proxy-harness.js'

/** The reason for which a case was not shown. */
function reasonOf(result: CaseResult): string | undefined {
  if (result.status === 'skipped') return result.reason
  return result.status === 'broken' && isLack(result.error) ? result.error.message : undefined
}

for (const writing of ['at once', 'bit by bit'] as const)
  describe(`a service behind the proxy that writes ${writing}`, () => {
    const seen = { held: 0, skipped: 0 }
    // How the service writes makes no difference to what is decided about requests.
    const cases = adapterCases.filter(({ about }) => writing === 'at once' || about === 'responses')
    afterAll(() => {
      console.log(`adapter cases, ${writing}: ${seen.held} held, ${seen.skipped} skipped, of ${cases.length}`)
    })
    for (const adapterCase of cases)
      test(adapterCase.name, async (context) => {
        const skip = (reason: string): void => {
          seen.skipped++
          context.skip(reason)
        }
        const otherwise = unlikeOfProxy(writing, adapterCase.name)
        if (otherwise !== undefined) return skip(otherwise)
        const result = await runAdapterCase(adapterCase, openProxy(writing), lacksOfProxy)
        const reason = reasonOf(result)
        if (reason !== undefined) return skip(reason)
        if (result.status === 'broken') throw result.error
        expect(result.status).toBe('held')
        seen.held++
      })
  })

test('what the proxy does otherwise is the name of a case', () => {
  const names = adapterCases.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining([...unlikeCases('at once'), ...unlikeCases('bit by bit')]))
})

const keyed = 'Idempotency-Key: k\r\n'
const alice = 'Authorization: Bearer a\r\n'

test.each([
  ['without a key', '', 'Content-Length: 5\r\n'],
  ['with a key', `${keyed}${alice}`, 'Content-Length: 5\r\n'],
])('an upload %s that may come is invited', async (_what, lines, length) => {
  const upstream = await upstreamOf(async (req, res) => res.end(`${req.headers.expect} ${await readBody(req)}`))
  const wire = await wireTo((await proxyTo(upstream.url, { allowAnonymous: false })).port)
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n${lines}${length}\r\n`)
  await until(() => wire.received() === 'HTTP/1.1 100 Continue\r\n\r\n')
  wire.send('hello')
  await until(() => wire.received().includes('undefined hello'))
})

test.each([
  ['a malformed key', `Idempotency-Key: ""\r\n${alice}`, 'Content-Length: 5\r\n', 400],
  ['a key that is missing and required', alice, 'Content-Length: 5\r\n', 400],
  ['a key of nobody', keyed, 'Content-Length: 5\r\n', 500],
  ['a length that is too long', `${keyed}${alice}`, 'Content-Length: 2000001\r\n', 413],
  ['a length for which there is no room', `${keyed}${alice}`, 'Content-Length: 1500000\r\n', 503],
  ['two hosts', `Host: b\r\n${keyed}${alice}`, 'Content-Length: 5\r\n', 400],
])('an upload that is refused is not invited: %s', async (_what, lines, length, status) => {
  const upstream = await upstreamOf((_req, res) => res.end())
  const settings = { allowAnonymous: false, requireKey: true, maxBodyBytes: 2_000_000, maxHeldBytes: 1_048_576 }
  const wire = await wireTo((await proxyTo(upstream.url, settings)).port)
  wire.send(`POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n${lines}${length}\r\n`)
  await until(() => wire.received().includes('\r\n\r\n'))
  expect(wire.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(upstream.count).toBe(0)
})

test('a client of HTTP/1.0 that expects an invitation gets its response alone', async () => {
  const upstream = await upstreamOf(async (req, res) => res.end(await readBody(req)))
  const wire = await wireTo((await proxyTo(upstream.url)).port)
  wire.send(`POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n${keyed}Content-Length: 5\r\n\r\nhello`)
  await until(() => wire.received().includes('hello'))
  expect(wire.received()).toMatch(/^HTTP\/1\.1 200 /)
})

const hosts: readonly (readonly [what: string, status: number, target: string, host: string])[] = [
  ['its host in another case', 200, '/charges', 'Shop.Example'],
  ['its host with a port', 200, '/charges', 'shop.example:8080'],
  ['its host in the target', 200, 'http://shop.example/charges', 'shop.example'],
  ['its host in the target, and another beside', 200, 'http://shop.example/charges', 'other.example'],
  ['another host', 422, '/charges', 'other.example'],
  ['another host in the target', 422, 'http://other.example/charges', 'shop.example'],
]

test.each(hosts)('after a request to shop.example, one with %s answers %i', async (_what, status, target, host) => {
  const upstream = await upstreamOf((req, res) => res.end(`for ${req.headers.host}`))
  const { port } = await proxyTo(upstream.url)
  const send = async (to: string, name: string): Promise<string> => {
    const wire = await wireTo(port)
    wire.send(`POST ${to} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n${keyed}Content-Length: 0\r\n\r\n`)
    await until(() => wire.socket.closed)
    return wire.received()
  }
  expect(await send('/charges', 'shop.example')).toContain('for shop.example')
  expect(await send(target, host)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(upstream.count).toBe(1)
})
