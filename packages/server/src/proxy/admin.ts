import { createServer, type Server, type ServerResponse } from 'node:http'

/** What the probes ask. */
export interface Health {
  /** Why no request should be sent here now; undefined: send them. */
  notReady(): Promise<string | undefined>
}

/** `/-/healthz`: the process answers. `/-/readyz`: it also takes requests, and its store answers. */
export function adminServer(health: Health): Server {
  return createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (req, res) => {
    const path = (req.url ?? '/').split('?')[0]
    if (req.method !== 'GET' && req.method !== 'HEAD') answer(res, 405, 'GET or HEAD only')
    else if (path === '/-/healthz') answer(res, 200, 'ok')
    else if (path === '/-/readyz') void answerReady(health, res)
    else answer(res, 404, 'Here are /-/healthz and /-/readyz')
  })
}

async function answerReady(health: Health, res: ServerResponse): Promise<void> {
  const reason = await health.notReady()
  if (reason === undefined) answer(res, 200, 'ready')
  else answer(res, 503, reason)
}

function answer(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  res.end(`${text}\n`)
}
