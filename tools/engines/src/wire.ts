/* As much of the engines' protocols as it takes to know that they are ready, so that no client is needed for that. */
import { connect } from 'node:net'

const timeoutMs = 5_000

interface Talk<T> {
  readonly port: number
  /** What is sent at first, if the client begins. */
  readonly hello?: string | Uint8Array
  /** Reads all that has come so far, or gives `undefined` to wait for more. May send. */
  read(received: Buffer, send: (data: string | Uint8Array) => void): T | undefined
}

/** Connects to a port of this machine, sends, reads until that is enough, and closes. */
function talk<T>({ port, hello, read }: Talk<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    let received: Buffer = Buffer.alloc(0)
    const settle = (act: () => void): void => {
      socket.destroy()
      act()
    }
    socket.setTimeout(timeoutMs, () => settle(() => reject(new Error(`port ${port} does not answer`))))
    socket.once('connect', () => hello !== undefined && socket.write(hello))
    socket.once('error', (error) => settle(() => reject(error)))
    socket.once('close', () => reject(new Error(`port ${port} closed the connection`)))
    socket.on('data', (data) => {
      received = Buffer.concat([received, data])
      try {
        const value = read(received, (answer) => void socket.write(answer))
        if (value !== undefined) settle(() => resolve(value))
      } catch (error) {
        settle(() => reject(error))
      }
    })
  })
}

/** One statement to a PostgreSQL that trusts its clients: the first column of each row. */
export function postgresQuery(port: number, statement: string, user = 'postgres'): Promise<string[]> {
  let asked = false
  return talk({
    port,
    hello: startup(user),
    read(received, send) {
      const messages = postgresMessages(received)
      const error = messages.find(({ type }) => type === 'E')
      if (error !== undefined) throw new Error(error.body.toString('utf8').replaceAll('\0', ' '))
      const ready = messages.filter(({ type }) => type === 'Z').length
      if (ready === 1 && !asked) {
        asked = true
        send(message('Q', `${statement}\0`))
      }
      return ready < 2 ? undefined : messages.filter(({ type }) => type === 'D').map(({ body }) => firstColumn(body))
    },
  })
}

function startup(user: string): Buffer {
  const body = Buffer.from(`user\0${user}\0database\0postgres\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8, 0)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, body])
}

function message(type: string, text: string): Buffer {
  const body = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

function postgresMessages(received: Buffer): { type: string; body: Buffer }[] {
  const messages: { type: string; body: Buffer }[] = []
  for (let at = 0; at + 5 <= received.length; ) {
    const end = at + 1 + received.readInt32BE(at + 1)
    if (end > received.length) break
    messages.push({ type: String.fromCharCode(received[at] ?? 0), body: received.subarray(at + 5, end) })
    at = end
  }
  return messages
}

function firstColumn(row: Buffer): string {
  const length = row.readInt32BE(2)
  return length < 0 ? '' : row.subarray(6, 6 + length).toString('utf8')
}

/** One command to a Redis without a password, of words without spaces; an error reply is thrown. */
export function redisCommand(port: number, ...words: readonly (string | number)[]): Promise<string> {
  return talk({ port, hello: `${words.join(' ')}\r\n`, read: redisReply })
}

function redisReply(received: Buffer): string | undefined {
  const text = received.toString('utf8')
  const head = text.indexOf('\r\n')
  if (head < 0) return undefined
  const line = text.slice(1, head)
  if (text.startsWith('-')) throw new Error(line)
  if (!text.startsWith('$')) return line
  const end = received.indexOf('\r\n') + 2 + Number(line)
  return received.length < end + 2 ? undefined : received.subarray(received.indexOf('\r\n') + 2, end).toString('utf8')
}

/** The first words of a server that begins the conversation, as MySQL does. */
export function greeting(port: number): Promise<string> {
  return talk({ port, read: (received) => (received.length < 5 ? undefined : received.toString('latin1')) })
}

/** Whether anybody listens. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
