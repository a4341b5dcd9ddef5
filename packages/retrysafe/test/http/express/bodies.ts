/* Small Express apps, and requests with bodies of all kinds. */
import type { Express } from 'express'
import { afterEach } from 'vitest'
import { listen } from '../node/harness.js'
import { expresses } from './harness.js'

export const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const boundary = 'xyz'
export const part = (name: string, text: string, file = ''): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${
    file === '' ? '' : `; filename="${file}"\r\nContent-Type: text/plain`
  }\r\n\r\n${text}\r\n`
export const formOf = (...parts: string[]): string => `${parts.join('')}--${boundary}--\r\n`
export const multipart = `multipart/form-data; boundary=${boundary}`

export async function start(
  set: (app: Express) => void,
  version: keyof typeof expresses = 'express 5',
): Promise<number> {
  const app = expresses[version]()
  app.set('env', 'test')
  set(app)
  const { port, close } = await listen('http/1.1', app)
  closing.push(close)
  return port
}

export async function post(port: number, type: string, body: string | Buffer | undefined, headers: object = {}) {
  const all = { 'idempotency-key': 'k', ...(type === '' ? {} : { 'content-type': type }), ...headers }
  const init = {
    method: 'POST',
    headers: all,
    ...(body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }),
  }
  const reply = await fetch(`http://127.0.0.1:${port}/charges`, init)
  return { status: reply.status, text: await reply.text(), replayed: reply.headers.has('idempotent-replayed') }
}
