/* What the body of an adapter case is given: requests in few words, replies as values, and a look into the store. */
import {
  type IdempotencyRecord,
  type IdempotencyStore,
  type Inspectable,
  type ListedRecord,
  systemClock,
  toBase64,
} from '../../contract/index.js'
import { expectThat } from '../expect.js'
import type {
  AdapterCase,
  AdapterHandler,
  AdapterNeed,
  AdapterSetting,
  ClientRequest,
  Exchange,
  HandlerRequest,
  HeaderLines,
  OpenedAdapter,
  Reply,
  Script,
} from './adapter-case.js'

/** A request in terms of what differs: by default `POST /charges` with a key, a bearer token and a small JSON body. */
export interface Ask {
  readonly method?: string
  readonly target?: string
  /** The field as sent; several lines; `null` for none. */
  readonly key?: string | readonly string[] | null
  readonly authorization?: string | null
  readonly type?: string | null
  /** Text is sent as UTF-8; a list is sent in chunks. */
  readonly body?: string | Uint8Array | readonly (string | Uint8Array)[] | null
  readonly headers?: HeaderLines
  readonly declaredLength?: number
  readonly unfinished?: boolean
}

export interface Scene {
  /** How often the handler was called. */
  runs(): number
  readonly store: IdempotencyStore & Inspectable
  readonly opened: OpenedAdapter
  /** Sends a request and waits for the whole response. */
  ask(ask?: Ask): Promise<Reply>
  /** Sends a request. */
  start(ask?: Ask): Exchange
  /** The one record of the store; undefined where it is empty. */
  record(): Promise<IdempotencyRecord | undefined>
  records(): Promise<readonly ListedRecord[]>
  /** Resolves when whatever is on its way between client and server has arrived: other requests went to and fro. */
  settle(): Promise<void>
}

export type SceneSetting = Partial<Omit<AdapterSetting, 'handler'>> & { readonly handler?: AdapterHandler | Script }

/** A case whose body opens adapters, all of which are closed whatever happens. */
export function adapterCase(
  name: string,
  why: string,
  needs: readonly AdapterNeed[],
  body: (set: (setting?: SceneSetting) => Promise<Scene>) => Promise<void>,
): Omit<AdapterCase, 'about'> {
  return {
    name,
    why,
    needs,
    async run(open) {
      const openedAll: OpenedAdapter[] = []
      try {
        await body(async (setting = {}) => {
          const { handler = echo, ...rest } = setting
          let runs = 0
          const count: AdapterHandler = (request) => {
            if (request.method !== ping) runs++
            return request.method === ping ? {} : typeof handler === 'function' ? handler(request) : handler
          }
          const opened = await open({ options: {}, ...rest, handler: count })
          openedAll.push(opened)
          return setScene(opened, () => runs)
        })
      } finally {
        for (const opened of openedAll) await opened.close()
      }
    },
  }
}

/** A method that no case is about, for requests that only go to and fro. */
const ping = 'OPTIONS'

function setScene(opened: OpenedAdapter, runs: () => number): Scene {
  const { store } = opened
  const start = (ask: Ask = {}): Exchange => opened.exchange(requestOf(ask))
  const records: Scene['records'] = async () => (await store.list({ limit: 1000 })).records
  return {
    runs,
    store,
    opened,
    start,
    ask: (ask) => start(ask).reply,
    records,
    async record() {
      const [first, ...more] = await records()
      if (more.length > 0) throw new Error(`expected one record in the store, saw ${more.length + 1}`)
      return first === undefined ? undefined : store.get(first.key)
    },
    async settle() {
      for (let turn = 0; turn < 3; turn++) {
        await start({ method: ping, key: null, body: null, authorization: null }).reply
        await systemClock.sleep(2)
      }
    },
  }
}

export function requestOf(ask: Ask): ClientRequest {
  const { method = 'POST', target = '/charges', key = 'key-1', authorization = alice, headers = [] } = ask
  const { body = '{"amount":1200}', type = 'application/json', declaredLength, unfinished } = ask
  const lines: [string, string][] = []
  for (const line of typeof key === 'string' ? [key] : (key ?? [])) lines.push(['Idempotency-Key', line])
  if (authorization !== null) lines.push(['Authorization', authorization])
  if (body !== null && type !== null) lines.push(['Content-Type', type])
  return {
    method,
    target,
    headers: [...lines, ...headers.map(([name, value]) => [name, value] as const)],
    ...(body === null ? {} : { body: isList(body) ? body.map(bytesOf) : bytesOf(body) }),
    ...(declaredLength === undefined ? {} : { declaredLength }),
    ...(unfinished === undefined ? {} : { unfinished }),
  }
}

function isList(
  body: string | Uint8Array | readonly (string | Uint8Array)[],
): body is readonly (string | Uint8Array)[] {
  return Array.isArray(body)
}

export const alice = 'Bearer token-of-alice'
export const bob = 'Bearer token-of-bob'

/** Answers with what came in, and how often it was called. */
function echo(request: HandlerRequest): Script {
  return { status: 201, headers: [['Content-Type', 'text/plain']], body: `${request.method} ${request.target}` }
}

/** A handler whose responses differ from run to run, so that a replay cannot be taken for a run. */
export function counting(script: Script = {}): AdapterHandler {
  let number = 0
  return () => ({ status: 201, body: `run ${++number}`, ...script })
}

export function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? new TextEncoder().encode(content) : content
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** The lines of a header, joined as HTTP joins them; undefined where there is none. */
export function headerOf(reply: { readonly headers: HeaderLines }, name: string): string | undefined {
  const lines = reply.headers.filter(([known]) => known.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  return lines.length === 0 ? undefined : lines.join(', ')
}

export interface Latch {
  readonly opened: Promise<void>
  open(): void
}

/** Somebody waits until somebody else opens it. */
export function latch(): Latch {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Looks again and again until it holds; gives up after half a minute. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const start = systemClock.monotonic()
  while (!(await condition())) {
    if (systemClock.monotonic() - start > 20_000) throw new Error(`waited in vain until ${what}`)
    await systemClock.sleep(2)
  }
}

/** Chunks for a client that does not read: as many as fit into all the buffers on the way, and a few more. */
export interface Flood {
  readonly chunks: Iterable<string>
  /** How many bytes the handler gave. */
  givenBytes(): number
  /** Resolves when the handler gives no more, which is then to end soon; rejects where it never stands still. */
  untilFull(scene: Scene): Promise<void>
}

/** Far more than any buffers hold. */
const most = 2048

export function flood(): Flood {
  // What a compressor makes small would fit into the buffers.
  const chunk = toBase64(crypto.getRandomValues(new Uint8Array(48 * 1024)))
  let given = 0
  let end = most
  function* chunks(): Iterable<string> {
    for (; given < end; given++) yield chunk
  }
  return {
    chunks: chunks(),
    givenBytes: () => given * chunk.length,
    async untilFull(scene) {
      let last = -1
      await until(async () => {
        const before = given
        await scene.settle()
        await systemClock.sleep(20)
        last = given
        return before === last
      }, 'the handler stands still')
      end = last + 10
      expectThat(last < most, `the handler waits before its end: it gave ${last} chunks`)
    },
  }
}
