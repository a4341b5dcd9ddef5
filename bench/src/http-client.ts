import { connect, type Socket } from 'node:net'

export interface Load {
  readonly port: number
  readonly connections: number
  readonly count: number
  /** The key of a request; undefined sends none. */
  key(index: number): string | undefined
}

const body = '{"amount":1200,"currency":"EUR","order":"order-1"}'

/** A client that costs little, so that it is the server that is measured: keep-alive sockets, one request at a time. */
export async function load({ port, connections, count, key }: Load): Promise<number[]> {
  const latencies: number[] = []
  let next = 0
  const take = (): string | undefined => {
    if (next >= count) return undefined
    const index = next++
    const value = key(index)
    const keyLine = value === undefined ? '' : `Idempotency-Key: ${value}\r\n`
    return `POST /charges HTTP/1.1\r\nHost: localhost\r\n${keyLine}Authorization: Bearer bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  }
  await Promise.all(Array.from({ length: connections }, () => drive(port, take, latencies)))
  return latencies
}

function drive(port: number, take: () => string | undefined, latencies: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let received = ''
    let sentAt = 0
    const send = (): void => {
      const request = take()
      if (request === undefined) {
        socket.end()
        resolve()
        return
      }
      sentAt = performance.now()
      socket.write(request)
    }
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1')
      const headEnd = received.indexOf('\r\n\r\n')
      if (headEnd < 0) return
      const length = /content-length: (\d+)/i.exec(received)?.[1]
      const whole =
        length === undefined ? received.endsWith('0\r\n\r\n') : received.length >= headEnd + 4 + Number(length)
      if (!whole) return
      if (!received.startsWith('HTTP/1.1 201')) return reject(new Error(received.slice(0, 300)))
      received = ''
      latencies.push(performance.now() - sentAt)
      send()
    })
  })
}
