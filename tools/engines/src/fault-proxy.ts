import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from 'node:net'

/** An end of a connection through the proxy. */
export type End = 'client' | 'server'

/** Where a connection is cut; see `FaultProxy.cutOnNext`. */
export interface CutOnNext {
  /** Whose piece is lost. */
  readonly from: End
  /** The piece must hold this text; any piece will do by default. */
  readonly containing?: string | undefined
  /** Counts only on a connection whose client has sent this text since. */
  readonly after?: string | undefined
}

/** A TCP proxy that breaks connections as networks do. */
export interface FaultProxy {
  readonly port: number
  /** The same address through the proxy. */
  through(url: string): string
  /** How many connections are open. */
  connections(): number
  /** Resets all connections now, at both ends. */
  cutAll(): void
  /**
   * Cuts the connection on which one end next has sent so many bytes more, once these have been passed on; nothing
   * after them is. Resolves when it is cut, rejects when the proxy is stopped before.
   */
  cutAfterBytes(where: { readonly from: End; readonly bytes: number }): Promise<void>
  /**
   * Loses the next piece that one end sends, and cuts its connection. From the client: the server never sees it. From
   * the server: the server has done what it answers to, and the client never hears of it. Resolves when it is cut,
   * rejects when the proxy is stopped before.
   */
  cutOnNext(where: CutOnNext): Promise<void>
  /** Passes nothing on, in either direction, and keeps it. */
  stall(): void
  /** Passes on again, beginning with what was kept. */
  resume(): void
  /** Resets new connections at once. */
  refuse(): void
  /** Lets new connections in again. */
  accept(): void
  /** Cuts everything and closes the port. */
  stop(): Promise<void>
}

interface Link {
  readonly client: Socket
  readonly server: Socket
}

/** Says how much of a piece is passed on before the cut, or `undefined` to pass it on and go on. */
type Plan = (link: Link, from: End, piece: Buffer) => number | undefined

interface Armed {
  readonly plan: Plan
  settle(error?: Error): void
}

interface State {
  readonly links: Set<Link>
  readonly armed: Set<Armed>
  stalled: boolean
  refusing: boolean
}

/** Starts a proxy in this process, on a free port of 127.0.0.1, in front of a server or the one of an address. */
export async function startFaultProxy(
  target: string | { readonly port: number; readonly host?: string | undefined },
): Promise<FaultProxy> {
  const { host, port } = targetOf(target)
  const state: State = { links: new Set(), armed: new Set(), stalled: false, refusing: false }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (state.refusing) return reset(client)
    open(state, { client, server: connect({ host, port, allowHalfOpen: true }) })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return proxy(state, server)
}

function targetOf(target: string | { readonly port: number; readonly host?: string | undefined }): {
  host: string
  port: number
} {
  if (typeof target !== 'string') return { host: target.host ?? '127.0.0.1', port: target.port }
  const { hostname, port } = new URL(target)
  if (port === '') throw new Error(`the address must name its port: ${target}`)
  return { host: hostname, port: Number(port) }
}

function proxy(state: State, server: NetServer): FaultProxy {
  const { port } = server.address() as AddressInfo
  const cutAll = (): void => {
    for (const link of state.links) cut(state, link)
  }
  return {
    port,
    through(url) {
      const through = new URL(url)
      through.hostname = '127.0.0.1'
      through.port = String(port)
      return through.href
    },
    connections: () => state.links.size,
    cutAll,
    cutAfterBytes: ({ from, bytes }) => arm(state, afterBytes(from, bytes)),
    cutOnNext: (where) => arm(state, onNext(where)),
    stall() {
      state.stalled = true
      for (const { client, server } of state.links) for (const socket of [client, server]) socket.pause()
    },
    resume() {
      state.stalled = false
      for (const { client, server } of state.links) for (const socket of [client, server]) socket.resume()
    },
    refuse() {
      state.refusing = true
    },
    accept() {
      state.refusing = false
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      state.refusing = true
      cutAll()
      for (const { settle } of state.armed) settle(new Error('the proxy was stopped before it had anything to cut'))
      await closed
    },
  }
}

function open(state: State, link: Link): void {
  state.links.add(link)
  const ends: [Socket, Socket, End][] = [
    [link.client, link.server, 'client'],
    [link.server, link.client, 'server'],
  ]
  for (const [socket, other, from] of ends) {
    socket.setNoDelay(true)
    socket.on('data', (piece) => pass(state, link, from, piece))
    socket.on('end', () => other.end())
    // One end that fails takes the other along, in the same way.
    socket.on('error', () => cut(state, link))
    socket.on('close', () => {
      state.links.delete(link)
      other.destroySoon()
    })
    socket.on('drain', () => state.stalled || other.resume())
    if (state.stalled) socket.pause()
  }
}

function pass(state: State, link: Link, from: End, piece: Buffer): void {
  const [source, target] = from === 'client' ? [link.client, link.server] : [link.server, link.client]
  for (const one of state.armed) {
    const length = one.plan(link, from, piece)
    if (length === undefined) continue
    state.armed.delete(one)
    state.links.delete(link)
    source.pause()
    const end = (): void => {
      cut(state, link)
      one.settle()
    }
    if (length === 0) end()
    else target.write(piece.subarray(0, length), end)
    return
  }
  if (!target.write(piece)) source.pause()
}

function cut(state: State, link: Link): void {
  state.links.delete(link)
  reset(link.client)
  reset(link.server)
}

function reset(socket: Socket): void {
  socket.on('error', () => undefined)
  // A socket that is still connecting has nothing to reset.
  if (socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}

function arm(state: State, plan: Plan): Promise<void> {
  const promise = new Promise<void>((resolve, reject) => {
    state.armed.add({ plan, settle: (error) => (error === undefined ? resolve() : reject(error)) })
  })
  // Whoever does not wait for the cut does not hear of its absence.
  promise.catch(() => undefined)
  return promise
}

function afterBytes(end: End, bytes: number): Plan {
  const sent = new Map<Link, number>()
  return (link, from, piece) => {
    if (from !== end) return undefined
    const before = sent.get(link) ?? 0
    if (before + piece.length >= bytes) return bytes - before
    sent.set(link, before + piece.length)
    return undefined
  }
}

function onNext({ from: end, containing, after }: CutOnNext): Plan {
  const begun = new Set<Link>()
  const starts = after === undefined ? () => true : finder('client', after)
  const holds = containing === undefined ? () => true : finder(end, containing)
  return (link, from, piece) => {
    const hasBegun = begun.has(link)
    if (!hasBegun && starts(link, from, piece)) begun.add(link)
    // The piece with the text that it waits for is not itself the next one, unless it waits for none.
    if (from !== end || (!hasBegun && after !== undefined)) return undefined
    return holds(link, from, piece) ? 0 : undefined
  }
}

/** Finds a text in what one end sends, also where it is spread over pieces. */
function finder(end: End, text: string): (link: Link, from: End, piece: Buffer) => boolean {
  const wanted = Buffer.from(text)
  const rests = new Map<Link, Buffer>()
  return (link, from, piece) => {
    if (from !== end) return false
    const all = Buffer.concat([rests.get(link) ?? Buffer.alloc(0), piece])
    rests.set(link, wanted.length === 1 ? Buffer.alloc(0) : all.subarray(-(wanted.length - 1)))
    return all.includes(wanted)
  }
}
