/* An engine to write a store for: keys and values over HTTP, with an ETag each, and writes on a condition. */
import { createServer, type IncomingMessage, type Server } from 'node:http'

interface Entry {
  readonly value: Buffer
  readonly etag: string
}

/** `GET`, `PUT` and `DELETE /?key=…`, with `If-Match` or `If-None-Match: *`; `GET /?prefix=…` lists. In memory. */
export function kvServer(): Server {
  const entries = new Map<string, Entry>()
  let writes = 0
  const server = createServer(async (request, response) => {
    const query = new URL(request.url ?? '/', 'http://kv').searchParams
    const key = query.get('key')
    const body = await bytesOf(request)
    // From here on nothing is waited for: what is compared is what is written over.
    if (key === null) {
      const found = [...entries].filter(([name]) => name.startsWith(query.get('prefix') ?? ''))
      const list = found.map(([name, { value, etag }]) => ({ key: name, etag, value: value.toString('base64') }))
      response.setHeader('content-type', 'application/json').end(JSON.stringify(list))
      return
    }
    const entry = entries.get(key)
    if (request.method === 'GET') {
      if (entry === undefined) response.writeHead(404).end()
      else response.setHeader('etag', entry.etag).end(entry.value)
      return
    }
    const match = request.headers['if-match']
    const holds = match === undefined ? request.headers['if-none-match'] === '*' && !entry : match === entry?.etag
    if (!holds) {
      response.writeHead(412).end()
      return
    }
    // A counter of the whole server: a key that is removed and made anew has another ETag.
    if (request.method === 'PUT') entries.set(key, { value: body, etag: `"${++writes}"` })
    else entries.delete(key)
    response.writeHead(204).end()
  })
  // A connection that the server ends while a request is on its way to it would be a request without an answer.
  server.keepAliveTimeout = 60_000
  return server
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
