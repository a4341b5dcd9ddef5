import { randomUUID } from 'node:crypto'

export interface DemoFacts {
  readonly port: number
  readonly askedPort: number
  readonly adminPort: number | undefined
  /** The bundled payments API, or the user's own service. */
  readonly upstream: string
  readonly isBundled: boolean
  readonly store: string
  readonly allowAnonymous: boolean
}

/** What the demo prints before its first request. */
export function welcome(facts: DemoFacts): string {
  const base = `http://localhost:${facts.port}`
  const isMoved = facts.askedPort !== 0 && facts.askedPort !== facts.port
  const lines = [
    '',
    `Retrysafe listens on ${base}${isMoved ? ` (port ${facts.askedPort} is in use)` : ''}`,
    `  in front of    ${facts.upstream}${facts.isBundled ? ' (a demo payments API that charges on every request it gets)' : ''}`,
    `  keeps keys in  ${facts.store}`,
    ...(facts.adminPort === undefined ? [] : [`  health         http://localhost:${facts.adminPort}/-/readyz`]),
    ...(facts.allowAnonymous
      ? [
          '  --allow-anonymous is set: requests without credentials share one scope. Right for a demo, not for production.',
        ]
      : []),
    '',
    ...(facts.isBundled ? tryCharges(base) : tryOwn(base)),
    '',
    'Requests with a key show here. Ctrl+C stops.',
    '',
  ]
  return lines.join('\n')
}

function tryCharges(base: string): string[] {
  const key = randomUUID()
  return [
    'Paste these into another terminal:',
    '',
    '1. Charge a card. It takes about 300 ms and answers 201 with id ch_1.',
    `   ${curl(base, key, 4200)}`,
    '',
    '2. The same again, as after a lost answer. At once the same ch_1, with Idempotent-Replayed: true.',
    `   ${curl(base, key, 4200)}`,
    '',
    '3. The same key with another amount. 422: nothing is charged, and the key still stands for the first charge.',
    `   ${curl(base, key, 9900)}`,
    '',
    `What was charged: curl ${base}/charges`,
  ]
}

function curl(base: string, key: string, amount: number): string {
  return `curl -i ${base}/charges -H 'Content-Type: application/json' -H 'Idempotency-Key: ${key}' -d '{"amount": ${amount}}'`
}

function tryOwn(base: string): string[] {
  const request = `curl -i ${base}/YOUR/PATH -H 'Idempotency-Key: ${randomUUID()}' -d 'YOUR BODY'`
  return [
    'Send a POST of your service through it, twice. The second gets the response of the first:',
    `   ${request}`,
    `   ${request}`,
    '',
    'Then with another body, and see 422.',
  ]
}
