import { Agent, request as ask, createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

type Operation = string
interface Answer {
  readonly status: number
  readonly body: string
}

/** Stands before dynalite and adds what the real service has: the old item in a refusal, and a TTL. */
export interface DynamodbProxy {
  readonly url: string
  /** How often each operation was asked for, by its name. */
  counts(): Record<Operation, number>
  /** The engine does what the next one asks, and its answer is lost with the connection. */
  loseNext(operation: Operation): void
  /** The next ones are refused with that error and never reach the engine. */
  failNext(operation: Operation, type: string, times?: number): void
  /** Runs before the next one reaches the engine. */
  beforeNext(operation: Operation, run: () => Promise<unknown>): void
  close(): Promise<void>
}

export async function startDynamodbProxy(engine: string, { showsOld = true } = {}): Promise<DynamodbProxy> {
  const counts: Record<Operation, number> = {}
  const losses: Operation[] = []
  const failures: { operation: Operation; type: string; times: number }[] = []
  const before: { operation: Operation; run: () => Promise<unknown> }[] = []
  const ttls = new Map<string, string>()
  const turns = new Map<string, Promise<unknown>>()

  async function answer(operation: Operation, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    const asked = JSON.parse(body) as Record<string, unknown>
    if (operation === 'UpdateTimeToLive') return setTtl(ttls, asked)
    const { status, body: plain } = await pass(engine, operation, headers, body)
    const table = String(asked.TableName)
    if (operation === 'DescribeTimeToLive' && status === 200 && ttls.has(table))
      return ok({ TimeToLiveDescription: { TimeToLiveStatus: 'ENABLED', AttributeName: ttls.get(table) } })
    const refused = status === 400 && plain.includes('ConditionalCheckFailedException')
    if (!refused || !showsOld || asked.ReturnValuesOnConditionCheckFailure !== 'ALL_OLD') return { status, body: plain }
    const key = asked.Key ?? { key: (asked.Item as { key: unknown }).key }
    const read = JSON.stringify({ TableName: table, Key: key, ConsistentRead: true })
    const { Item } = JSON.parse((await pass(engine, 'GetItem', headers, read)).body) as { Item?: object }
    return { status, body: JSON.stringify({ ...(JSON.parse(plain) as object), Item }) }
  }

  const server = createServer(async (request, response) => {
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? ''
    const body = await textOf(request)
    counts[operation] = (counts[operation] ?? 0) + 1
    await take(before, operation)?.run()
    const failure = failures.find((one) => one.operation === operation && one.times > 0)
    if (failure !== undefined) failure.times--
    // One after the other for each item, so that a refusal shows the very item that refused.
    const item = itemOf(body)
    const answered = (turns.get(item) ?? Promise.resolve()).then(() =>
      failure === undefined
        ? answer(operation, request.headers, body)
        : { status: 400, body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${failure.type}` }) },
    )
    turns.set(
      item,
      answered.catch(() => undefined),
    )
    const { status, body: text } = await answered
    const lost = losses.indexOf(operation)
    if (lost >= 0) {
      losses.splice(lost, 1)
      request.socket.destroy()
      return
    }
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => ({ ...counts }),
    loseNext: (operation) => losses.push(operation),
    failNext: (operation, type, times = 1) => failures.push({ operation, type, times }),
    beforeNext: (operation, run) => before.push({ operation, run }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The key of the item that a request is about; nothing where it is about a table. */
function itemOf(body: string): string {
  const { Key, Item } = JSON.parse(body) as Readonly<Record<string, { readonly key?: { readonly S?: string } }>>
  return (Key ?? Item)?.key?.S ?? ''
}

function setTtl(ttls: Map<string, string>, asked: Record<string, unknown>): Answer {
  const table = String(asked.TableName)
  const { AttributeName } = asked.TimeToLiveSpecification as { AttributeName: string }
  if (ttls.has(table))
    return {
      status: 400,
      body: JSON.stringify({ __type: 'com.amazon.coral.validate#ValidationException', message: 'already enabled' }),
    }
  ttls.set(table, AttributeName)
  return ok({ TimeToLiveSpecification: { Enabled: true, AttributeName } })
}

function ok(value: object): Answer {
  return { status: 200, body: JSON.stringify(value) }
}

const agent = new Agent({ keepAlive: true })

async function pass(engine: string, operation: Operation, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
  const sent = {
    'content-type': 'application/x-amz-json-1.0',
    'content-length': Buffer.byteLength(body),
    'x-amz-target': `DynamoDB_20120810.${operation}`,
    'x-amz-date': String(headers['x-amz-date']),
    authorization: String(headers.authorization),
  }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    ask(engine, { method: 'POST', agent, headers: sent }, resolve).on('error', reject).end(body)
  })
  return { status: response.statusCode ?? 0, body: await textOf(response) }
}

function take<T extends { operation: Operation }>(all: T[], operation: Operation): T | undefined {
  const at = all.findIndex((one) => one.operation === operation)
  return at < 0 ? undefined : all.splice(at, 1)[0]
}

async function textOf(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8')
  let text = ''
  for await (const piece of request) text += piece
  return text
}
