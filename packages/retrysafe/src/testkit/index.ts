export type {
  AdapterCase,
  AdapterHandler,
  AdapterNeed,
  AdapterOptions,
  AdapterSetting,
  ClientRequest,
  Exchange,
  HandlerRequest,
  HeaderLines,
  OpenAdapter,
  OpenedAdapter,
  RawConnection,
  Reply,
  ReplyHead,
  Script,
} from './adapter/adapter-case.js'
export { adapterCases, runAdapterCase } from './adapter-cases.js'
export {
  type Call,
  type Fault,
  type FaultPlan,
  type FaultyOptions,
  type FaultyStore,
  faultyStore,
  type PlannedFault,
  type StoreMethod,
} from './faulty-store.js'
export { type SimulatedClock, simulatedClock } from './simulated-clock.js'
export type { Need, OpenedStore, OpenStore, StoreCase } from './store-case.js'
export { type CaseResult, runStoreCase, storeCases } from './store-cases.js'
