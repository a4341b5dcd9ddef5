import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type FaultProxy, missing, postgresUrl, startFaultProxy } from '@retrysafe/engines'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/** Engines take seconds to start, and many more where other tests have the machine. */
const startsMs = 120_000

/** A server that sends back what it gets, in capitals, and knows all that it got. */
interface Shouter {
  readonly port: number
  received: string
  readonly ends: string[]
  readonly sockets: Socket[]
  close(): void
}

let shouter: Shouter
let proxy: FaultProxy

beforeEach(async () => {
  shouter = await startShouter()
  proxy = await startFaultProxy({ port: shouter.port })
})

afterEach(async () => {
  await proxy.stop()
  shouter.close()
})

async function startShouter(): Promise<Shouter> {
  const shouter = { port: 0, received: '', ends: [] as string[], sockets: [] as Socket[], close: () => server.close() }
  const server: Server = createServer((socket) => {
    shouter.sockets.push(socket)
    socket.setEncoding('utf8').on('data', (text) => {
      shouter.received += text
      socket.write(String(text).toUpperCase())
    })
    socket.on('error', (error: NodeJS.ErrnoException) => shouter.ends.push(error.code ?? ''))
    socket.on('close', () => shouter.ends.push('close'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  shouter.port = typeof address === 'object' ? (address?.port ?? 0) : 0
  return shouter
}

interface Client {
  readonly socket: Socket
  readonly ended: Promise<string>
  heard(): string
  /** Resolves when it has heard so much. */
  hears(length: number): Promise<string>
}

function client(): Client {
  const socket = connect(proxy.port, '127.0.0.1').setEncoding('utf8').setNoDelay(true)
  let heard = ''
  socket.on('data', (text) => {
    heard += text
    socket.emit('heard')
  })
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.once('close', () => resolve('close'))
  })
  const hears = async (length: number): Promise<string> => {
    while (heard.length < length) await once(socket, 'heard')
    return heard
  }
  return { socket, ended, hears, heard: () => heard }
}

/** One exchange, after which both ends are known to be connected. */
async function talking(): Promise<Client> {
  const one = client()
  one.socket.write('hello ')
  expect(await one.hears(6)).toBe('HELLO ')
  return one
}

describe('a proxy passes on', () => {
  test('both directions and the end', async () => {
    const one = await talking()
    expect(proxy.connections()).toBe(1)
    one.socket.end()
    expect(await one.ended).toBe('close')
    expect(shouter.received).toBe('hello ')
    expect(proxy.connections()).toBe(0)
  })

  test('megabytes, to a client that is slow to read', async () => {
    const one = client()
    const length = 8 << 20
    one.socket.pause()
    one.socket.write('x'.repeat(length))
    setImmediate(() => one.socket.resume())
    expect(await one.hears(length)).toBe('X'.repeat(length))
    one.socket.destroy()
  })

  test('under addresses of all kinds', () => {
    expect(proxy.through('postgres://me:secret@db.example:5432/name?a=b')).toBe(
      `postgres://me:secret@127.0.0.1:${proxy.port}/name?a=b`,
    )
    expect(proxy.through('redis://db.example')).toBe(`redis://127.0.0.1:${proxy.port}`)
    expect(proxy.through('http://db.example/')).toBe(`http://127.0.0.1:${proxy.port}/`)
  })
})

describe('a proxy cuts', () => {
  test('all connections at once, by a reset at both ends', async () => {
    const [one, other] = [await talking(), await talking()]
    const [first] = shouter.sockets
    if (first === undefined) throw new Error('nobody is connected')
    const closed = once(first, 'close')
    proxy.cutAll()
    expect(await Promise.all([one.ended, other.ended])).toEqual(['ECONNRESET', 'ECONNRESET'])
    await closed.catch(() => undefined)
    expect(shouter.ends).toContain('ECONNRESET')
    expect(proxy.connections()).toBe(0)
    await talking()
  })

  test('after so many bytes of the client, of which the server gets all and no more', async () => {
    const one = await talking()
    const cut = proxy.cutAfterBytes({ from: 'client', bytes: 7 })
    one.socket.write('abcd')
    await one.hears(10)
    one.socket.write('efghij')
    await cut
    expect(await one.ended).toBe('ECONNRESET')
    expect(shouter.received).toMatch(/^hello abcd(efg)?$/)
  })

  test('after so many bytes of the server, of which the client gets all and no more', async () => {
    const one = await talking()
    const cut = proxy.cutAfterBytes({ from: 'server', bytes: 3 })
    one.socket.write('abcdef')
    await cut
    // Node takes a reset that comes right after data for the end of the stream.
    await one.ended
    expect(shouter.received).toBe('hello abcdef')
    expect(one.heard()).toMatch(/^HELLO (ABC)?$/)
  })

  test('the next piece of the client off, so that the server never sees it', async () => {
    const one = await talking()
    const cut = proxy.cutOnNext({ from: 'client' })
    one.socket.write('lost')
    await cut
    expect(await one.ended).toBe('ECONNRESET')
    await talking()
    expect(shouter.received).toBe('hello hello ')
  })

  test('the next answer off, which the server has given', async () => {
    const one = await talking()
    const cut = proxy.cutOnNext({ from: 'server' })
    one.socket.write('done')
    await cut
    expect(await one.ended).toBe('ECONNRESET')
    expect(shouter.received).toBe('hello done')
    expect(one.heard()).toBe('HELLO ')
  })

  test('where a text is, also where it comes in pieces, and leaves others alone', async () => {
    const [one, other] = [await talking(), await talking()]
    const cut = proxy.cutOnNext({ from: 'client', containing: 'COMMIT' })
    other.socket.write('BEGIN')
    await other.hears(11)
    one.socket.write('..COM')
    await one.hears(11)
    one.socket.write('MIT..')
    await cut
    expect(await one.ended).toBe('ECONNRESET')
    expect(shouter.received).toBe('hello hello BEGIN..COM')
    expect(proxy.connections()).toBe(1)
  })

  test('the answer to one statement off, and not the one before', async () => {
    const one = await talking()
    const cut = proxy.cutOnNext({ from: 'server', after: 'second' })
    one.socket.write('first ')
    await one.hears(12)
    one.socket.write('second ')
    await cut
    await one.ended
    expect(one.heard()).toBe('HELLO FIRST ')
    expect(shouter.received).toBe('hello first second ')
  })

  test('once for each time it is told to', async () => {
    const [one, other] = [await talking(), await talking()]
    const cut = proxy.cutOnNext({ from: 'client' })
    one.socket.write('lost')
    await cut
    other.socket.write('kept')
    expect(await other.hears(10)).toBe('HELLO KEPT')
  })

  test('nothing any more when it is stopped, and says so to who waits', async () => {
    const one = await talking()
    const cut = proxy.cutOnNext({ from: 'client' })
    await proxy.stop()
    await expect(cut).rejects.toThrow('stopped before')
    expect(await one.ended).toBe('ECONNRESET')
    expect(await client().ended).toBe('ECONNREFUSED')
  })
})

describe('a proxy holds back', () => {
  test('all that is sent while it stalls, and passes it on then', async () => {
    const one = await talking()
    proxy.stall()
    one.socket.write('later')
    const late = client()
    late.socket.write('too')
    await once(late.socket, 'connect')
    // Long enough for the server to have answered ten times over, had it heard.
    const direct = connect(shouter.port, '127.0.0.1')
    for (let turn = 0; turn < 10; turn += 1) {
      direct.write('x')
      await once(direct, 'data')
    }
    direct.destroy()
    expect(shouter.received).toBe(`hello ${'x'.repeat(10)}`)
    proxy.resume()
    expect(await one.hears(11)).toBe('HELLO LATER')
    expect(await late.hears(3)).toBe('TOO')
  })

  test('new connections while it refuses, and not those there are', async () => {
    const one = await talking()
    proxy.refuse()
    const refused = client()
    refused.socket.write('anybody?')
    expect(await refused.ended).toBe('ECONNRESET')
    one.socket.write('still')
    expect(await one.hears(11)).toBe('HELLO STILL')
    proxy.accept()
    await talking()
  })

  test('a server that is not there is a reset', async () => {
    const empty = await startFaultProxy({ port: 1 })
    const socket = connect(empty.port, '127.0.0.1')
    const [error] = (await once(socket, 'error').catch((thrown: unknown) => [thrown])) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
    await empty.stop()
  })
})

describe('in front of PostgreSQL', { timeout: startsMs }, () => {
  const table = `engines_${randomUUID().replaceAll('-', '')}`
  let url: string
  let through: FaultProxy

  beforeEach(async (context) => {
    const reason = await missing('postgres')
    context.skip(reason !== undefined, reason)
    url = (await postgresUrl()) ?? ''
    through = await startFaultProxy(url)
    await query(url, `create table ${table} (what text)`)
  })

  afterEach(async () => {
    if (through === undefined) return
    await through.stop()
    await query(url, `drop table if exists ${table}`)
  })

  async function query(at: string, text: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: at })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  test('a statement that is lost on its way is not carried out', async () => {
    const cut = through.cutOnNext({ from: 'client', containing: 'insert' })
    await expect(query(through.through(url), `insert into ${table} values ('lost')`)).rejects.toThrow()
    await cut
    expect(await query(url, `select * from ${table}`)).toEqual([])
  })

  test('a statement whose answer is lost is carried out', async () => {
    const cut = through.cutOnNext({ from: 'server', containing: 'INSERT 0 1' })
    await expect(query(through.through(url), `insert into ${table} values ('done')`)).rejects.toThrow()
    await cut
    expect(await query(url, `select * from ${table}`)).toEqual([{ what: 'done' }])
  })
})
