/* What the proxy's tests stand on: real upstreams, real sockets, the real program. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock, IdempotencyStore } from 'retrysafe'
import { memoryStore } from 'retrysafe/memory'
import { onTestFinished } from 'vitest'
import { proxyFlags } from '../src/cli/proxy-flags.js'
import type { ProxySettings } from '../src/cli/proxy-settings.js'
import { type RunningProxy, startProxy } from '../src/proxy/start.js'
import type { Log } from '../src/telemetry/log.js'
import type { RequestLine } from '../src/telemetry/request-log.js'

/** Runs when the test is over, whatever came of it. */
export function afterwards(clean: () => unknown): void {
  onTestFinished(async () => {
    await clean()
  })
}

/** A folder of the test's own. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-server-'))
  afterwards(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface Upstream {
  readonly url: string
  readonly server: Server
  /** How many requests it was given. */
  count: number
}

export async function upstreamOf(handler: (req: IncomingMessage, res: ServerResponse) => unknown): Promise<Upstream> {
  const server = createServer((req, res) => {
    upstream.count++
    void handler(req, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const upstream: Upstream = { url: `http://127.0.0.1:${portOf(server)}`, server, count: 0 }
  afterwards(() => {
    server.close()
    server.closeAllConnections()
  })
  return upstream
}

export function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port
}

export interface TestProxy extends RunningProxy {
  readonly url: string
  readonly lines: readonly RequestLine[]
  readonly said: readonly string[]
}

type Settings = Partial<ProxySettings> & {
  readonly store?: never
  readonly on?: IdempotencyStore
  readonly clock?: Clock
}

/** A proxy in this process, with the command line's defaults. */
export async function proxyTo(
  upstream: string,
  settings: Omit<Settings, 'upstream' | 'store'> = {},
): Promise<TestProxy> {
  const defaults = Object.fromEntries(
    Object.entries(proxyFlags).map(([name, flag]) => [name, (flag as { fallback: unknown }).fallback]),
  ) as unknown as ProxySettings
  const { on = memoryStore(), clock, ...rest } = settings
  const { log, lines, said } = recordingLog()
  const chosen = { ...defaults, port: 0, host: '127.0.0.1', adminPort: 'off' as const, allowAnonymous: true, ...rest }
  const context = { store: on, log, ...(clock === undefined ? {} : { clock }) }
  const proxy = await startProxy({ ...chosen, upstream: new URL(upstream) }, context)
  afterwards(() => proxy.stop(0))
  return { ...proxy, url: `http://127.0.0.1:${proxy.port}`, lines, said }
}

function recordingLog(): { log: Log; lines: RequestLine[]; said: string[] } {
  const lines: RequestLine[] = []
  const said: string[] = []
  const say = (message: string, about: object = {}): void => {
    said.push(`${message} ${JSON.stringify(about)}`)
  }
  return { log: { request: (line) => lines.push(line), info: say, warn: say }, lines, said }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
  readonly trailers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** One request on a connection of its own. Rejects where the answer broke off. */
export function ask(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const req = request(url, { method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const { statusCode = 0, headers: fields, rawHeaders, trailers } = res
        resolve({ status: statusCode, headers: fields, rawHeaders, trailers, body: Buffer.concat(chunks).toString() })
      })
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** A POST with a key. */
export function post(
  url: string,
  key: string,
  body = '{"amount":1}',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const all = { 'content-type': 'application/json', 'idempotency-key': key, ...headers }
  return ask(url, { method: 'POST', headers: all, body })
}

/** The code of a problem. */
export function codeOf(answer: Answer): unknown {
  return (JSON.parse(answer.body) as { code?: unknown }).code
}

export async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks until the answer will do; gives up in time for the test to say what was seen last. */
export async function until<T>(look: () => T | Promise<T>, willDo: (seen: T) => boolean = Boolean): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (willDo(seen)) return seen
    if (Date.now() > deadline) throw new Error(`nothing that will do came; seen last: ${JSON.stringify(seen)}`)
    await sleep(20)
  }
}

const patienceMs = 20_000

/** Bytes over a bare socket: what was received so far, and more to send. */
export interface Wire {
  readonly socket: Socket
  received(): string
  send(text: string): void
}

export async function wireTo(port: number): Promise<Wire> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
  })
  socket.on('error', () => {})
  afterwards(() => socket.destroy())
  await once(socket, 'connect')
  return { socket, received: () => received, send: (text) => socket.write(text, 'latin1') }
}

/** A promise and what settles it. */
export function gate(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

const bin = fileURLToPath(new URL('../bin/retrysafe.js', import.meta.url))

export interface Program {
  readonly child: ChildProcess
  readonly exited: Promise<{ code: number | null; signal: string | null }>
  out(): string
  err(): string
}

/** The real program, as a process of its own. */
export function retrysafe(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Program {
  const { RETRYSAFE_TEST_REPORTS: _, ...environment } = process.env
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...environment, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  afterwards(async () => {
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await exited
  })
  return { child, exited, out: () => out, err: () => err }
}

export interface ProxyProgram extends Program {
  readonly url: string
  readonly port: number
}

/** `retrysafe proxy` on a free port, once it listens. */
export async function proxyProgram(args: readonly string[], env: Record<string, string> = {}): Promise<ProxyProgram> {
  const fixed = ['proxy', '--port', '0', '--host', '127.0.0.1', '--admin-port', 'off', '--allow-anonymous']
  const program = retrysafe([...fixed, ...args], { env })
  const line = await Promise.race([
    until(
      () =>
        program
          .out()
          .split('\n')
          .find((text) => text.includes('"msg":"listening"')),
      (seen) => seen !== undefined,
    ),
    program.exited.then(() => undefined),
  ])
  if (line === undefined) throw new Error(`retrysafe ended before it listened: ${program.err()}`)
  const { port } = JSON.parse(line) as { port: number }
  return { ...program, port, url: `http://127.0.0.1:${port}` }
}
