import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { afterwards, codeOf, folder, portOf, post, proxyProgram } from './bench.js'

/** A certificate for `localhost` of an authority of its own, or undefined where openssl is missing. */
function certificate(path: string): { cert: string; key: string } | undefined {
  const [cert, key] = [join(path, 'cert.pem'), join(path, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', cert]
  try {
    execFileSync('openssl', args, { stdio: 'pipe' })
    return { cert, key }
  } catch {
    return undefined
  }
}

test('an https upstream is verified by its own name, whatever Host the client sends', async (context) => {
  const files = certificate(folder())
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
  const args = ['--upstream', `https://localhost:${portOf(server)}`, '--store', 'memory:']
  const trusting = await proxyProgram(args, { NODE_EXTRA_CA_CERTS: files.cert })
  expect((await post(trusting.url, 'a', '{}', { host: 'shop.example' })).body).toBe('sealed')
  expect((await post(trusting.url, 'b', '{}', { host: 'other.example' })).body).toBe('sealed')
  expect(names).toEqual([
    ['localhost', 'shop.example', 'http'],
    ['localhost', 'other.example', 'http'],
  ])
  const wary = await proxyProgram(args)
  const refused = await post(wary.url, 'a')
  expect([refused.status, codeOf(refused)]).toEqual([502, 'upstream_unreachable'])
  expect(names).toHaveLength(2)
})
