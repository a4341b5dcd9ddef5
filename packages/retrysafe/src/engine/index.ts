/* The room's door for the other rooms; `src/index.ts` names what is public. */
export type { Attempt } from './attempt.js'
export { digestText, sha256 } from './digest.js'
export type { Engine, Entered, Entry } from './engine.js'
export type { IdempotencyEvent, Observer } from './events.js'
export { fingerprintOf } from './fingerprint.js'
export { createIdempotency, engineOf } from './idempotency.js'
export { createOperation } from './operation.js'
export { findWinner, packOr, start, type Winner } from './perform.js'
export { checkResponse, notStored, type Packed, responseNotStored } from './responses.js'
export { type RunSettings, readFunction, readRun } from './settings.js'
export type { Settled } from './store-response.js'
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
} from './types.js'
