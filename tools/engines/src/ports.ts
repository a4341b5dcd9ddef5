import { createServer } from 'node:net'

/*
 * Below the ports that systems give to outgoing connections (Linux: from 32768). A client that knocks at the port of a
 * killed engine could otherwise be given that very port as its own and so be connected with itself, and the engine
 * could not come back. The cluster bus of Redis is 10000 above its port and stays below as well.
 */
const lowest = 15_000
const count = 7_000
const busOffset = 10_000
const attempts = 200

/** Ports that this process has given away, whether or not their engine listens at the moment. */
const given = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on, nor 10000 above it. Somebody might before the engine does: try again then. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * count)
    if (given.has(port)) continue
    if (!(await isFree(port)) || !(await isFree(port + busOffset))) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port between ${lowest} and ${lowest + count}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
