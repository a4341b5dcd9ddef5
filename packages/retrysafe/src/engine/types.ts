import type {
  AfterCrash,
  Clock,
  IdempotencyStore,
  JsonValue,
  Random,
  Storable,
  StoredValue,
} from '../contract/index.js'
import type { Observer } from './events.js'

// ---- a replay equals the first answer, also in its type

type Plain = string | number | boolean | null | undefined
type Lossy =
  | bigint
  | symbol
  | ((...args: never) => unknown)
  | { toJSON(...args: never): unknown }
  | ReadonlyMap<never, unknown>
  | ReadonlySet<never>
  | Error
  | RegExp
  | PromiseLike<unknown>
  | ArrayBuffer
  | ArrayBufferView
type JsonSafe<T> = T extends Plain
  ? T
  : T extends Lossy
    ? never
    : [T] extends [JsonValue] // a recursive type would never end
      ? T
      : T extends object
        ? { [K in keyof T]: JsonSafe<T[K]> }
        : T
type IsReplayable<T> = 0 extends 1 & T
  ? true
  : unknown extends T
    ? true
    : T extends Uint8Array & { write(...args: never): unknown } // a Buffer replays as a Uint8Array
      ? false
      : // biome-ignore lint/suspicious/noConfusingVoidType: work that returns nothing is typed void.
        [T] extends [JsonValue | Uint8Array | undefined | void]
        ? true
        : // biome-ignore lint/suspicious/noConfusingVoidType: work that returns nothing is typed void.
          [T] extends [JsonSafe<T> | Uint8Array | void]
          ? true
          : false

/** What the compiler shows where a result needs a codec. */
export interface NeedsCodec<T> {
  readonly 'a replay would not equal this result; return plain JSON data or pass a codec': T
}

/** `unknown` where a replay of the result would equal it, else a type that nothing has. */
export type Replayable<R> = IsReplayable<Awaited<R>> extends true ? unknown : NeedsCodec<Awaited<R>>

/** How a result is stored and read again. A Zod 4 schema is one. */
export interface Codec<T> {
  // A property, so that it is checked strictly: work that returns less than the codec takes must not compile.
  encode: (value: T) => Storable
  decode(stored: StoredValue): T
}

export type Awaitable<T> = T | PromiseLike<T>

export interface StepOptions {
  /** An open transaction through which the checkpoint is saved, for stores that offer `within`. */
  within?: unknown
}

/** What the work sees of itself. */
export interface Operation {
  /** The idempotency key as the caller gave it. */
  readonly key: string
  /** The claim's token. */
  readonly token: string
  /** 1 for the first claim of a key, one more for each takeover. */
  readonly attempt: number
  /** Aborts when the lease is lost or `maxRunMs` has passed. */
  readonly signal: AbortSignal
  /**
   * Runs a named part of the work and saves its result, so that the next attempt resumes behind it. Names are unique
   * within an operation and come in the same order on every attempt; otherwise `steps_changed`.
   */
  step<T>(name: string, work: () => Awaitable<T>, options: StepOptions & { codec: Codec<T> }): Promise<T>
  step<R>(name: string, work: () => R & Replayable<R>, options?: StepOptions): Promise<Awaited<R>>
  /** An idempotency key for a downstream call: equal on every attempt, different for every operation and name. */
  keyFor(name: string): string
}

/** Reject a duplicate at once with `in_progress`, or let it wait for the response so long. */
export type WhenInProgress = 'reject' | { readonly waitMs: number }

/** What a single run may set differently from `createIdempotency`. */
export interface RunDefaults {
  /** How long a claim is held without a heartbeat. Default 30 s; 100 ms to 24 h. */
  leaseMs?: number | undefined
  /** How long the response can be replayed. Default 24 h; 1 s to 400 days. */
  retentionMs?: number | undefined
  /** After so long heartbeats stop and `operation.signal` aborts. Default 15 min; 100 ms to 24 h. */
  maxRunMs?: number | undefined
  /** Default `'reject'`. */
  whenInProgress?: WhenInProgress | undefined
  /** What a duplicate meets after a crash. Default `'rerun'`. */
  afterCrash?: AfterCrash | undefined
  /** Whether a failure is kept and replayed. Default: never; the key is released and a retry runs again. */
  remember?: ((error: unknown) => boolean) | undefined
  /** Under `afterCrash: 'uncertain'`: whether a failure proves that nothing happened. Default: never. */
  notApplied?: ((error: unknown) => boolean) | undefined
}

