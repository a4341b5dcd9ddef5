/* Stores behind TLS: a certificate that nobody vouches for is refused, and one of an authority that is named is taken. */
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { missing, postgresUrl, redisUrl, startMariadb } from '../../../tools/engines/src/index.js'
import { afterwards, folder, portOf, retrysafe } from './bench.js'
import { type Certificate, certificate } from './certificate.js'

interface Sealed {
  /** Of a server that speaks TLS alone, or that the client must ask for it. */
  readonly url: string
  /** What makes the client trust it. */
  readonly trusting: { readonly url: string; readonly env: Record<string, string> }
}

const kinds: readonly (readonly ['postgres' | 'redis' | 'mysql', (files: Certificate) => Promise<Sealed>])[] = [
  [
    'postgres',
    async (files) => {
      const { pathname, username, port } = new URL((await postgresUrl()) ?? '')
      const own = await seal(Number(port), files, (socket) => once(socket, () => socket.write('S')))
      const url = `postgres://${username}@localhost:${own}${pathname}?sslmode=verify-full`
      return { url, trusting: { url: `${url}&sslrootcert=${files.cert}`, env: {} } }
    },
  ],
  [
    'redis',
    async (files) => {
      const own = await seal(Number(new URL((await redisUrl()) ?? '').port), files)
      const url = `rediss://localhost:${own}/0`
      return { url, trusting: { url, env: { NODE_EXTRA_CA_CERTS: files.cert } } }
    },
  ],
  [
    'mysql',
    async (files) => {
      const server = await startMariadb({ settings: { 'ssl-cert': files.cert, 'ssl-key': files.key } })
      afterwards(() => server.stop())
      const url = `${server.url.replace('127.0.0.1', 'localhost')}?tls=true`
      return { url, trusting: { url, env: { NODE_EXTRA_CA_CERTS: files.cert } } }
    },
  ],
]

test.for(kinds)(
  '%s is reached by TLS where its certificate is vouched for, and nowhere else',
  {
    timeout: 60_000,
  },
  async ([engine, start], context) => {
    const files = certificate(folder(), 'DNS:localhost')
    const reason = (await missing(engine)) ?? (files === undefined ? 'openssl is not installed' : undefined)
    if (reason !== undefined || files === undefined) return context.skip(reason)
    const { url, trusting } = await start(files)
    const wary = retrysafe(['migrate', url])
    const trusted = retrysafe(['migrate', trusting.url], { env: trusting.env })
    expect((await wary.exited).code).toBe(1)
    expect(wary.err()).toMatch(/self.signed certificate/)
    expect((await trusted.exited).code).toBe(0)
    expect(trusted.out()).toContain('is ready')
  },
)

/** TLS in front of a server without it, on a port of its own. What comes before the handshake is for `before`. */
async function seal(port: number, files: Certificate, before?: (socket: Socket) => Promise<void>): Promise<number> {
  const secureContext = createSecureContext({ cert: readFileSync(files.cert), key: readFileSync(files.key) })
  const sockets = new Set<Socket>()
  const server = createServer(async (socket) => {
    await before?.(socket)
    const plain = new TLSSocket(socket, { isServer: true, secureContext })
    const behind = connect(port, '127.0.0.1')
    plain.pipe(behind).pipe(plain)
    for (const [one, other] of [[plain, behind] as const, [behind, plain] as const]) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  afterwards(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return portOf(server)
}

/** The first piece that the client sends is read, and answered. */
function once(socket: Socket, answer: () => void): Promise<void> {
  return new Promise((resolve) => {
    socket.once('data', () => {
      answer()
      resolve()
    })
  })
}
