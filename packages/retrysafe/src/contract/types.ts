/** Any JSON value. Members that are `undefined` are left out, as JSON does. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined }

/** What a store gives back: any JSON value (null included), or bytes kept byte for byte. */
export type StoredValue = JsonValue | Uint8Array

/**
 * What a store accepts. Interfaces are not assignable to an index signature, so the door is wide; the value is checked
 * when it is stored, and what JSON would change is refused with `value_not_serialisable`.
 */
export type Storable = StoredValue | object

/** What happens to a key whose attempt ended without a word: run again, or answer `uncertain` until it is settled. */
export type AfterCrash = 'rerun' | 'uncertain'

export interface BeginOptions {
  /** Unguessable id of this claim; made by the store where none is given. Repeat it to ask again after a lost answer. */
  token?: string | undefined
  /** Digest of what must be equal on a retry, with its version: `v1:…`. */
  fingerprint?: string | undefined
  /** How long the claim is held without renewal. Default 30 s; 100 ms to 24 h. */
  leaseMs?: number | undefined
  /** How long the response can be replayed. Default 24 h; 1 s to 400 days. */
  retentionMs?: number | undefined
  /** Default `'rerun'`. `'uncertain'` never weakens within a record's life. */
  afterCrash?: AfterCrash | undefined
  /** Claim the uncertain attempt of this number, which fences it. For reconcilers. */
  rerunAttempt?: number | undefined
}

export interface CompleteOptions {
  /** The claim's token. Without one the completion is unfenced: accepted on attempt 1 only. */
  token?: string | undefined
  /** Default: the claim's own. */
  retentionMs?: number | undefined
  /** How to read the response; opaque to stores. Default `'value'`. */
  kind?: string | undefined
}

export interface RenewOptions {
  /** Default: the claim's own. `0` gives the lease up and keeps the token. */
  leaseMs?: number | undefined
  /** Progress to save for the next attempt. */
  checkpoint?: Storable | undefined
  /** Saves that are not above the number already stored are ignored, so that a delayed one takes nothing back. */
  checkpointNumber?: number | undefined
}

export interface PurgeOptions {
  /** The most records to delete in this call. Default 1,000, ceiling 10,000. */
  limit?: number | undefined
}

/** The answer of `begin`. */
export type Outcome =
  | {
      readonly status: 'new'
      readonly token: string
      readonly attempt: number
      readonly leaseUntil: Date
      readonly checkpoint?: StoredValue
    }
  | { readonly status: 'in_progress'; readonly attempt: number; readonly leaseUntil: Date }
  | {
      readonly status: 'completed'
      readonly response: StoredValue
      readonly kind: string
      readonly attempt: number
      readonly completedAt: Date
      readonly expiresAt: Date
    }
  /** The key was used with another fingerprint. */
  | { readonly status: 'mismatch' }
  /** An attempt died under `afterCrash: 'uncertain'` and nobody knows how far it got. */
  | { readonly status: 'uncertain'; readonly attempt: number; readonly checkpoint?: StoredValue }
  /** The key's retention is over and a tombstone refuses the late retry. */
  | { readonly status: 'expired'; readonly expiredAt: Date }

/** What `get` shows of a key. The token is never shown. */
export interface IdempotencyRecord {
  readonly key: string
  readonly status: 'in_progress' | 'completed'
  readonly response?: StoredValue
  readonly kind?: string
  readonly fingerprint?: string
  readonly attempt: number
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Absent where nobody holds a lease: completed, released, or given up. */
  readonly leaseUntil?: Date
  /** Absent: kept until settled. */
  readonly expiresAt?: Date
  readonly checkpoint?: StoredValue
  readonly afterCrash: AfterCrash
}

/**
 * The store contract: claim a key atomically or report its state, store the response for replay, read the raw record.
 * `begin(key)`, `complete(key, response)` and `get(key)` without options are the whole simple use.
 */
export interface IdempotencyStore {
  begin(key: string, options?: BeginOptions): Promise<Outcome>
  complete(key: string, response: Storable, options?: CompleteOptions): Promise<void>
  get(key: string): Promise<IdempotencyRecord | undefined>
  renew(key: string, token: string, options?: RenewOptions): Promise<void>
  release(key: string, token: string): Promise<void>
  purge(options?: PurgeOptions): Promise<number>
  close(): Promise<void>
}

/** A store that can create or upgrade what it needs. */
export interface Migratable {
  migrate(): Promise<void>
}

export interface ListQuery {
  /** Only keys that start with this. */
  prefix?: string | undefined
  /** `'uncertain'`: claims that lapsed under `afterCrash: 'uncertain'`. They are `in_progress` too. */
  status?: 'in_progress' | 'completed' | 'uncertain' | undefined
  /** Default 100, ceiling 1,000. */
  limit?: number | undefined
  /** From the page before. */
  cursor?: string | undefined
}

/** A record as a list shows it: without what it carries. */
export type ListedRecord = Omit<IdempotencyRecord, 'response' | 'checkpoint'>

export interface ListPage {
  readonly records: readonly ListedRecord[]
  /** Absent on the last page. */
  readonly cursor?: string
}

/** A store that operators can look into. */
export interface Inspectable {
  /** Records in the byte order of their keys. */
  list(query?: ListQuery): Promise<ListPage>
  /**
   * Deletes whatever the key holds. A retry runs again. Resolves `false` where there was nothing. Some stores reject with
   * `store_corrupt` or `unsupported` where they cannot read the record, and leave it to the engine's own tools.
   */
  delete(key: string): Promise<boolean>
  /** Ends the claim of that attempt, so that a retry may run at once. Resolves `false` where it holds none. */
  free(key: string, options: { attempt: number }): Promise<boolean>
}

/** A store that can push. */
export interface Wakeable {
  /**
   * Resolves when the key may have changed since this call, or when the signal aborts. Rejects when that can no longer
   * be told; who waits asks more often then.
   */
  wake(key: string, signal: AbortSignal): Promise<void>
}

/** A store that can join the caller's open transaction. */
export interface Transactional<Tx> {
  within(transaction: Tx): IdempotencyStore
}
