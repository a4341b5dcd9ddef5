import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** The key of a request; undefined sends none. */
export type KeyOf = (index: number) => string | undefined

/**
 * A client that costs little, so that it is the server that is measured: keep-alive connections that stay open from
 * round to round, one request at a time on each. Every answer has to be a 201.
 */
export interface Client {
  /** As many requests as the server answers: the next one goes out when an answer is in. */
  closedLoop(count: number, key: KeyOf): Promise<void>
  /**
   * Requests at fixed times, and how many milliseconds each took: from when it was due where the answer before it was
   * late, so that a slow server cannot hide by slowing its client.
   */
  paced(count: number, perSecond: number, key: KeyOf): Promise<number[]>
  close(): void
}

const body = '{"amount":1200,"currency":"EUR","order":"order-1"}'

export async function openClient(port: number, connections: number): Promise<Client> {
  const wires = await Promise.all(Array.from({ length: connections }, () => openWire(port)))
  return {
    async closedLoop(count, key) {
      let next = 0
      const loop = async (wire: Wire): Promise<void> => {
        while (next < count) await wire.exchange(requestOf(key(next++)))
      }
      await Promise.all(wires.map(loop))
    },

    async paced(count, perSecond, key) {
      const latencies: number[] = []
      const startedAt = performance.now()
      // Each connection has every so-manieth instant; one that is late catches up without a pause.
      const loop = async (wire: Wire, first: number): Promise<void> => {
        for (let index = first; index < count; index += connections) {
          const dueAt = startedAt + (index * 1000) / perSecond
          let from = dueAt
          // A timer that is late is no fault of the server.
          while (performance.now() < dueAt) {
            await sleep(dueAt - performance.now())
            from = performance.now()
          }
          await wire.exchange(requestOf(key(index)))
          latencies.push(performance.now() - from)
        }
      }
      await Promise.all(wires.map(loop))
      return latencies
    },

    close() {
      for (const wire of wires) wire.close()
    },
  }
}

function requestOf(key: string | undefined): string {
  const keyLine = key === undefined ? '' : `Idempotency-Key: ${key}\r\n`
  return `POST /charges HTTP/1.1\r\nHost: localhost\r\n${keyLine}Authorization: Bearer bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

interface Wire {
  exchange(request: string): Promise<void>
  close(): void
}

function openWire(port: number): Promise<Wire> {
  return new Promise((opened, failed) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let received = ''
    let answered = (): void => {}
    let broken = failed
    const exchange = (request: string): Promise<void> =>
      new Promise((resolve, reject) => {
        answered = resolve
        broken = reject
        socket.write(request)
      })
    socket.on('connect', () => opened({ exchange, close: () => socket.end() }))
    socket.on('error', (error) => broken(error))
    socket.on('close', () => broken(new Error('The server closed a connection.')))
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      if (!isWhole(received)) return
      if (received.startsWith('HTTP/1.1 201')) answered()
      else broken(new Error(received.slice(0, 300)))
      received = ''
    })
  })
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return false
  const length = /content-length: (\d+)/i.exec(received)?.[1]
  return length === undefined ? received.endsWith('0\r\n\r\n') : received.length >= headEnd + 4 + Number(length)
}
