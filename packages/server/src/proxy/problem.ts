import type { ServerResponse } from 'node:http'

/** What the proxy itself refuses, and upgrades that the upstream did not answer. All else is for the adapter to say. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
}

/** Answers with RFC 9457 problem details. The connection is closed where the request's body was not read. */
export function sendProblem(res: ServerResponse, problem: Problem): void {
  if (res.headersSent || res.destroyed) return
  const { status, code, title, detail } = problem
  const body = JSON.stringify({ type: 'about:blank', title, status, detail, code })
  res.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(res.req.complete ? {} : { connection: 'close' }),
  })
  res.end(body)
}
