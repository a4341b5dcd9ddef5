export { type ProxyContext, type ProxyOptions, type RunningProxy, startProxy } from './proxy/start.js'
export type { Log } from './telemetry/log.js'
export type { RequestLine } from './telemetry/request-log.js'
