import {
  type AfterCrash,
  badOption,
  bodyLimit,
  type Clock,
  heldLimit,
  type IdempotencyStore,
  type Random,
  readInteger,
  storedLimit,
} from '../../contract/index.js'
import {
  createIdempotency,
  type Engine,
  engineOf,
  type Idempotency,
  type Observer,
  type RunSettings,
  readFunction,
  readRun,
  type WhenInProgress,
} from '../../engine/index.js'
import type { HeaderList } from './headers.js'
import type { JudgedResponse, RememberResponse } from './response-policy.js'

/** What a rule about responses is shown. */
export interface ResponseHead {
  readonly status: number
  readonly headers: HeaderList
}

/** What `remember` is shown. */
export type JudgedHead = ResponseHead & JudgedResponse

interface CommonOptions<Request> {
  /** Methods that are deduplicated. Default `['POST', 'PATCH']`. */
  methods?: readonly string[] | undefined
  /** Whether a request is deduplicated at all; for example not a GraphQL query. Default: every one with a key. */
  covers?: ((request: Request) => boolean) | undefined
  /** Refuse requests without a key with 400. Default: they pass through. */
  requireKey?: boolean | undefined
  /**
   * Whose key it is: the tenant or principal, from what authentication found. Default: a digest of all credentials of
   * the request.
   */
  scope?: ((request: Request) => string | undefined) | undefined
  /** What must be equal on a retry. Default: method, target, media type and body. */
  fingerprint?: ((request: Request) => unknown) | undefined
  /** Put requests without any credential into one shared scope. Default: they are refused. */
  allowAnonymous?: boolean | undefined
  /** Signatures that change with every request were verified before, so their stable key id is the scope. */
  authenticated?: boolean | undefined
  /** The largest request body that is held for its fingerprint. Default 10 MiB. */
  maxBodyBytes?: number | undefined
  /** The largest response that is kept for replay. Default 10 MiB. */
  maxStoredBytes?: number | undefined
  /** The most bytes that all requests hold at once. Default 256 MiB. */
  maxHeldBytes?: number | undefined
  /** Which responses are stored. Default `'definite'`: those that decided something. */
  remember?: RememberResponse<JudgedHead> | undefined
  /** Under `afterCrash: 'uncertain'`: which responses prove that nothing happened. */
  notApplied?: ((response: ResponseHead) => boolean) | undefined
  /** Default `'refuse'`: 503, nothing runs. `'run'` runs unprotected while the store is down. */
  whenStoreDown?: 'refuse' | 'run' | undefined
  /** Default `'Idempotent-Replayed'`; `false` sends none. */
  replayHeader?: string | false | undefined
  /** Where problems are documented; the code is appended as a fragment. */
  documentation?: string | undefined
  /** Origins whose scripts may read refusals. Default: none; `*` is all. */
  corsOrigins?: readonly string[] | undefined
  /** `'gateway'` stands in front of other services: own key space, host in the fingerprint, answers `Expect` itself. */
  role?: 'service' | 'gateway' | undefined
  leaseMs?: number | undefined
  retentionMs?: number | undefined
  maxRunMs?: number | undefined
  whenInProgress?: WhenInProgress | undefined
  afterCrash?: AfterCrash | undefined
}

/** Options of every adapter: exactly one of `store` and `idempotency`, and what may differ from the defaults. */
export type HttpOptions<Request> = CommonOptions<Request> &
  (
    | {
        store: IdempotencyStore
        idempotency?: undefined
        /** Is told what happens to keys. */
        observe?: Observer | undefined
        clock?: Clock | undefined
        random?: Random | undefined
      }
    | { idempotency: Idempotency; store?: undefined }
  )

/** The options, checked, with their defaults. */
export interface HttpSettings<Request> {
  readonly engine: Engine
  readonly run: RunSettings
  readonly methods: ReadonlySet<string>
  readonly covers: ((request: Request) => boolean) | undefined
  readonly requireKey: boolean
  readonly scope: ((request: Request) => string | undefined) | undefined
  readonly fingerprint: ((request: Request) => unknown) | undefined
  readonly allowAnonymous: boolean
  readonly authenticated: boolean
  readonly maxBodyBytes: number
  readonly maxStoredBytes: number
  readonly maxHeldBytes: number
  readonly remember: RememberResponse<JudgedHead>
  readonly notApplied: ((response: ResponseHead) => boolean) | undefined
  readonly whenStoreDown: 'refuse' | 'run'
  readonly replayHeader: string | false
  readonly documentation: string | undefined
  readonly corsOrigins: readonly string[]
  readonly gateway: boolean
}

export function readHttpSettings<Request>(options: HttpOptions<Request>): HttpSettings<Request> {
  if (
    typeof options !== 'object' ||
    options === null ||
    (options.store === undefined) === (options.idempotency === undefined)
  )
    throw badOption('options', options, 'an object with exactly one of { store } and { idempotency }')
  const { role = 'service', remember = 'definite', whenStoreDown = 'refuse' } = options
  if (role !== 'service' && role !== 'gateway') throw badOption('role', role, "'service' or 'gateway'")
  if (typeof remember !== 'function' && !['definite', 'success', 'everything'].includes(remember))
    throw badOption('remember', remember, "'definite', 'success', 'everything' or a function")
  if (whenStoreDown !== 'refuse' && whenStoreDown !== 'run')
    throw badOption('whenStoreDown', whenStoreDown, "'refuse' or 'run'")
  const engine = engineOf(options.idempotency ?? createIdempotency(engineOptions(options)))
  const { leaseMs, retentionMs, maxRunMs, whenInProgress, afterCrash } = options
  return {
    engine,
    run: readRun({ leaseMs, retentionMs, maxRunMs, whenInProgress, afterCrash }, engine.settings.run),
    methods: readMethods(options.methods),
    covers: readFunction('covers', options.covers),
    requireKey: options.requireKey === true,
    scope: readFunction('scope', options.scope),
    fingerprint: readFunction('fingerprint', options.fingerprint),
    allowAnonymous: options.allowAnonymous === true,
    authenticated: options.authenticated === true,
    maxBodyBytes: readInteger('maxBodyBytes', options.maxBodyBytes, bodyLimit),
    maxStoredBytes: readInteger('maxStoredBytes', options.maxStoredBytes, storedLimit),
    maxHeldBytes: readInteger('maxHeldBytes', options.maxHeldBytes, heldLimit),
    remember,
    notApplied: readFunction('notApplied', options.notApplied),
    whenStoreDown,
    replayHeader: readReplayHeader(options.replayHeader),
    documentation: options.documentation,
    corsOrigins: options.corsOrigins ?? [],
    gateway: role === 'gateway',
  }
}

export function readMethods(methods: readonly string[] = ['POST', 'PATCH']): ReadonlySet<string> {
  if (!Array.isArray(methods) || methods.some((method) => typeof method !== 'string'))
    throw badOption('methods', methods, "an array of method names, such as ['POST']")
  return new Set(methods.map((method) => method.toUpperCase()))
}

function engineOptions<Request>(
  options: Extract<HttpOptions<Request>, { store: IdempotencyStore }> | HttpOptions<Request>,
) {
  const { store, observe, clock, random, maxStoredBytes } = options as Extract<
    HttpOptions<Request>,
    { store: IdempotencyStore }
  >
  return { store, observe, clock, random, maxStoredBytes }
}

function readReplayHeader(value: unknown): string | false {
  if (value === undefined) return 'Idempotent-Replayed'
  if (value === false || (typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value))) return value
  throw badOption('replayHeader', value, 'a header name, or false')
}
