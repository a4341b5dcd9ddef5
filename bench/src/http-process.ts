import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Client, openClient } from './http-client.js'
import type { Usage } from './http-servers.js'

/** A server in a process of its own, and the connections to it. */
export interface ServerProcess {
  readonly port: number
  readonly client: Client
  usage(): Promise<Usage>
  close(): Promise<void>
}

export async function startServer(
  server: readonly string[],
  { connections, execArgv = [] }: { connections: number; execArgv?: string[] },
): Promise<ServerProcess> {
  const child = fork(fileURLToPath(new URL('http-servers.js', import.meta.url)), [...server], { execArgv })
  const { port } = (await answerOf(child, server.join(' '))) as { port: number }
  const client = await openClient(port, connections)
  return {
    port,
    client,
    async usage() {
      const answer = answerOf(child, server.join(' '))
      child.send('usage')
      return (await answer) as Usage
    },
    async close() {
      client.close()
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}

function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`The server ${name} ended with ${code}.`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}
