/* For writers of adapters and gateways: the decisions of the HTTP core, without any carrier. */

export { type CredentialOptions, type CredentialScope, credentialScope, type HeaderReader } from './core/credentials.js'
export type { Answer, RequestFacts } from './core/facts.js'
export {
  type Admission,
  type Admitted,
  type Body,
  createGate,
  type Decision,
  type Gate,
  type MultipartFile,
} from './core/gate.js'
export type { HeaderList } from './core/headers.js'
export type { Ending, HttpRun, Settlement, WholeHead } from './core/http-run.js'
export { readIdempotencyKey } from './core/idempotency-key.js'
export { createKeyGate, type KeyCheck, type KeyGate, type KeyGateOptions } from './core/key-gate.js'
export type { HttpOptions, ResponseHead } from './core/options.js'
export { type Advice, advice, type Problem, problemOf } from './core/problem.js'
export { appliedNothing, type Verdict } from './core/response-policy.js'
