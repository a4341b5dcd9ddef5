export { type Clock, type Random, systemClock } from './contract/clock.js'
export { formatDuration, parseDuration } from './contract/duration.js'
export { type ErrorCode, type ErrorDetails, isRetrysafeError, RetrysafeError } from './contract/errors.js'
export { type StoreKeyOptions, storeKey } from './contract/keys.js'
export type {
  AfterCrash,
  BeginOptions,
  CompleteOptions,
  IdempotencyRecord,
  IdempotencyStore,
  Inspectable,
  JsonValue,
  ListedRecord,
  ListPage,
  ListQuery,
  Migratable,
  Outcome,
  PurgeOptions,
  RenewOptions,
  Storable,
  StoredValue,
  Transactional,
  Wakeable,
} from './contract/types.js'
export type { IdempotencyEvent, Observer } from './engine/events.js'
export { createIdempotency } from './engine/idempotency.js'
export type {
  Awaitable,
  Codec,
  Idempotency,
  IdempotencyOptions,
  NeedsCodec,
  Operation,
  Replayable,
  Result,
  RunDefaults,
  RunOptions,
  StepOptions,
  WhenInProgress,
  WrapOptions,
} from './engine/types.js'
