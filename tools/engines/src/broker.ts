import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Deed, Engine, Engines, Member, PrivateEngine, Shared, Started, StartOptions } from './engines.js'

/*
 * Test files run in processes of their own and share the engines of the one process that runs them all. They ask it
 * over HTTP on 127.0.0.1; the path of its address holds a secret.
 */

/** Holds the address of the broker in the processes of a run. */
export const brokerVariable = 'RETRYSAFE_TEST_ENGINES'

type Call =
  | { readonly call: 'missing'; readonly engine: Engine }
  | { readonly call: 'shared'; readonly engine: Shared }
  | { readonly call: 'start'; readonly engine: PrivateEngine; readonly options: StartOptions }
  | { readonly call: 'do'; readonly id: string; readonly member: string; readonly deed: Deed }

type Answer = { readonly value: unknown } | { readonly error: string }

interface Told {
  readonly id: string
  readonly version?: number
  readonly members: Readonly<Record<string, { readonly url: string; readonly port: number }>>
}

/** A broker of engines that listens until it is closed. */
export interface Broker {
  readonly address: string
  close(): Promise<void>
}

/** Lends out engines to the other processes of a run. */
export async function startBroker(engines: Engines): Promise<Broker> {
  const secret = randomUUID()
  const started = new Map<string, Started>()
  const server = createServer((asked, answer) => {
    if (asked.url !== `/${secret}`) return void answer.writeHead(404).end()
    void serve(asked, answer, (call) => carryOut(call, engines, started))
  })
  // An engine may take long to install, and nobody else asks.
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  server.unref()
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/${secret}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await engines.end()
    },
  }
}

async function serve(
  asked: IncomingMessage,
  answer: ServerResponse,
  act: (call: Call) => Promise<unknown>,
): Promise<void> {
  let text: Answer
  try {
    text = { value: (await act(JSON.parse(await whole(asked)) as Call)) ?? null }
  } catch (error) {
    text = { error: error instanceof Error ? error.message : String(error) }
  }
  answer.end(JSON.stringify(text))
}

async function carryOut(call: Call, engines: Engines, started: Map<string, Started>): Promise<unknown> {
  switch (call.call) {
    case 'missing':
      return engines.missing(call.engine)
    case 'shared':
      return engines.shared(call.engine)
    case 'start': {
      const id = randomUUID()
      const one = await engines.start(call.engine, call.options)
      started.set(id, one)
      const members = Object.entries(one.members).map(([name, { url, port }]) => [name, { url, port }])
      return { ...one, id, members: Object.fromEntries(members) } satisfies Told
    }
    case 'do':
      return started.get(call.id)?.members[call.member]?.do(call.deed)
  }
}

/** The engines of the process whose broker has this address. */
export function remoteEngines(address: string): Engines {
  return {
    missing: async (engine) => ((await ask(address, { call: 'missing', engine })) ?? undefined) as string | undefined,
    shared: async (engine) =>
      (await ask(address, { call: 'shared', engine })) as Awaited<ReturnType<Engines['shared']>>,
    async start(engine, options) {
      const { id, members, ...rest } = (await ask(address, { call: 'start', engine, options })) as Told
      const remote = Object.entries(members).map(([name, place]): [string, Member] => {
        const act = async (deed: Deed): Promise<void> =>
          void (await ask(address, { call: 'do', id, member: name, deed }))
        return [name, { ...place, do: act }]
      })
      return { ...rest, members: Object.fromEntries(remote) }
    },
    // They are the whole run's, and end with it.
    end: async () => undefined,
  }
}

async function ask(address: string, call: Call): Promise<unknown> {
  const answer = await new Promise<string>((resolve, reject) => {
    const asking = request(address, { method: 'POST', agent: false }, (response) => {
      whole(response).then(resolve, reject)
    })
    asking.once('error', reject)
    asking.end(JSON.stringify(call))
  })
  const told = JSON.parse(answer) as Answer
  if ('error' in told) throw new Error(told.error)
  return told.value
}

async function whole(stream: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of stream.setEncoding('utf8')) text += piece
  return text
}
