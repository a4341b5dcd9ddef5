import { type StoreUrl, storeUrl } from '../stores/store-url.js'
import { type Flags, repeated, single, toggle } from './flags.js'
import { operationFlags } from './operation-flags.js'
import type { ProxySettings } from './proxy-settings.js'
import {
  cookieName,
  duration,
  headerName,
  oneOf,
  originValue,
  port,
  size,
  statuses,
  text,
  upstreamUrl,
  wholeNumber,
} from './values.js'

const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute
const kib = 1024
const mib = 1024 * kib
const gib = 1024 * mib

const upstream = 'Upstream:'
const listening = 'Listening:'
const keys = 'Keys and responses:'
const crash = 'After a crash:'
const scope = 'Whose key it is:'

const upstreamFlags = {
  upstream: single(
    'upstream',
    { value: '<url>', group: upstream, fallback: undefined, help: 'the service to protect; required' },
    upstreamUrl,
  ),
  rewriteHost: toggle('rewrite-host', "send the upstream its own Host instead of the client's", upstream),
  connectTimeoutMs: single(
    'connect-timeout',
    {
      value: '<duration>',
      group: upstream,
      shown: '10s',
      fallback: 10 * second,
      help: 'longest wait for a connection',
    },
    duration(10, 10 * minute, 'from 10ms to 10m'),
  ),
  upstreamConnections: single(
    'upstream-connections',
    { value: '<n>', group: upstream, shown: '256', fallback: 256, help: 'connections open at once; the rest queues' },
    wholeNumber(1, 65_536),
  ),
}

const listeningFlags = {
  port: single(
    'port',
    { value: '<port>', group: listening, shown: '8080', fallback: 8080, help: 'where to listen' },
    port,
  ),
  host: single(
    'host',
    { value: '<address>', group: listening, fallback: undefined, help: 'address to listen on (default: every one)' },
    text,
  ),
  trustForwarded: toggle(
    'trust-forwarded',
    'keep Forwarded, X-Forwarded-Proto and -Host that a gateway in front has set',
    listening,
  ),
  maxHeaderBytes: single(
    'max-header',
    {
      value: '<size>',
      group: listening,
      shown: '64KiB',
      fallback: 64 * kib,
      help: 'longest head of a request or response',
    },
    size(kib, mib, 'from 1KiB to 1MiB'),
  ),
  requestTimeoutMs: single(
    'request-timeout',
    {
      value: '<duration>',
      group: listening,
      shown: '15m',
      fallback: 15 * minute,
      help: 'longest time to send a request',
    },
    duration(100, day, 'from 100ms to 24h'),
  ),
}

const keyFlags = {
  store: single(
    'store',
    {
      value: '<url>',
      group: keys,
      shown: 'sqlite:retrysafe.db',
      fallback: { kind: 'sqlite', text: 'sqlite:retrysafe.db', path: 'retrysafe.db' } satisfies StoreUrl,
      help: 'where keys are kept; see below. With a password in it, set RETRYSAFE_STORE instead',
    },
    storeUrl,
  ),
  leaseMs: single(
    'lease',
    {
      value: '<duration>',
      group: keys,
      shown: '30s',
      fallback: 30 * second,
      help: 'how long a key stays claimed when this proxy dies; renewed while the work runs',
    },
    duration(100, day, 'from 100ms to 24h'),
  ),
  retentionMs: single(
    'retention',
    { value: '<duration>', group: keys, shown: '24h', fallback: day, help: 'how long a response can be replayed' },
    duration(second, 400 * day, 'from 1s to 400d'),
  ),
  waitMs: single(
    'wait',
    {
      value: '<duration>',
      group: keys,
      shown: '0s',
      fallback: 0,
      help: 'hold a duplicate so long for the response, instead of 409 at once',
    },
    duration(0, day, 'from 0s to 24h'),
  ),
  maxRunMs: single(
    'max-run',
    {
      value: '<duration>',
      group: keys,
      shown: '15m',
      fallback: 15 * minute,
      help: 'longest time the upstream may take; without a key, until its response begins',
    },
    duration(100, day, 'from 100ms to 24h'),
  ),
  maxBodyBytes: single(
    'max-body',
    {
      value: '<size>',
      group: keys,
      shown: '10MiB',
      fallback: 10 * mib,
      help: 'longest body of a request with a key; others are streamed and have no limit',
    },
    size(0, gib, 'from 0 to 1GiB'),
  ),
  maxStoredBytes: single(
    'max-stored',
    {
      value: '<size>',
      group: keys,
      shown: '10MiB',
      fallback: 10 * mib,
      help: 'longest response kept; a longer one is delivered once, and never run again',
    },
    size(kib, gib, 'from 1KiB to 1GiB'),
  ),
  maxHeldBytes: single(
    'max-held',
    {
      value: '<size>',
      group: keys,
      shown: '256MiB',
      fallback: 256 * mib,
      help: 'bytes that all requests with a key hold together; beyond it 503',
    },
    size(mib, 64 * gib, 'from 1MiB to 64GiB'),
  ),
  requireKey: toggle('require-key', 'refuse POST and PATCH without a key (400)', keys),
  remember: single(
    'remember',
    {
      value: '<preset>',
      group: keys,
      shown: 'definite',
      fallback: 'definite' as const,
      help: 'responses to keep: definite (2xx to 4xx that decide), success (2xx), everything (5xx too)',
    },
    oneOf('definite', 'success', 'everything'),
  ),
}

const crashFlags = {
  afterCrash: single(
    'after-crash',
    {
      value: '<mode>',
      group: crash,
      shown: 'rerun',
      fallback: 'rerun' as const,
      help: 'what a retry meets when an attempt died: rerun, or uncertain (409 until an operator settles it)',
    },
    oneOf('rerun', 'uncertain'),
  ),
  notApplied: single(
    'not-applied',
    {
      value: '<status,...>',
      group: crash,
      shown: '401,403,407,421,425,428,429,431',
      fallback: undefined,
      help: 'under uncertain: statuses that prove that nothing happened',
    },
    statuses,
  ),
}

const scopeFlags = {
  allowAnonymous: toggle('allow-anonymous', 'let requests without any credential share one scope', scope),
  scopeHeaders: repeated(
    'scope-header',
    { value: '<name>', group: scope, help: 'a header that is part of the scope, besides the credentials; repeatable' },
    headerName,
  ),
  scopeCookie: single(
    'scope-cookie',
    { value: '<name>', group: scope, fallback: undefined, help: 'a cookie that is a credential, such as session' },
    cookieName,
  ),
  identityHeader: single(
    'identity-header',
    {
      value: '<name>',
      group: scope,
      fallback: undefined,
      help: 'a header that alone is the scope. Only where a gateway in front sets it and strips it from clients: otherwise anybody can name himself somebody else and read his responses',
    },
    headerName,
  ),
  corsOrigins: repeated(
    'cors-origin',
    { value: '<origin>', group: scope, help: 'an origin whose pages may read refusals; repeatable' },
    originValue,
  ),
}

/** Every flag of the proxy, in the order of the help. */
export const proxyFlags: Flags<ProxySettings> = {
  ...upstreamFlags,
  ...listeningFlags,
  ...keyFlags,
  ...crashFlags,
  ...scopeFlags,
  ...operationFlags,
}
