import { createRequire } from 'node:module'
import type { Found } from './programs.js'
import { type Server, startServer } from './server.js'
import { listens } from './wire.js'

/** The program of dynalite, which npm brings. */
export async function findDynalite(): Promise<Found<string>> {
  try {
    return { value: createRequire(import.meta.url).resolve('dynalite/cli.js') }
  } catch {
    return { missing: 'dynalite is not installed: npm ci' }
  }
}

/** Starts a dynalite, which keeps its tables in memory. */
export function startDynalite(program: string): Promise<Server> {
  const instantly = ['createTableMs', 'deleteTableMs', 'updateTableMs'].flatMap((name) => [`--${name}`, '0'])
  return startServer({
    name: 'dynalite',
    url: (port) => `http://127.0.0.1:${port}`,
    command: ({ port }) => [process.execPath, program, '--host', '127.0.0.1', '--port', String(port), ...instantly],
    answers: listens,
    asSelf: true,
  })
}
