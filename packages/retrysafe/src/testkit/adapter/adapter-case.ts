import type { AfterCrash, IdempotencyStore, Inspectable } from '../../contract/index.js'

/** One promise of an HTTP adapter, and how to see over real connections that it holds. */
export interface AdapterCase {
  /** A sentence that is true of a sound adapter. Unique. */
  readonly name: string
  /** What goes wrong in production where it does not hold. */
  readonly why: string
  /** `responses`: what may depend on the way in which a handler writes; an adapter that has several runs them for each. */
  readonly about: 'requests' | 'responses'
  /** What the adapter must be able to show; one that cannot skips the case. */
  readonly needs: readonly AdapterNeed[]
  /** Resolves where the promise holds, rejects with what was expected and what was seen where it does not. */
  run(open: OpenAdapter): Promise<void>
}

/**
 * What some adapters cannot show:
 * - `store`: cases may stand between adapter and store, and look into it.
 * - `functions`: options that are functions of the request or the response.
 * - `options`: options beyond those that the proxy has a flag for.
 * - `throws`: the handler runs inside the adapter, which sees what it throws.
 * - `operation`: the handler reaches its operation.
 * - `cut`: the handler can break off a response.
 * - `outer`: something in front of the adapter sets headers of the response.
 * - `informational`: 1xx responses. `trailers`: trailers of responses. `reason`: the status text.
 * - `lines`: header lines of requests reach the adapter as they were sent, repeated ones too.
 * - `raw`: the client speaks HTTP/1.1 byte by byte.
 * - `pressure`: a slow client slows the handler down.
 */
export type AdapterNeed =
  | 'store'
  | 'functions'
  | 'options'
  | 'throws'
  | 'operation'
  | 'cut'
  | 'outer'
  | 'informational'
  | 'trailers'
  | 'reason'
  | 'lines'
  | 'raw'
  | 'pressure'

/** Starts a real server with the adapter under test. Each case calls it once or more, and closes what it got. */
export type OpenAdapter = (setting: AdapterSetting) => Promise<OpenedAdapter>

export interface AdapterSetting {
  readonly options: AdapterOptions
  /** Called once for each request that reaches the handler. */
  readonly handler: AdapterHandler
  /** Stands between the adapter and its store. Only under the need `store`. */
  readonly between?: ((store: IdempotencyStore) => IdempotencyStore) | undefined
  /** Set on the response of each request before the adapter sees it. Only under the need `outer`. */
  readonly outerHeaders?: ((request: HandlerRequest) => HeaderLines) | undefined
}

export interface OpenedAdapter {
  /** The store itself, behind what stands between. */
  readonly store: IdempotencyStore & Inspectable
  /** Sends one request on a connection of its own. */
  exchange(request: ClientRequest): Exchange
  /** A connection for bytes. Only under the need `raw`. */
  connect?(): RawConnection
  /** Ends the server and its connections, also where some are open. */
  close(): Promise<void>
}

export type HeaderLines = readonly (readonly [name: string, value: string])[]

/** Options of the adapter as data: each means what the HTTP option of that name means. */
export interface AdapterOptions {
  readonly methods?: readonly string[]
  readonly requireKey?: boolean
  readonly allowAnonymous?: boolean
  readonly authenticated?: boolean
  readonly maxBodyBytes?: number
  readonly maxStoredBytes?: number
  readonly maxHeldBytes?: number
  readonly remember?: 'definite' | 'success' | 'everything' | ((response: { readonly status: number }) => boolean)
  readonly notApplied?: (response: { readonly status: number }) => boolean
  readonly whenStoreDown?: 'refuse' | 'run'
  readonly replayHeader?: string | false
  readonly documentation?: string
  readonly corsOrigins?: readonly string[]
  readonly leaseMs?: number
  readonly retentionMs?: number
  readonly maxRunMs?: number
  readonly whenInProgress?: 'reject' | { readonly waitMs: number }
  readonly afterCrash?: AfterCrash
  /** From a header of the request, by lower-case name. */
  readonly scope?: (header: (name: string) => string | undefined) => string | undefined
  readonly fingerprint?: (header: (name: string) => string | undefined) => unknown
  readonly covers?: (header: (name: string) => string | undefined) => boolean
}

export interface HandlerRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** All lines of a header, joined by `, `. */
  header(lowerCaseName: string): string | undefined
  /** Reads the whole body. */
  body(): Promise<Uint8Array>
  /** The operation, where the request runs under a key and the adapter can say. */
  readonly operation?: { readonly key: string; readonly attempt: number; readonly signal: AbortSignal } | undefined
}

/** What it throws or rejects with is thrown by the adapter's own handler. */
export type AdapterHandler = (request: HandlerRequest) => Script | Promise<Script>

/** A response as the handler of each adapter plays it: 200 without a body where nothing is said. */
export interface Script {
  readonly status?: number
  readonly statusText?: string
  readonly headers?: HeaderLines
  /** Sent whole, with the end. */
  readonly body?: string | Uint8Array
  /** Written one by one as they come, waiting where the connection is full. What it throws is thrown after the head. */
  readonly chunks?: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>
  readonly trailers?: HeaderLines
  /** Headers of a 103 response, sent before. */
  readonly earlyHints?: HeaderLines
  /** `head`: the head is sent on its own before anything else. */
  readonly flush?: 'head'
  /** The response is broken off instead of ended. */
  readonly cut?: boolean
}

export interface ClientRequest {
  readonly method: string
  readonly target: string
  readonly headers: HeaderLines
  /** Sent with its length; a list is sent in chunks. */
  readonly body?: Uint8Array | readonly Uint8Array[]
  /** The length that is declared, where it is not that of the body. */
  readonly declaredLength?: number
  /** The end of the body is not sent. */
  readonly unfinished?: boolean
}

/** One request on its way, and what comes back. */
export interface Exchange {
  /** Resolves with the head. Rejects where the connection ends before it. */
  readonly head: Promise<ReplyHead>
  /** Resolves when the response has ended or broken off. Never rejects: without a head its status is 0. */
  readonly reply: Promise<Reply>
  /** What of the body has come so far. */
  body(): Uint8Array
  /** Reads no more from the connection, and again. */
  pause(): void
  resume(): void
  /** The client hangs up. */
  leave(): void
}

export interface ReplyHead {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderLines
  /** The 1xx responses before. */
  readonly informational: readonly { readonly status: number; readonly headers: HeaderLines }[]
}

export interface Reply extends ReplyHead {
  readonly body: Uint8Array
  readonly trailers: HeaderLines
  /** False where it broke off. */
  readonly complete: boolean
}

export interface RawConnection {
  send(bytes: string | Uint8Array): void
  /** The next response on the connection. */
  next(): Promise<Reply>
  /** Whether the other side has ended the connection, once it has. */
  readonly ended: Promise<void>
  leave(): void
}
