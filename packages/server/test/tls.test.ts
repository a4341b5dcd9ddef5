import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { expect, test } from 'vitest'
import { afterwards, codeOf, folder, portOf, post, proxyProgram } from './bench.js'
import { certificate } from './certificate.js'

test.for<[what: string, host: string, name: string, sent: unknown]>([
  ['a name', 'localhost', 'DNS:localhost', 'localhost'],
  ['an address', '127.0.0.1', 'IP:127.0.0.1', false],
])(
  'an https upstream with %s is verified by it, whatever Host the client sends',
  async ([_what, host, name, sent], context) => {
    const files = certificate(folder(), name)
    if (files === undefined) return context.skip('openssl is not installed')
    const names: unknown[] = []
    const server = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (req, res) => {
      names.push([
        (req.socket as { servername?: unknown }).servername,
        req.headers.host,
        req.headers['x-forwarded-proto'],
      ])
      res.end('sealed')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => {
      server.close()
      server.closeAllConnections()
    })
    const args = ['--upstream', `https://${host}:${portOf(server)}`, '--store', 'memory:']
    const trusting = await proxyProgram(args, { NODE_EXTRA_CA_CERTS: files.cert })
    expect((await post(trusting.url, 'a', '{}', { host: 'shop.example' })).body).toBe('sealed')
    expect((await post(trusting.url, 'b', '{}', { host: 'other.example' })).body).toBe('sealed')
    expect(names).toEqual([
      [sent, 'shop.example', 'http'],
      [sent, 'other.example', 'http'],
    ])
    expect(trusting.err()).toBe('')
    const wary = await proxyProgram(args)
    const refused = await post(wary.url, 'a')
    expect([refused.status, codeOf(refused)]).toEqual([502, 'upstream_unreachable'])
    expect(names).toHaveLength(2)
  },
)