export interface RunOptions extends RunDefaults {
  /** Whose key it is. Absent or a non-empty string: a tenant that is undefined by mistake must not compile, nor run. */
  scope?: string
  /** What must be equal on a retry: plain data; its digest is kept. Another one on the same key is `mismatch`. */
  fingerprint?: unknown
  /** Ends the waiting for another attempt. Work that has begun goes on. */
  signal?: AbortSignal | undefined
}

export interface IdempotencyOptions extends RunDefaults {
  store: IdempotencyStore
  /** Bytes of a response that are kept for replay. Default 10 MiB. */
  maxStoredBytes?: number | undefined
  /** Steps of one operation. Default 256, ceiling 4,096. */
  maxSteps?: number | undefined
  /** Bytes of one operation's checkpoint. Default 1 MiB, ceiling 16 MiB. */
  maxCheckpointBytes?: number | undefined
  /** Duplicates of one key that may wait in this process. Default 1,000. */
  maxWaiters?: number | undefined
  /** Is told what happens to keys; what it throws is ignored. */
  observe?: Observer | undefined
  /** Default: the machine's clock. */
  clock?: Clock | undefined
  /** For jitter. Default `Math.random`. */
  random?: Random | undefined
}

/** The response, and whether it is another attempt's. */
export interface Result<T> {
  readonly response: T
  readonly replayed: boolean
  readonly attempt: number
}

export interface WrapOptions<Args extends readonly unknown[]> extends RunDefaults {
  /** The function's own space of keys: two functions never share one. */
  name: string
  /** The idempotency key of a call. */
  key: (...args: Args) => string
  /** Whose key it is. */
  scope?: ((...args: Args) => string) | undefined
  /** What must be equal on a retry. Default: nothing is compared. */
  fingerprint?: ((...args: Args) => unknown) | undefined
}

export interface Idempotency {
  /**
   * Runs the work once for the key and gives its response, or gives the response that an earlier attempt stored.
   *
   * @throws `in_progress`, `mismatch`, `uncertain`, `expired`, `response_not_stored`, `lease_lost`, `invalid_key`,
   * `invalid_option`, and the store's errors. What the work throws is thrown as it is.
   */
  // The codec form stands first, so that the compiler's message speaks of the plain one.
  run<T>(
    key: string,
    work: (operation: Operation) => Awaitable<T>,
    options: RunOptions & { codec: Codec<T> },
  ): Promise<T>
  run<R>(key: string, work: (operation: Operation) => R & Replayable<R>, options?: RunOptions): Promise<Awaited<R>>
  /** Like `run`, and says whether the response is a replay and of which attempt. */
  execute<T>(
    key: string,
    work: (operation: Operation) => Awaitable<T>,
    options: RunOptions & { codec: Codec<T> },
  ): Promise<Result<T>>
  execute<R>(
    key: string,
    work: (operation: Operation) => R & Replayable<R>,
    options?: RunOptions,
  ): Promise<Result<Awaited<R>>>
  /** Makes a function idempotent: calls with the same key run it once. */
  wrap<Args extends unknown[], T>(
    work: (...args: Args) => Awaitable<T>,
    options: WrapOptions<Args> & { codec: Codec<T> },
  ): (...args: Args) => Promise<T>
  wrap<Args extends unknown[], R>(
    work: (...args: Args) => R & Replayable<R>,
    options: WrapOptions<Args>,
  ): (...args: Args) => Promise<Awaited<R>>
  /**
   * Resolves when nothing of this instance is open: work that runs, a response that waits to be stored, a claim that
   * waits to be released. For a claim whose `begin` was not answered it waits for one answer of the store, under
   * `afterCrash: 'uncertain'` for two leases, and asking goes on afterwards. Keeps the process alive until then.
   */
  drain(): Promise<void>
}
